// How the answers to a problem are judged: its own type, tolerance and choices, what the user asks
// for units and order, and how the response ended. The only place where a rollout meets the judge.
#pragma once

#include <string_view>

#include "base/json.h"
#include "data/rows.h"
#include "judge/judge.h"

namespace ponder::eval {

// See JudgeOptions; lenient and exact unless asked for.
struct JudgeStrictness {
  judge::Strictness units = judge::Strictness::kLenient;
  judge::Strictness order = judge::Strictness::kLenient;
  judge::Forms forms = judge::Forms::kExact;
};

// `word` is "strict" or "lenient".
inline judge::Strictness strictness_of(std::string_view word) {
  return word == "strict" ? judge::Strictness::kStrict : judge::Strictness::kLenient;
}

// `word` is "exact" or "evaluated".
inline judge::Forms forms_of(std::string_view word) {
  return word == "evaluated" ? judge::Forms::kEvaluated : judge::Forms::kExact;
}

// {version, units, order, forms}, as it stands in rows beside their verdicts: what differs here was not
// judged alike.
inline Json how_judged(const JudgeStrictness& strictness) {
  const auto word = [](judge::Strictness one) {
    return one == judge::Strictness::kStrict ? "strict" : "lenient";
  };
  return {{"version", judge::kVersion},
          {"units", word(strictness.units)},
          {"order", word(strictness.order)},
          {"forms", strictness.forms == judge::Forms::kEvaluated ? "evaluated" : "exact"}};
}

inline judge::JudgeOptions judge_options(const data::Problem& problem,
                                         const JudgeStrictness& strictness) {
  return {.type = problem.answer_type,
          .tolerance = problem.tolerance,
          .units = strictness.units,
          .order = strictness.order,
          .forms = strictness.forms,
          .choices = problem.choices};
}

// What the judge calls the end of a completion.
inline judge::ResponseEnd response_end(data::FinishReason reason) {
  switch (reason) {
    case data::FinishReason::kLength:
      return judge::ResponseEnd::kTokenLimit;
    case data::FinishReason::kRepetition:
      return judge::ResponseEnd::kRepetition;
    case data::FinishReason::kStop:
      break;
  }
  return judge::ResponseEnd::kFinished;
}

// `text` is a whole completion, as parse_thought takes it.
inline judge::Judgement judge_completion(const data::Problem& problem,
                                         const JudgeStrictness& strictness, std::string_view text,
                                         data::FinishReason reason) {
  return judge::judge_response(problem.answer, text, response_end(reason),
                               judge_options(problem, strictness));
}

// Fills in verdict and proof.
inline judge::Judgement judge_rollout(const data::Problem& problem,
                                      const JudgeStrictness& strictness, data::Rollout& rollout) {
  judge::Judgement judgement = judge_completion(problem, strictness, rollout.completion.text,
                                                rollout.completion.finish_reason);
  rollout.verdict = judgement.verdict;
  rollout.proof = judgement.proof;
  return judgement;
}

}  // namespace ponder::eval
