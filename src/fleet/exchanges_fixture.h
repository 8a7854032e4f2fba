// Exchanges with real servers, as tests/peers recorded them.
#pragma once

#include <map>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "testing/folders.h"

namespace ponder::fleet {

// By name, of such a file as tests/golden/vllm/exchanges.jsonl; its folder's README says what a row has.
inline std::map<std::string, Json> recorded_exchanges(const std::string& file) {
  const std::string text = read_file(testing::source_dir() / file);
  std::map<std::string, Json> rows;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    Json row = parse_json(text.substr(begin, end - begin), "exchanges.jsonl");
    const std::string name = row["name"];
    rows[name] = std::move(row);
    begin = end + 1;
  }
  return rows;
}

}  // namespace ponder::fleet
