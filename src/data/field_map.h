// Rows whose fields have names of their own: which field is the question, the response, the gold
// answer, ….
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace ponder::data {

class FieldMap {
 public:
  FieldMap() = default;
  // Pairs of what a field is (question, system, thought, response, answer, choices, chosen, rejected,
  // id, domain, level, source, unit, tolerance, answer_type) and what the file calls it, with dots to
  // a field within a field. Throws Error (usage) naming what a field can be.
  explicit FieldMap(const std::vector<std::pair<std::string, std::string>>& fields);
  // Of "question=body", …, as flags have them.
  static FieldMap parse(const std::vector<std::string>& pairs);

  // question, system, ….
  static std::vector<std::string> known();

  bool empty() const { return fields_.empty(); }
  // As they would be written as a flag: "question=body,answer=key".
  std::string text() const;
  // Whether a column of a table is one of them, or holds one.
  bool reads(const std::string& column) const;
  // Those that are in the row, by their place among all.
  std::vector<bool> found_in(const Json& row) const;
  const std::string& name(size_t index) const { return fields_[index].second; }
  // The row with each field under the name of what it is; other fields that could be taken for it
  // are left out.
  Json apply(const Json& row) const;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace ponder::data
