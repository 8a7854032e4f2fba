#include "teach/outcome.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "tokenizer/thought_format.h"

namespace ponder::teach {
namespace {

using fleet::AnswerEnd;
using tokenizer::ThoughtFault;

// Into a thought and a solution, or a reason why not.
void part(const fleet::Answer& answer, bool allow_direct, Outcome& outcome) {
  const auto reject = [&](const char* reason, std::string detail) {
    outcome.reason = reason;
    outcome.detail = std::move(detail);
  };
  if (!answer.thought.empty()) {
    outcome.thought = answer.thought;
    outcome.solution = answer.text;
    if (is_blank(answer.text)) return reject("unusable", "a thought without a solution");
    for (const std::string* text : {&answer.text, &answer.thought}) {
      const tokenizer::ThoughtParts parts = tokenizer::parse_thought(*text);
      if (parts.fault != ThoughtFault::kNoTags)
        return reject("unusable", "tags of a thought within its text, beside a thought of its own");
    }
    return;
  }
  const tokenizer::ThoughtParts parts = tokenizer::parse_teacher_response(answer.text);
  outcome.thought = parts.thought;
  outcome.solution = parts.solution;
  if (parts.fault == ThoughtFault::kNone) return;
  if (parts.fault != ThoughtFault::kNoTags && parts.fault != ThoughtFault::kEmptyThought)
    return reject("unusable", fmt::format("{}: {}", to_string(parts.fault), parts.detail));
  if (fleet::hides_thought(answer)) {
    return reject("thought_hidden", fmt::format("{} tokens were billed for {} bytes of text",
                                                answer.usage->completion, answer.text.size()));
  }
  if (!allow_direct) reject("no_thought", "the answer is a bare solution");
}

}  // namespace

const std::vector<std::string>& reasons() {
  static const std::vector<std::string> all = {
      "refused",        "length",     "repetition", "empty", "unusable",
      "thought_hidden", "no_thought", "undecided",  "wrong", "duplicate"};
  return all;
}

Outcome outcome_of(const data::Problem& problem, const fleet::Answer& answer,
                   const OutcomeRules& rules) {
  Outcome outcome;
  outcome.thought = answer.thought;
  outcome.solution = answer.text;
  const AnswerEnd end = fleet::answer_end(answer.finish);
  if (end == AnswerEnd::kRefused || !answer.refusal.empty()) {
    outcome.reason = "refused";
    outcome.detail = answer.refusal.empty() ? "ended by " + answer.finish : answer.refusal;
    return outcome;
  }
  if (end == AnswerEnd::kLength || end == AnswerEnd::kRepetition) {
    outcome.reason = end == AnswerEnd::kLength ? "length" : "repetition";
    outcome.detail = answer.usage ? fmt::format("cut after {} tokens", answer.usage->completion)
                                  : std::string("cut");
    return outcome;
  }
  if (is_blank(answer.text) && is_blank(answer.thought)) {
    outcome.reason = "empty";
    return outcome;
  }
  part(answer, rules.allow_direct, outcome);
  if (!outcome.reason.empty()) return outcome;
  const std::string text = outcome.thought.empty()
                               ? outcome.solution
                               : tokenizer::format_thought(outcome.thought, outcome.solution);
  judge::Judgement judgement =
      eval::judge_completion(problem, rules.strictness, text, data::FinishReason::kStop);
  outcome.verdict = judgement.verdict;
  outcome.proof = std::move(judgement.proof);
  if (judgement.verdict == judge::Verdict::kCorrect) return outcome;
  outcome.reason = judgement.verdict == judge::Verdict::kUndecided ? "undecided" : "wrong";
  outcome.detail = outcome.proof;
  return outcome;
}

data::Demonstration demonstration_of(const data::Problem& problem, const std::string& teacher,
                                     int sample, const Outcome& outcome) {
  data::Demonstration row;
  row.id = fmt::format("{}-{}", problem.id, sample);
  row.domain = problem.domain;
  row.question = problem.question;
  row.thought = outcome.thought;
  row.solution = outcome.solution;
  row.answer = problem.answer;
  row.answer_type = problem.answer_type;
  row.source = teacher;
  row.level = problem.level;
  return row;
}

}  // namespace ponder::teach
