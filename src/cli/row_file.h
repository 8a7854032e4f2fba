// The file of rows that a command makes. While it is made its rows stand in OUT.part, behind a first
// line that says which job they are of: a command that was stopped or killed goes on from there, and
// at its end OUT has the rows in their order. What is no regular file (standard output, a pipe, a
// device) is written row by row and nothing is kept. docs/formats.md describes OUT.part.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json_fields.h"
#include "base/monitor.h"
#include "cli/command.h"

namespace ponder::cli {

// What --help says of --out.
inline constexpr const char* kGoesOn =
    "; stopped or killed, the same command goes on from what stands in OUT.part";

// What a job over the rows of `file` is: `settings` and the file's hash; null for what is not there
// a second time (standard input, a pipe).
Json job_over(const std::filesystem::path& file, Json settings);

class RowFile {
 public:
  using Place = std::pair<int64_t, int64_t>;  // among the rows, from (0, 0) on
  using Visit = std::function<void(Place, const JsonFields&)>;
  static constexpr Place kEnd = {std::numeric_limits<int64_t>::max(), 0};

  // `job`: all that decides the rows, by name; ponder's version is added. Null if they cannot be
  // made again: then nothing is kept. `reads` as LineOutput. Throws Error naming what differs if
  // OUT.part is of another job, and when another process writes it.
  RowFile(const std::string& out, const std::vector<std::filesystem::path>& reads, Json job,
          Monitor& monitor);
  ~RowFile();  // keeps OUT.part if there is anything in it
  RowFile(const RowFile&) = delete;
  RowFile& operator=(const RowFile&) = delete;

  // Whether rows are kept; if not they must be added in order.
  bool keeps() const { return fd_ >= 0; }
  // The rows that are there, JSON objects, in order; those before `end` and not before `begin`.
  void for_each(const Visit& visit, Place begin = {}, Place end = kEnd) const;
  // The same of the parts of rows that are not there, those of a row in the order in which they came.
  void for_each_part(const Visit& visit, Place begin = {}, Place end = kEnd) const;
  // `row` is a line without its end, a JSON object. It survives a kill at once, a power cut ten
  // seconds later (sync_each_row: at once); so does a part of a row, a JSON object too, until its row is added.
  void add(Place place, const std::string& row);
  void add_part(Place place, const std::string& part);
  // From now on a row is on the disk when add returns.
  void sync_each_row() { sync_every_ = {}; }
  void finish();
  // The command was told to stop: says that it can go on, and throws Stopped.
  [[noreturn]] void stop() const;

 private:
  struct Extent {
    uint64_t offset = 0, size = 0;
  };
  void load(const Json& job);
  void load_line(std::string_view line, uint64_t offset);
  Extent append(const std::string& prefix, const std::string& row);
  std::string read(const Extent& extent) const;
  void visit_row(const Visit& visit, Place place, const Extent& extent) const;

  std::string out_;
  Monitor& monitor_;
  std::filesystem::path part_;
  int fd_ = -1;
  uint64_t end_ = 0;
  std::map<Place, Extent> rows_;
  std::map<Place, std::vector<Extent>> parts_;  // of rows that are not there
  std::chrono::seconds sync_every_{10};
  std::chrono::steady_clock::time_point synced_ = std::chrono::steady_clock::now();
  std::unique_ptr<LineOutput> lines_;  // where nothing is kept
};

}  // namespace ponder::cli
