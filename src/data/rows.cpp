#include "data/rows.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "tokenizer/thought_format.h"

namespace ponder::data {
namespace {

// Typed access to the optional fields of a row from outside.
class Fields {
 public:
  Fields(const Json& json, const std::string& where) : json_(json), where_(where) {
    if (!json.is_object()) wrong("", "an object", json);
  }

  const Json* find(const char* key) const {
    const auto it = json_.find(key);
    return it == json_.end() || it->is_null() ? nullptr : &*it;
  }
  const Json& require(const char* key) const {
    const Json* value = find(key);
    if (!value) {
      throw Error(where_, fmt::format("expected a trajectory with \"{}\", which is missing", key));
    }
    return *value;
  }
  std::string text(const char* key) const {
    const Json* value = find(key);
    if (!value) return {};
    if (!value->is_string()) wrong(key, "text", *value);
    return value->get<std::string>();
  }
  double number(const char* key, double fallback) const {
    const Json* value = find(key);
    if (!value) return fallback;
    if (!value->is_number()) wrong(key, "a number", *value);
    return value->get<double>();
  }
  int64_t integer(const char* key, int64_t fallback, int64_t low, int64_t high) const {
    const Json* value = find(key);
    if (!value) return fallback;
    return to_integer(key, *value, low, high);
  }
  int64_t to_integer(const char* key, const Json& value, int64_t low, int64_t high) const {
    const bool fits =
        value.is_number_integer() &&
        (!value.is_number_unsigned() || value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX));
    if (!fits || value.get<int64_t>() < low || value.get<int64_t>() > high) {
      wrong(key, fmt::format("an integer from {} to {}", low, high), value);
    }
    return value.get<int64_t>();
  }
  [[noreturn]] void wrong(std::string_view key, std::string_view expected,
                          const Json& found) const {
    throw Error(where_, fmt::format("expected {}{}{}, found {}", expected,
                                    key.empty() ? "" : " in ", key, excerpt(dump_json(found))));
  }

 private:
  const Json& json_;
  const std::string& where_;
};

void put_if(Json& json, const char* key, const std::string& value) {
  if (!value.empty()) json[key] = value;
}

}  // namespace

std::string Demonstration::response() const {
  return thought.empty() ? solution : tokenizer::format_thought(thought, solution);
}

std::string_view to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kRepetition:
      return "repetition";
  }
  return "stop";
}

std::optional<FinishReason> finish_reason_from_string(std::string_view text) {
  for (const auto reason :
       {FinishReason::kStop, FinishReason::kLength, FinishReason::kRepetition}) {
    if (text == to_string(reason)) return reason;
  }
  return std::nullopt;
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

Json to_json(const Trajectory& trajectory) {
  Json json = {{"problem_id", trajectory.problem_id},
               {"sample", trajectory.sample},
               {"seed", trajectory.seed},
               {"sampling",
                {{"temperature", trajectory.sampling.temperature},
                 {"top_p", trajectory.sampling.top_p},
                 {"top_k", trajectory.sampling.top_k},
                 {"max_tokens", trajectory.sampling.max_tokens}}},
               {"token_ids", trajectory.token_ids},
               {"logprobs", trajectory.logprobs},
               {"logprob", trajectory.logprob},
               {"text", trajectory.text},
               {"thought", trajectory.thought},
               {"solution", trajectory.solution},
               {"finish_reason", to_string(trajectory.finish_reason)},
               {"model_sha256", trajectory.model_sha256},
               {"template_sha256", trajectory.template_sha256},
               {"prompt_sha256", trajectory.prompt_sha256}};
  if (trajectory.verdict) {
    json["verdict"] = judge::to_string(*trajectory.verdict);
    json["proof"] = trajectory.proof;
  }
  if (trajectory.perplexity) {
    json["perplexity"] = *trajectory.perplexity;
    json["perplexity_model_sha256"] = trajectory.perplexity_model_sha256;
  }
  return json;
}

Trajectory trajectory_from_json(const Json& json, const std::string& where) {
  const Fields fields(json, where);
  Trajectory t;
  const Json& id = fields.require("problem_id");
  if (!id.is_string()) fields.wrong("problem_id", "text", id);
  t.problem_id = id.get<std::string>();
  fields.require("text");
  t.text = fields.text("text");
  t.sample = static_cast<int>(fields.integer("sample", 0, 0, INT32_MAX));
  if (const Json* seed = fields.find("seed")) {
    if (!seed->is_number_integer() || (!seed->is_number_unsigned() && seed->get<int64_t>() < 0)) {
      fields.wrong("seed", "an integer of at least 0", *seed);
    }
    t.seed = seed->get<uint64_t>();
  }
  if (const Json* sampling = fields.find("sampling")) {
    const Fields settings(*sampling, where);
    t.sampling.temperature = settings.number("temperature", t.sampling.temperature);
    t.sampling.top_p = settings.number("top_p", t.sampling.top_p);
    t.sampling.top_k = static_cast<int>(settings.integer("top_k", t.sampling.top_k, 0, INT32_MAX));
    t.sampling.max_tokens =
        static_cast<int>(settings.integer("max_tokens", t.sampling.max_tokens, 0, INT32_MAX));
  }
  if (const Json* ids = fields.find("token_ids")) {
    if (!ids->is_array()) fields.wrong("token_ids", "an array", *ids);
    t.token_ids.reserve(ids->size());
    for (const Json& token : *ids) {
      t.token_ids.push_back(
          static_cast<int32_t>(fields.to_integer("token_ids", token, 0, INT32_MAX)));
    }
  }
  double sum = 0;
  if (const Json* logprobs = fields.find("logprobs")) {
    if (!logprobs->is_array()) fields.wrong("logprobs", "an array", *logprobs);
    t.logprobs.reserve(logprobs->size());
    for (const Json& value : *logprobs) {
      if (!value.is_number()) fields.wrong("logprobs", "a number", value);
      t.logprobs.push_back(static_cast<float>(value.get<double>()));
      sum += t.logprobs.back();
    }
    if (t.logprobs.size() != t.token_ids.size()) {
      throw Error(where, fmt::format("expected one logprob per token, found {} for {} tokens",
                                     t.logprobs.size(), t.token_ids.size()));
    }
  }
  t.logprob = fields.number("logprob", sum);
  t.thought = fields.text("thought");
  t.solution = fields.text("solution");
  if (const Json* reason = fields.find("finish_reason")) {
    const auto known = finish_reason_from_string(fields.text("finish_reason"));
    if (!known) fields.wrong("finish_reason", "stop, length or repetition", *reason);
    t.finish_reason = *known;
  }
  t.model_sha256 = fields.text("model_sha256");
  t.template_sha256 = fields.text("template_sha256");
  t.prompt_sha256 = fields.text("prompt_sha256");
  if (const Json* verdict = fields.find("verdict")) {
    t.verdict = judge::verdict_from_string(fields.text("verdict"));
    if (!t.verdict) fields.wrong("verdict", "correct, incorrect or undecided", *verdict);
  }
  t.proof = fields.text("proof");
  if (fields.find("perplexity")) t.perplexity = fields.number("perplexity", 0);
  t.perplexity_model_sha256 = fields.text("perplexity_model_sha256");
  return t;
}

}  // namespace ponder::data
