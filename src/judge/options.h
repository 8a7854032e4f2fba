// The three verdicts, and what a caller may ask of the judge.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ponder::judge {

enum class Verdict { kCorrect, kIncorrect, kUndecided };
std::string_view to_string(Verdict verdict);  // "correct", "incorrect", "undecided"
std::optional<Verdict> verdict_from_string(std::string_view text);

enum class AnswerType { kMath, kChoice, kNumber, kText };
std::string_view to_string(AnswerType type);  // "math", "choice", "number", "text"
std::optional<AnswerType> answer_type_from_string(std::string_view text);

enum class Strictness { kLenient, kStrict };

// What an answer must be where gold is a written number: exact is any form with its value,
// 3^{2024} \\bmod 1000 for 481; evaluated is a written number too.
enum class Forms { kExact, kEvaluated };

struct JudgeOptions {
  AnswerType type = AnswerType::kMath;
  std::optional<double> tolerance = {};  // relative; only where the row asks for one
  // Lenient: a unit may be missing on one side. Strict: both sides name units of one dimension.
  Strictness units = Strictness::kLenient;
  // Lenient: lists without brackets are equal in any order. Strict: only in gold's order.
  Strictness order = Strictness::kLenient;
  Forms forms = Forms::kExact;
  // Texts of A, B, … where they are known: an answer may quote one.
  std::vector<std::string> choices = {};
};

}  // namespace ponder::judge
