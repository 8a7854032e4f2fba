#include "judge/options.h"

namespace ponder::judge {

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kCorrect:
      return "correct";
    case Verdict::kIncorrect:
      return "incorrect";
    case Verdict::kUndecided:
      return "undecided";
  }
  return "undecided";
}

std::optional<Verdict> verdict_from_string(std::string_view text) {
  for (Verdict verdict : {Verdict::kCorrect, Verdict::kIncorrect, Verdict::kUndecided}) {
    if (to_string(verdict) == text) return verdict;
  }
  return std::nullopt;
}

std::string_view to_string(AnswerType type) {
  switch (type) {
    case AnswerType::kMath:
      return "math";
    case AnswerType::kChoice:
      return "choice";
    case AnswerType::kNumber:
      return "number";
    case AnswerType::kText:
      return "text";
  }
  return "math";
}

std::optional<AnswerType> answer_type_from_string(std::string_view text) {
  for (AnswerType type :
       {AnswerType::kMath, AnswerType::kChoice, AnswerType::kNumber, AnswerType::kText}) {
    if (to_string(type) == text) return type;
  }
  return std::nullopt;
}

}  // namespace ponder::judge
