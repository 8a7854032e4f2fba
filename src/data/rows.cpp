#include "data/rows.h"

#include "tokenizer/thought_format.h"

namespace ponder::data {
namespace {

void put_if(Json& json, const char* key, const std::string& value) {
  if (!value.empty()) json[key] = value;
}

}  // namespace

std::string_view to_string(ThoughtForm form) {
  switch (form) {
    case ThoughtForm::kStill:
      return "still";
    case ThoughtForm::kThink:
      return "think";
    case ThoughtForm::kAsWritten:
      return "as-written";
  }
  return "";
}

std::optional<ThoughtForm> thought_form_from_string(std::string_view text) {
  for (const auto form : {ThoughtForm::kStill, ThoughtForm::kThink, ThoughtForm::kAsWritten}) {
    if (text == to_string(form)) return form;
  }
  return std::nullopt;
}

std::string Demonstration::response(ThoughtForm form) const {
  if (form == ThoughtForm::kAsWritten && !written.empty()) return written;
  if (form == ThoughtForm::kThink && (!thought.empty() || !written.empty()))
    return "<think>\n" + thought + "\n</think>\n\n" + solution;
  return thought.empty() ? solution : tokenizer::format_thought(thought, solution);
}

Json to_json(const Problem& problem) {
  Json json = {{"id", problem.id},         {"domain", problem.domain},
               {"level", problem.level},   {"question", problem.question},
               {"answer", problem.answer}, {"answer_type", judge::to_string(problem.answer_type)}};
  put_if(json, "source", problem.source);
  if (problem.tolerance) json["tolerance"] = *problem.tolerance;
  return json;
}

Json to_json(const Demonstration& demonstration) {
  Json json = {{"id", demonstration.id},
               {"domain", demonstration.domain},
               {"level", demonstration.level},
               {"question", demonstration.question},
               {"answer", demonstration.answer},
               {"answer_type", judge::to_string(demonstration.answer_type)}};
  put_if(json, "source", demonstration.source);
  put_if(json, "system", demonstration.system);
  for (const Turn& turn : demonstration.history) {
    json["history"].push_back(
        {{"role", turn.assistant ? "assistant" : "user"}, {"content", turn.content}});
  }
  json["thought"] = demonstration.thought;
  json["solution"] = demonstration.solution;
  return json;
}

Json to_json(const Rollout& rollout) {
  const Completion& made = rollout.completion;
  Json json = {{"problem_id", rollout.problem_id},
               {"sample", rollout.sample},
               {"seed", rollout.seed},
               {"sampling",
                {{"temperature", rollout.sampling.temperature},
                 {"top_p", rollout.sampling.top_p},
                 {"top_k", rollout.sampling.top_k},
                 {"max_tokens", rollout.sampling.max_tokens}}}};
  if (made.token_ids) json["token_ids"] = *made.token_ids;
  if (made.logprobs) {
    json["logprobs"] = *made.logprobs;
    json["logprob"] = made.logprob();
  }
  json["text"] = made.text;
  json["thought"] = rollout.thought;
  json["solution"] = rollout.solution;
  json["finish_reason"] = to_string(made.finish_reason);
  put_if(json, "model_sha256", made.model_sha256);
  put_if(json, "template_sha256", rollout.template_sha256);
  put_if(json, "prompt_sha256", rollout.prompt_sha256);
  if (rollout.thinking) json["thinking"] = *rollout.thinking ? "on" : "off";
  if (made.precision != tensor::Precision::kF32)
    json["precision"] = tensor::stored_name(made.precision);
  if (rollout.verdict) {
    json["verdict"] = judge::to_string(*rollout.verdict);
    json["proof"] = rollout.proof;
  }
  if (rollout.perplexity) {
    json["perplexity"] = *rollout.perplexity;
    json["perplexity_model_sha256"] = rollout.perplexity_model_sha256;
    if (rollout.perplexity_precision != tensor::Precision::kF32)
      json["perplexity_precision"] = tensor::stored_name(rollout.perplexity_precision);
  }
  return json;
}

void put_problem(Json& row, const Problem& problem) {
  row["prompt"] = Json::array({{{"role", "user"}, {"content", problem.question}}});
  put_if(row, "domain", problem.domain);
  put_if(row, "level", problem.level);
  put_if(row, "source", problem.source);
  if (problem.answer.empty()) return;
  row["answer"] = problem.answer;
  row["answer_type"] = judge::to_string(problem.answer_type);
  if (problem.tolerance) row["tolerance"] = *problem.tolerance;
  if (!problem.choices.empty()) row["choices"] = problem.choices;
}

}  // namespace ponder::data
