// Benchmarks by name: files that were given a name once (ponder benchmarks add).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "base/json.h"

namespace ponder::cli {

struct NamedBenchmark {
  std::string file;          // absolute, or a folder or pattern
  std::string sha256;        // of its rows' files when it was named
  std::string from;          // where it comes from, in the user's words; may be empty
  int64_t num_problems = 0;  // when it was named; 0: not known
};

// $XDG_DATA_HOME/ponder/benchmarks.json, else ~/.local/share/ponder/benchmarks.json.
std::filesystem::path benchmark_names_file();
std::map<std::string, NamedBenchmark> read_benchmark_names();
void write_benchmark_names(const std::map<std::string, NamedBenchmark>& names);

// The file of a benchmark that is a path or a name: a path that exists, else a name. Throws Error for a
// named file that is gone or no longer what it was; what is neither stays as it is.
std::string benchmark_file(const std::string& path_or_name);

}  // namespace ponder::cli
