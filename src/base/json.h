// JSON values and files of JSON rows. Text from outside is parsed by simdjson (strict UTF-8,
// bounded depth) with duplicate keys refused, and becomes an nlohmann value that keeps the order of
// keys.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

extern template class nlohmann::basic_json<nlohmann::ordered_map>;  // compiled once, in json.cpp

namespace ponder {

using Json = nlohmann::ordered_json;

// Parses one JSON value. Throws Error naming `where` (file, or file and line) and the byte offset.
// Depth above 64, duplicate keys, invalid UTF-8 and trailing text are errors.
Json parse_json(std::string_view text, const std::string& where);

// Reads and parses a whole JSON file (packed too).
Json read_json_file(const std::filesystem::path& path);

// One row of a file of rows.
struct JsonRow {
  Json value;
  uint64_t line = 0;         // counted from 1; for a .json array, the element's index from 1
  uint64_t byte_offset = 0;  // where the row begins in the unpacked file
};

// Streams the rows of a file of lines, or of a file whose top is an array; gzip and Zstandard of
// both; "-" is standard input. A BOM, CRLF, empty lines and a missing last newline are fine. A row
// of more than kMaxLineBytes, or of more than half a million JSON values, is a bad row. Memory
// stays below twice kMaxLineBytes, the row handed out included, whatever the file. Without `on_bad`
// the first bad row ends in an Error; with it `on_bad(line, byte_offset, problem)` is called and
// reading goes on. An array that is cut or has lost a comma ends in an Error either way.
class JsonRowReader {
 public:
  static constexpr uint64_t kMaxLineBytes = uint64_t{64} << 20;

  explicit JsonRowReader(const std::filesystem::path& path);
  ~JsonRowReader();
  JsonRowReader(const JsonRowReader&) = delete;
  JsonRowReader& operator=(const JsonRowReader&) = delete;

  using OnBad =
      std::function<void(uint64_t line, uint64_t byte_offset, const std::string& problem)>;

  // False at the end. Without `on_bad` a bad row throws Error.
  bool next(JsonRow& row, const OnBad& on_bad = nullptr);

  const std::string& name() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// `value` on one line, valid UTF-8 whatever the strings hold (broken bytes become U+FFFD).
std::string dump_json(const Json& value);

}  // namespace ponder
