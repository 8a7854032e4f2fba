// A source of rows that lies in several files: a folder, or a pattern such as data/train-*.parquet.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ponder::data {

// The files of `source`, sorted by name: itself, if it is a file (or "-", or there is none of that
// name); the files a pattern with *, ? or [ matches; of a folder those whose names end as files of rows
// do (.jsonl, .ndjson, .json, .csv, .tsv, .parquet, .arrow, .feather, packed or not), hidden ones and
// the descriptions that dataset tools write (dataset_info.json, …) left out. Throws Error where there
// is none, and where a pattern matches a folder.
std::vector<std::filesystem::path> shards_of(const std::filesystem::path& source);

// All files of all sources, in order.
std::vector<std::filesystem::path> shards_of(const std::vector<std::string>& sources);

// SHA-256 of a file's bytes; of several files that of their hashes, in order. Names decide nothing.
std::string source_sha256(const std::filesystem::path& source);
// Of all its files.
int64_t source_bytes(const std::filesystem::path& source);

}  // namespace ponder::data
