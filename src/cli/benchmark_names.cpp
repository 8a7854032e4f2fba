#include "cli/benchmark_names.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "base/json_fields.h"
#include "data/shards.h"

namespace ponder::cli {
namespace fs = std::filesystem;

fs::path benchmark_names_file() {
  const char* data = std::getenv("XDG_DATA_HOME");
  if (data && *data) return fs::path(data) / "ponder/benchmarks.json";
  const char* home = std::getenv("HOME");
  if (!home || !*home) {
    throw Error("HOME", "is not set, so there is no place for names of benchmarks",
                "set HOME or XDG_DATA_HOME");
  }
  return fs::path(home) / ".local/share/ponder/benchmarks.json";
}

std::map<std::string, NamedBenchmark> read_benchmark_names() {
  std::map<std::string, NamedBenchmark> names;
  const fs::path file = benchmark_names_file();
  if (!fs::exists(file)) return names;
  const Json json = read_json_file(file);
  const JsonFields all(json, file.string());
  for (const auto& [name, value] : json.items()) {
    const JsonFields one = all.fields(name);
    names[name] = {one.text("file"), one.text("sha256"), one.text_or("from", ""),
                   one.integer_or("n", 0, 0, INT64_MAX)};
  }
  return names;
}

void write_benchmark_names(const std::map<std::string, NamedBenchmark>& names) {
  Json json = Json::object();
  for (const auto& [name, one] : names)
    json[name] = {
        {"file", one.file}, {"sha256", one.sha256}, {"from", one.from}, {"n", one.num_problems}};
  const fs::path file = benchmark_names_file();
  fs::create_directories(file.parent_path());
  const std::string text = json.dump(2) + "\n";
  write_file_atomic(file, [&](FileWriter& out) { out.write(text.data(), text.size()); });
}

std::string benchmark_file(const std::string& path_or_name) {
  std::error_code absent;
  if (fs::exists(path_or_name, absent) || path_or_name.find_first_of("/*?[") != std::string::npos)
    return path_or_name;
  const auto names = read_benchmark_names();
  const auto found = names.find(path_or_name);
  if (found == names.end()) return path_or_name;
  const NamedBenchmark& benchmark = found->second;
  if (data::source_sha256(benchmark.file) != benchmark.sha256) {
    throw Error(benchmark.file,
                fmt::format("is not the file that was named \"{}\": it has changed", path_or_name),
                fmt::format("ponder benchmarks add {} FILE names it anew", path_or_name));
  }
  return benchmark.file;
}

}  // namespace ponder::cli
