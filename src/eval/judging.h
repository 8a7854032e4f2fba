// How the answers to a problem are judged: its own type, tolerance and choices, and what the user
// asks for units and order.
#pragma once

#include <string_view>

#include "data/rows.h"
#include "judge/judge.h"

namespace ponder {

// See JudgeOptions; both lenient unless asked for.
struct JudgeStrictness {
  Strictness units = Strictness::kLenient;
  Strictness order = Strictness::kLenient;
};

// `word` is "strict" or "lenient".
inline Strictness strictness_of(std::string_view word) {
  return word == "strict" ? Strictness::kStrict : Strictness::kLenient;
}

inline JudgeOptions judge_options(const Problem& problem, const JudgeStrictness& strictness) {
  return {.type = problem.answer_type,
          .tolerance = problem.tolerance,
          .units = strictness.units,
          .order = strictness.order,
          .choices = problem.choices};
}

}  // namespace ponder
