// What a teacher's answer is worth: a demonstration, or the reason why it is none. A pure function of the
// answer and its problem. Internal to this folder.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/rows.h"
#include "eval/judging.h"
#include "fleet/answer.h"

namespace ponder::teach {

struct OutcomeRules {
  eval::JudgeStrictness strictness;
  bool allow_direct = false;  // an answer without a thought may be a demonstration
};

struct Outcome {
  std::string reason;  // "" for a demonstration, else one of reasons()
  std::string detail;
  std::string thought, solution;          // as far as they can be told apart
  std::optional<judge::Verdict> verdict;  // of what was judged
  std::string proof;
};

Outcome outcome_of(const data::Problem& problem, const fleet::Answer& answer,
                   const OutcomeRules& rules);

// Every reason, in the order in which they are looked at; "duplicate", which is not looked for here, is
// the last.
const std::vector<std::string>& reasons();

// The row of an answer that became a demonstration; its source is the teacher's name.
data::Demonstration demonstration_of(const data::Problem& problem, const std::string& teacher,
                                     int sample, const Outcome& outcome);

}  // namespace ponder::teach
