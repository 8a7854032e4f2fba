// Does a final answer equal the gold answer? Three verdicts, each with a proof line: what was
// extracted, how both sides were read, which rule decided. Pure functions of their arguments: no
// clock, no locale, no exceptions; a step budget ends in kUndecided, the same on every machine.
// Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ponder {

enum class Verdict { kCorrect, kIncorrect, kUndecided };
std::string_view to_string(Verdict verdict);  // "correct", "incorrect", "undecided"
std::optional<Verdict> verdict_from_string(std::string_view text);

enum class AnswerType { kMath, kChoice, kNumber, kText };
std::string_view to_string(AnswerType type);  // "math", "choice", "number", "text"
std::optional<AnswerType> answer_type_from_string(std::string_view text);

enum class Strictness { kLenient, kStrict };

struct JudgeOptions {
  AnswerType type = AnswerType::kMath;
  std::optional<double> tolerance = {};  // relative; only where the row asks for one
  // Lenient: a unit may be missing on one side. Strict: both sides name units of one dimension.
  Strictness units = Strictness::kLenient;
  // Lenient: lists without brackets are equal in any order. Strict: only in gold's order.
  Strictness order = Strictness::kLenient;
  // Texts of A, B, … where they are known: an answer may quote one.
  std::vector<std::string> choices = {};
};

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

}  // namespace ponder
