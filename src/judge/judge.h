// Does a final answer equal the gold answer? Three verdicts, each with a proof line: what was
// extracted, how both sides were read, which rule decided. Pure functions of their arguments: no
// clock, no locale, no exceptions; a step budget ends in kUndecided, the same on every machine.
// Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "judge/options.h"

namespace ponder::judge {

// Of the rules by which answers are found, read and compared: raised with every change that gives some
// answer another verdict, and kept with every score (version_test.cpp holds it against answers of all
// shapes). Scores of two versions are not one measure.
inline constexpr int kVersion = 1;

struct Judgement {
  Verdict verdict = Verdict::kUndecided;
  std::string extracted;  // the final answer as found in the response; empty when none was found
  std::string proof;      // one line
};

// The final answer of a whole response (thought tags allowed; the solution part is searched first),
// or nothing when there is none. An intermediate result is never taken when a final one exists.
std::optional<std::string> extract_answer(std::string_view response, AnswerType type);

// `prediction` is an answer, already extracted.
Judgement judge_answer(std::string_view gold, std::string_view prediction,
                       const JudgeOptions& options);

// How a response ended.
enum class ResponseEnd {
  kFinished,    // its writer ended it
  kTokenLimit,  // cut
  kRepetition,  // cut, as it went round in a circle
};

// `response` is a whole response; one that was cut has no answer and is kIncorrect, and the proof
// says what cut it.
Judgement judge_response(std::string_view gold, std::string_view response, ResponseEnd end,
                         const JudgeOptions& options);

}  // namespace ponder::judge
