#include "teach/standing.h"

#include "base/error.h"
#include "base/file.h"
#include "pool/sqlite.h"

namespace ponder::teach {
namespace fs = std::filesystem;
namespace {

using pool::sqlite::Database;

Json about(const Database& database, const char* key) {
  pool::sqlite::Statement row = database.prepare("SELECT value FROM about WHERE key = ?");
  row.bind(key);
  return row.step() ? parse_json(row.text(0), database.name()) : Json::object();
}

int64_t count_of(const Json& report, const char* key) {
  const auto field = report.find(key);
  return field != report.end() && field->is_number_integer() ? field->get<int64_t>() : 0;
}

Json read(const fs::path& file, Database::Access access) {
  const Database database(file, access);
  Json standing = about(database, "report");
  standing["model"] = about(database, "job").value("served model", "");
  standing["in_flight"] = database.value("SELECT count(*) FROM requests WHERE state = 'sent'");
  const auto holder = lock_holder(file.string() + ".lock");
  const bool all = count_of(standing, "answers") > 0 && count_of(standing, "unasked") == 0 &&
                   count_of(standing, "written") == 0;
  standing["state"] = holder ? "running" : all ? "done" : "stopped";
  standing["holder"] = holder ? Json(*holder) : Json();
  if (!holder) standing["in_flight"] = 0;  // what a kill left behind
  return standing;
}

}  // namespace

Json standing(const fs::path& database) {
  std::error_code absent;
  if (!fs::is_regular_file(database, absent)) return {};
  for (const Database::Access access : {Database::Access::kRead, Database::Access::kFrozen}) {
    try {
      return read(database, access);
    } catch (const std::exception&) {  // where nothing can be written there is no log beside it
    }
  }
  return {};
}

}  // namespace ponder::teach
