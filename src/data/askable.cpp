#include "data/askable.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"

namespace ponder::data {

Accepted<std::vector<int32_t>> prompt_of(const ModelText& text, const Problem& problem,
                                         const PromptSpec& spec) {
  if (const auto missing = text.tokenizer().byte_without_token(problem.question))
    return Rejection{"no_token", missing->describe()};
  if (const auto missing = text.tokenizer().byte_without_token(spec.system); missing && !spec.raw)
    return Rejection{"no_token", missing->describe() + ", in the system turn"};
  std::vector<int32_t> prompt;
  try {
    prompt = spec.raw ? text.tokenizer().encode(problem.question)
                      : text.prompt_ids(problem.question, spec.system);
  } catch (const Error& error) {
    return Rejection{"template_refuses", error.problem()};
  }
  const auto tokens = static_cast<int64_t>(prompt.size());
  if (spec.max_positions > 0 && tokens + spec.max_tokens > spec.max_positions) {
    return Rejection{"too_long", fmt::format("its prompt of {} tokens and a completion of up to {} "
                                             "exceed the model's {} positions",
                                             tokens, spec.max_tokens, spec.max_positions)};
  }
  return prompt;
}

std::vector<std::vector<int32_t>> keep_askable(const ModelText& text,
                                               std::vector<Problem>& problems,
                                               const PromptSpec& spec, RowAccount& account) {
  std::vector<std::vector<int32_t>> prompts;
  std::vector<Problem> kept;
  for (Problem& problem : problems) {
    auto prompt = prompt_of(text, problem, spec);
    if (prompt) {
      prompts.push_back(std::move(*prompt));
      kept.push_back(std::move(problem));
      continue;
    }
    --account.kept;
    account.reject({prompt.why(), problem.file, problem.line, 0, problem.id});
  }
  problems = std::move(kept);
  return prompts;
}

}  // namespace ponder::data
