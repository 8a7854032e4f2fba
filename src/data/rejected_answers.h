// Answers of a teacher that became no demonstrations, as ponder teach keeps them (rejected.jsonl,
// docs/teacher.md): to be looked at, and never trained on by mistake.
#pragma once

#include <functional>
#include <string>

#include "base/json.h"
#include "data/readers.h"
#include "data/row_conditions.h"
#include "data/row_source.h"

namespace ponder::data {

bool is_rejected_answer(const Json& row);

struct RejectedAnswer {
  std::string id;              // of the problem and its sample
  std::string reason, detail;  // why it is none
  std::string question, answer;
  std::string thought, text, refusal;  // what the teacher said
  std::string finish_reason, model;
  Json row;  // whole
};

// Counts every row under its own reason in `report`, those that `conditions` (may be null) do not want as "filtered",
// and what is no such row as "not_rejected"; gives the others away in their order. Throws Error if the file cannot be read.
void visit_rejected_answers(RowSource& rows, RowAccount& report, RowConditions* conditions,
                            const std::function<void(RejectedAnswer)>& take);

}  // namespace ponder::data
