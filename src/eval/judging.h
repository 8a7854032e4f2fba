// How the answers to a problem are judged: its own type, tolerance and choices, what the user asks
// for units and order, and how the response ended. The only place where a rollout meets the judge.
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

// What the judge calls the end of a completion.
inline ResponseEnd response_end(FinishReason reason) {
  switch (reason) {
    case FinishReason::kLength:
      return ResponseEnd::kTokenLimit;
    case FinishReason::kRepetition:
      return ResponseEnd::kRepetition;
    case FinishReason::kStop:
      break;
  }
  return ResponseEnd::kFinished;
}

// `text` is a whole completion, as parse_thought takes it.
inline Judgement judge_completion(const Problem& problem, const JudgeStrictness& strictness,
                                  std::string_view text, FinishReason reason) {
  return judge_response(problem.answer, text, response_end(reason),
                        judge_options(problem, strictness));
}

// Fills in verdict and proof.
inline Judgement judge_rollout(const Problem& problem, const JudgeStrictness& strictness,
                               Trajectory& trajectory) {
  Judgement judgement =
      judge_completion(problem, strictness, trajectory.text, trajectory.finish_reason);
  trajectory.verdict = judgement.verdict;
  trajectory.proof = judgement.proof;
  return judgement;
}

}  // namespace ponder
