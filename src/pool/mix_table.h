// What went into a training set: rows and tokens by domain and by source, which is the teacher where rows
// say who that was.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "data/rows.h"

namespace ponder::pool {

// Rows that have their domain and source in common.
struct MixPart {
  std::string domain, source;  // "" where the rows do not say it
  int64_t rows = 0, tokens = 0;
};

class MixTable {
 public:
  void add(const std::string& domain, const std::string& source, int64_t tokens);
  std::vector<MixPart> parts() const;  // the most tokens first

 private:
  std::map<std::pair<std::string, std::string>, MixPart> parts_;
};

// Who wrote it: the row's source, or the name of its file.
std::string teacher_of(const data::Demonstration& row);

// [{"domain", "source", "rows", "tokens"}, …] and back; what is no such list is none.
Json to_json(const std::vector<MixPart>& parts);
std::vector<MixPart> mix_from_json(const Json& json);

// One line a part, with its share of the tokens: "math, LIMO: 120 rows, 453,201 tokens (61.0 %)"; of many
// the first, then one for the others together.
inline constexpr size_t kMostMixLines = 20;
std::vector<std::string> mix_lines(const std::vector<MixPart>& parts);

}  // namespace ponder::pool
