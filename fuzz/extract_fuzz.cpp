// A whole response. No crash, the same answer twice and never longer than what it was taken from,
// nothing from a thought that never closes, nothing from a response that was cut.
#include "fuzz.h"
#include "judge/judge.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ponder;
  using fuzz::require;
  const std::string_view response = fuzz::text_of(data, size);
  for (judge::AnswerType type : {judge::AnswerType::kMath, judge::AnswerType::kChoice}) {
    const auto answer = judge::extract_answer(response, type);
    require(answer == judge::extract_answer(response, type), "two extractions are the same");
    // Boxes are joined by ", ".
    if (answer) require(answer->size() <= 2 * response.size(), "an answer is part of its response");
    const judge::JudgeOptions options{type, {}};
    const judge::Judgement judged =
        judge::judge_response("7", response, judge::ResponseEnd::kFinished, options);
    require(!judged.proof.empty(), "every verdict has a proof");
    require(answer || judged.verdict != judge::Verdict::kCorrect, "no answer is not correct");
    require(
        judge::judge_response("7", response, judge::ResponseEnd::kTokenLimit, options).verdict ==
            judge::Verdict::kIncorrect,
        "a cut response is incorrect");
    if (response.find('<') == std::string_view::npos) {
      require(!judge::extract_answer("<think>" + std::string(response), type),
              "a thought that never closes has no answer");
    }
  }
  return 0;
}
