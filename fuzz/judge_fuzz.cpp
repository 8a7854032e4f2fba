// Gold, NUL, prediction, and perhaps NUL and one letter for the options: c choice, n number, t
// text, % a tolerance, u strict units, o strict order. No crash, every verdict has a proof of one
// line, an answer is never different from itself, and what is the same one way round is not
// certainly different the other. One input in eight is judged twice: the same judgement comes out.
#include <functional>

#include "fuzz.h"
#include "judge/judge.h"

namespace ponder {
namespace {

using fuzz::require;

judge::JudgeOptions options_of(std::string_view letter) {
  judge::JudgeOptions options;
  if (letter == "c") options.type = judge::AnswerType::kChoice;
  if (letter == "n") options.type = judge::AnswerType::kNumber;
  if (letter == "t") options.type = judge::AnswerType::kText;
  if (letter == "%") options.tolerance = 0.01;
  if (letter == "u") options.units = judge::Strictness::kStrict;
  if (letter == "o") options.order = judge::Strictness::kStrict;
  return options;
}

judge::Verdict judged(std::string_view gold, std::string_view prediction,
                      const judge::JudgeOptions& options) {
  const judge::Judgement first = judge::judge_answer(gold, prediction, options);
  require(!first.proof.empty(), "every verdict has a proof");
  require(first.proof.find('\n') == std::string::npos, "a proof is one line");
  if (std::hash<std::string_view>()(prediction) % 8 == 0) {
    const judge::Judgement second = judge::judge_answer(gold, prediction, options);
    require(first.verdict == second.verdict && first.proof == second.proof &&
                first.extracted == second.extracted,
            "two judgements of one pair are the same");
  }
  return first.verdict;
}

// Decimals, lists and named values of gold allow what they would not demand; see docs/judge.md.
bool symmetry_is_promised(std::string_view gold, std::string_view prediction) {
  for (std::string_view side : {gold, prediction}) {
    for (char c : side) {
      const bool plain =
          (c >= '0' && c <= '9') || std::string_view("+-*/^() ").find(c) != std::string_view::npos;
      if (!plain) return false;
    }
  }
  return true;
}

}  // namespace
}  // namespace ponder

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ponder;
  const auto parts = fuzz::parts_of(fuzz::text_of(data, size));
  const std::string_view gold = parts[0], prediction = parts.size() > 1 ? parts[1] : parts[0];
  const judge::JudgeOptions options = options_of(parts.size() > 2 ? parts[2] : "");
  const judge::Verdict verdict = judged(gold, prediction, options);
  if (gold == prediction) {
    require(verdict != judge::Verdict::kIncorrect, "an answer is not different from itself");
  } else if (symmetry_is_promised(gold, prediction)) {
    const judge::Verdict swapped = judged(prediction, gold, options);
    require(!(verdict == judge::Verdict::kCorrect && swapped == judge::Verdict::kIncorrect) &&
                !(verdict == judge::Verdict::kIncorrect && swapped == judge::Verdict::kCorrect),
            "the same one way round is not different the other");
  }
  return 0;
}
