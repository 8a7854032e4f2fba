#include "fleet/canary.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "fleet/answer.h"

namespace ponder::fleet {
namespace {

constexpr int kNamed = 5;  // tokens a server is to name
constexpr double kWrong = 0.3, kRounded = 0.1, kApart = 0.5, kNearTie = 0.5;  // nats

[[noreturn]] void bad(const std::string& problem) {
  throw AnswerFailure(FailureClass::kNever, "its answer " + problem);
}

const Json& at(const Json& json, const char* key) {
  if (!json.is_object() || !json.contains(key)) bad(fmt::format("has no {}", key));
  return json[key];
}

const Json& first(const Json& json, const char* key) {
  const Json& list = at(json, key);
  if (!list.is_array() || list.empty()) bad(fmt::format("has nothing in {}", key));
  return list.front();
}

void name(Likeliest& likeliest, const Json& id, const Json& logprob) {
  if (!id.is_number_integer() || !logprob.is_number())
    bad("names a token without its id or log-probability");
  likeliest.logprobs[id.get<int32_t>()] = static_cast<float>(logprob.get<double>());
}

int32_t id_in(const std::string& text) {
  constexpr std::string_view kBefore = "token_id:";
  int32_t id = -1;
  if (!text.starts_with(kBefore)) bad("names tokens by their texts, asked was for their ids");
  std::from_chars(text.data() + kBefore.size(), text.data() + text.size(), id);
  return id;
}

Likeliest read_vllm(const Json& answer) {
  const Json& logprobs = at(first(answer, "choices"), "logprobs");
  Likeliest likeliest;
  const Json& chosen = first(logprobs, "tokens");
  if (!chosen.is_string()) bad("has a token that is no text");
  likeliest.token = id_in(chosen.get<std::string>());
  for (const auto& [text, logprob] : first(logprobs, "top_logprobs").items())
    name(likeliest, id_in(text), logprob);
  name(likeliest, likeliest.token, first(logprobs, "token_logprobs"));
  return likeliest;
}

// Triples [logprob, id, text].
Likeliest read_sglang(const Json& answer) {
  const Json& meta = at(answer, "meta_info");
  Likeliest likeliest;
  const auto take = [&](const Json& triple) {
    if (!triple.is_array() || triple.size() < 2) bad("has an entry of logprobs that is no triple");
    name(likeliest, triple[1], triple[0]);
    return triple[1].get<int32_t>();
  };
  for (const Json& triple : first(meta, "output_top_logprobs")) take(triple);
  likeliest.token = take(first(meta, "output_token_logprobs"));
  return likeliest;
}

Likeliest read_llama_server(const Json& answer) {
  const Json& token = first(answer, "completion_probabilities");
  Likeliest likeliest;
  for (const Json& top : at(token, "top_logprobs"))
    name(likeliest, at(top, "id"), at(top, "logprob"));
  name(likeliest, at(token, "id"), at(token, "logprob"));
  likeliest.token = token["id"].get<int32_t>();
  return likeliest;
}

}  // namespace

double Canary::apart() const {
  double sum = 0;
  for (const CanaryPosition& p : positions)
    sum += std::fabs(static_cast<double>(p.logprob) - p.other_logprob);
  return sum / static_cast<double>(std::max<size_t>(1, positions.size()));
}

bool Canary::tells() const { return !other.empty() && apart() >= kApart; }

Ask ask_likeliest(ServerKind kind, std::span<const int32_t> prompt_ids, const std::string& model) {
  rollout::CompletionRequest request;
  request.id = "canary";
  request.prompt_ids.assign(prompt_ids.begin(), prompt_ids.end());
  request.sampling.temperature = 0;
  request.sampling.top_p = 1;
  request.sampling.top_k = 0;
  request.sampling.max_tokens = 1;
  request.seed_key.name = "canary";
  Ask ask = ask_tokens(kind, request, {}, model);
  ask.streams = false;
  ask.body["stream"] = false;
  ask.body.erase("stream_options");
  switch (kind) {
    case ServerKind::kSglang:
      ask.body["top_logprobs_num"] = kNamed;
      break;
    case ServerKind::kLlamaServer:
      ask.body["n_probs"] = kNamed;
      ask.body["post_sampling_probs"] = false;
      break;
    default:
      ask.body["logprobs"] = kNamed;
      ask.body["return_tokens_as_token_ids"] = true;
      break;
  }
  return ask;
}

Likeliest read_likeliest(ServerKind kind, const Json& answer) {
  switch (kind) {
    case ServerKind::kSglang:
      return read_sglang(answer);
    case ServerKind::kLlamaServer:
      return read_llama_server(answer);
    default:
      return read_vllm(answer);
  }
}

CanaryResult judge_canary(const Canary& canary, std::span<const Likeliest> answers) {
  CanaryResult result;
  result.model = canary.model;
  result.positions = std::min(canary.positions.size(), answers.size());
  for (size_t i = 0; i < result.positions; ++i) {
    const CanaryPosition& position = canary.positions[i];
    const Likeliest& answer = answers[i];
    const auto named = answer.logprobs.find(position.token);
    const bool is_named = named != answer.logprobs.end();
    double said = is_named ? named->second : 0;  // at most that, where it is not named
    if (!is_named) {
      for (const auto& [token, logprob] : answer.logprobs)
        said = std::min(said, static_cast<double>(logprob));
    }
    const auto from = [&](double logprob) {
      return is_named ? std::fabs(said - logprob) : std::max(0.0, logprob - said);
    };
    result.from_model += from(position.logprob);
    result.from_other += from(position.other_logprob);
    const bool ties = answer.logprobs.at(answer.token) - said <= kNearTie;
    result.other_choices += answer.token != position.token && !ties;
  }
  const auto n = static_cast<double>(std::max<size_t>(1, result.positions));
  result.from_model /= n;
  result.from_other /= n;
  const bool near = result.from_model < kWrong && result.other_choices <= 1;
  if (canary.tells()) result.other = canary.other;
  result.right = result.positions == canary.positions.size() && near &&
                 (!canary.tells() || result.from_model <= result.from_other / 4);
  result.rounded = result.right && result.from_model >= kRounded;
  return result;
}

std::string CanaryResult::text() const {
  return fmt::format(
      "{:.2g} nat a token from {}{}, at {} positions{}", from_model, model,
      other.empty() ? "" : fmt::format(", {:.2g} from {}", from_other, other), positions,
      other_choices > 0 ? fmt::format(", {} of them with another likeliest token", other_choices)
                        : "");
}

}  // namespace ponder::fleet
