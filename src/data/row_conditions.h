// Which rows of a source are wanted, by their fields: domain, level, source, or any other of the file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/rejection.h"
#include "data/rows.h"

namespace ponder::data {

struct RowCondition {
  std::string field;                // of the file; dots lead into a field
  std::vector<std::string> values;  // one of these; numbers are equal as numbers
  std::optional<double> min, max;   // or a number from min to max, both included
  bool wanted = true;               // false: rows for which this holds are left out
};

// domain, level, source, id and answer are the row's as it was read, under whatever name the file has
// them; another field is the file's own. A level counts by its number, "Level 5" is 5. A row
// without the field does not fulfil a condition.
class RowConditions {
 public:
  // Throws Error (usage) for a condition without a value or with a band that is upside down.
  void add(RowCondition condition);
  bool empty() const { return conditions_.empty(); }
  std::string text() const;  // "level 4 or 5, not domain code"

  // The reason "filtered", where the row is not wanted. `raw`: as the file has it, null where there is
  // no file.
  std::optional<Rejection> against(const Json& raw, const Demonstration& row);
  std::optional<Rejection> against(const Json& raw, const Problem& row);
  // Fields that no row so far had: a name that is misspelt leaves nothing.
  std::vector<std::string> never_found() const;
  // Throws Error where there is one, for the rows of `file`.
  void refuse_never_found(const std::string& file) const;

 private:
  template <class Row>
  std::optional<Rejection> check(const Json& raw, const Row& row);

  std::vector<RowCondition> conditions_;
  std::vector<bool> found_;
};

}  // namespace ponder::data
