#include "data/shards.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <glob.h>

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

namespace ponder::data {
namespace fs = std::filesystem;
namespace {

bool is_file_of_rows(const fs::path& path) {
  std::error_code unknown;
  const std::string name = lower_ascii(path.filename().string());
  if (name.starts_with('.') || !fs::is_regular_file(path, unknown)) return false;
  for (const std::string_view description :
       {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}) {
    if (name == description) return false;
  }
  fs::path stem = name;
  if (stem.extension() == ".gz" || stem.extension() == ".zst") stem = stem.stem();
  for (const std::string_view known :
       {".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".feather"}) {
    if (stem.extension() == known) return true;
  }
  return false;
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::vector<std::string> folders;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (is_file_of_rows(entry.path())) files.push_back(entry.path());
    if (entry.is_directory()) folders.push_back(entry.path().filename().string());
  }
  if (!files.empty()) return files;
  std::sort(folders.begin(), folders.end());
  throw Error(folder.string(), "a folder without a file of rows",
              folders.empty() ? "files of rows end in .jsonl, .json, .csv, .parquet or .arrow"
                              : fmt::format("name one of its folders, or a pattern: {}",
                                            fmt::join(folders, ", ")));
}

std::vector<fs::path> files_like(const fs::path& pattern) {
  glob_t found{};
  const int code = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
  std::vector<fs::path> files;
  for (size_t i = 0; code == 0 && i < found.gl_pathc; ++i) files.emplace_back(found.gl_pathv[i]);
  ::globfree(&found);
  if (files.empty()) throw Error(pattern.string(), "no file matches", "check the pattern");
  for (const fs::path& file : files) {
    if (fs::is_directory(file)) {
      throw Error(pattern.string(), fmt::format("matches the folder {}", file.string()),
                  "let it match files alone, or name the folder");
    }
  }
  return files;
}

}  // namespace

std::vector<fs::path> shards_of(const fs::path& source) {
  std::error_code unknown;
  if (source == "-" || fs::exists(source, unknown)) {
    if (source == "-" || !fs::is_directory(source, unknown)) return {source};
  } else if (source.string().find_first_of("*?[") == std::string::npos) {
    return {source};
  }
  std::vector<fs::path> files =
      fs::is_directory(source, unknown) ? files_in(source) : files_like(source);
  std::sort(files.begin(), files.end(),
            [](const fs::path& a, const fs::path& b) { return a.string() < b.string(); });
  return files;
}

std::vector<fs::path> shards_of(const std::vector<std::string>& sources) {
  std::vector<fs::path> all;
  for (const std::string& source : sources) {
    const std::vector<fs::path> files = shards_of(fs::path(source));
    all.insert(all.end(), files.begin(), files.end());
  }
  return all;
}

std::string source_sha256(const fs::path& source) {
  const std::vector<fs::path> files = shards_of(source);
  if (files.size() == 1) return sha256_file(files[0]);
  Sha256 hash;
  for (const fs::path& file : files) hash.update(sha256_file(file) + "\n");
  return hash.hex();
}

int64_t source_bytes(const fs::path& source) {
  int64_t bytes = 0;
  for (const fs::path& file : shards_of(source)) {
    std::error_code unknown;
    const auto own = fs::file_size(file, unknown);
    if (!unknown) bytes += static_cast<int64_t>(own);
  }
  return bytes;
}

}  // namespace ponder::data
