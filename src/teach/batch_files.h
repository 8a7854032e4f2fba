// A teacher's requests as files for batch services (OpenAI's batch API, vllm run-batch), and the files of
// results that these give back, in any order.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/monitor.h"
#include "base/output_file.h"
#include "teach/teacher.h"

namespace ponder::teach {

// Of a file; OpenAI's are 50,000 lines and 200 MB.
struct BatchLimits {
  int64_t lines = 50'000, bytes = 180'000'000;
};

struct BatchFile {
  std::filesystem::path file;
  int64_t lines = 0, bytes = 0;
};

// Lines that one file holds.
using BatchShard = std::span<const Teacher::BatchLine>;
std::vector<BatchShard> batch_shards(std::span<const Teacher::BatchLine> lines,
                                     const BatchLimits& limits);
int64_t write_lines(FileWriter& file, BatchShard lines);  // returns how many bytes

// What would be asked next, into `file`, or into NAME-0001.EXT, … where one does not hold it. No file where
// nothing is to be asked. Throws Error for files that are there already: they may be on their way.
std::vector<BatchFile> write_batch(Teacher& teacher, const std::filesystem::path& file,
                                   const BatchLimits& limits = {});

// What became of the lines: they add up to `lines`.
struct BatchAccount {
  int64_t lines = 0;
  int64_t answers = 0;     // new ones
  int64_t duplicates = 0;  // read before, or answered otherwise
  int64_t differing = 0;   // a second, other answer; the first stays
  int64_t unknown = 0;     // of no request of these problems
  int64_t failed = 0;      // for good
  int64_t again = 0;       // without an answer: expired, a server's error; to be asked again
  int64_t unreadable = 0;

  BatchAccount& operator+=(const BatchAccount& other);
  Json json() const;
  std::string text() const;
};

// Takes the answers of results and error files. Throws Error for a file that cannot be read; what came before
// is kept.
BatchAccount read_batch(Teacher& teacher, const std::vector<std::filesystem::path>& files,
                        Monitor& monitor);

}  // namespace ponder::teach
