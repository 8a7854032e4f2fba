#include "pipeline/share.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/folder_swap.h"
#include "base/json.h"
#include "pool/pool.h"

namespace ponder::pipeline {
namespace fs = std::filesystem;
namespace {

constexpr const char* kOrigin = "shared_from.json";

bool is_shared_from(const fs::path& out, const fs::path& from) {
  if (!fs::exists(out / kOrigin)) return false;
  const Json origin = read_json_file(out / kOrigin);
  const auto run = origin.find("run");
  return run != origin.end() && run->is_string() &&
         run->get<std::string>() == fs::weakly_canonical(from).string();
}

void copy_durably(const fs::path& from, const fs::path& to) {
  fs::copy_file(from, to);
  const int file = ::open(to.c_str(), O_RDONLY | O_CLOEXEC);
  const bool durable = file >= 0 && ::fsync(file) == 0;
  const int code = errno;
  if (file >= 0) ::close(file);
  if (!durable)
    throw Error(kind_of_errno(code), to.string(),
                std::string("cannot be written: ") + std::strerror(code));
}

// The same bytes under another name, or a copy where the file system has no such thing.
void link(const fs::path& from, const fs::path& to) {
  std::error_code refused;
  fs::create_hard_link(from, to, refused);
  if (refused) copy_durably(from, to);
}

template <class Take>
void take_files(const fs::path& from, const fs::path& to, const Take& take) {
  if (!fs::is_directory(from)) return;
  fs::create_directories(to);
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    if (entry.is_directory()) {
      take_files(entry.path(), to / entry.path().filename(), take);
    } else if (entry.is_regular_file()) {
      take(entry.path(), to / entry.path().filename());
    }
  }
}

}  // namespace

void share_run(const fs::path& from, const fs::path& out) {
  if (!fs::exists(from / "run.db"))
    throw Error(ErrorKind::kNotFound, "--from " + from.string(), "is no run: it has no run.db");
  if (fs::exists(out / "run.db")) {
    if (is_shared_from(out, from)) return;
    throw Error("--out " + out.string(), "is a run already, and not one made from " + from.string(),
                "give another --out, or leave --from out to go on with it");
  }
  const std::optional<std::string> holder = lock_holder(from / "lock");
  if (holder) {
    throw Error(ErrorKind::kBusy, "--from " + from.string(), "is being worked on by " + *holder,
                "wait until it has ended, or stop it");
  }
  // Nobody begins to work on it meanwhile.
  const LockFile lock(from / "lock");
  FolderWriter writer(
      out, [](const fs::path&) { return false; }, "an empty folder");
  for (const char* name : {"run.db", "run.db-wal", "recipe.toml", "log.jsonl"})
    if (fs::exists(from / name)) copy_durably(from / name, writer.path() / name);
  take_files(from / "evaluations", writer.path() / "evaluations", copy_durably);
  // What a stopped job has saved, and its log, it goes on writing to: that is no other run's.
  fs::create_directories(writer.path() / "checkpoints");
  fs::create_directories(writer.path() / "training");
  const pool::Pool pool = pool::Pool::open_read_only(from / "run.db");
  for (const pool::StageRecord& stage : pool.stages()) {
    const std::string log = "training/" + stage.name + ".jsonl";
    if (stage.state == pool::StageState::kDone && fs::exists(from / log))
      copy_durably(from / log, writer.path() / log);
  }
  for (const pool::ModelRecord& model : pool.models())
    take_files(from / "checkpoints" / model.name, writer.path() / "checkpoints" / model.name, link);
  write_file_atomic(writer.path() / kOrigin,
                    dump_json({{"run", fs::weakly_canonical(from).string()}}) + "\n");
  writer.commit();
}

}  // namespace ponder::pipeline
