// A whole file of rows, packed or not, read as problems and as demonstrations. Whatever the bytes,
// every row is accounted for, and what is kept can be written and read again.
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "data/contamination.h"
#include "data/readers.h"
#include "fuzz.h"

namespace {

using namespace ponder;

void check(const data::RowAccount& report, size_t kept) {
  uint64_t rejected = 0;
  for (const auto& [reason, count] : report.rejected) {
    rejected += count;
    fuzz::require(!reason.empty(), "a rejected row has a reason");
  }
  fuzz::require(report.rows == report.kept + report.duplicates + rejected,
                "rows are accounted for");
  fuzz::require(kept == report.kept || kept == 0, "the rows handed out are those that were kept");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int fd = ::memfd_create("fuzz", MFD_CLOEXEC);
  fuzz::require(fd >= 0, "a file in memory");
  for (size_t done = 0; done < size;) {
    const ssize_t n = ::write(fd, data + done, size - done);
    fuzz::require(n > 0, "writing to memory");
    done += static_cast<size_t>(n);
  }
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  data::ContaminationFilter filter;
  {
    data::RowAccount report;
    std::vector<data::Problem> rows;
    try {
      rows = data::read_problems(path, report);
    } catch (const Error& error) {
      fuzz::require(!error.where().empty() && !error.problem().empty(), "an error says where");
    }
    check(report, rows.size());
    filter.add("rows", rows);
    for (const data::Problem& row : rows) {
      fuzz::require(!row.id.empty() && !row.question.empty() && !row.answer.empty(), "a problem");
      if (!data::contamination_tokens(row.question).empty()) {
        fuzz::require(filter.find(row.question).has_value(), "a question contaminates itself");
      }
    }
  }
  for (const bool all_turns : {false, true}) {
    data::RowAccount report;
    std::vector<data::Demonstration> rows;
    try {
      data::DemonstrationReadOptions options;
      options.require_thought = all_turns;
      options.all_turns = all_turns;
      rows = data::read_demonstrations(path, report, options);
    } catch (const Error& error) {
      fuzz::require(!error.where().empty() && !error.problem().empty(), "an error says where");
    }
    check(report, rows.size());
    for (const data::Demonstration& row : rows) {
      fuzz::require(!row.question.empty() && !row.response().empty(), "a demonstration");
      fuzz::require(row.history.size() % 2 == 0, "a history ends with an answer");
      parse_json(dump_json(data::to_json(row)), "again");
    }
    filter.filter(rows, report);
    check(report, rows.size());
  }
  ::close(fd);
  return 0;
}
