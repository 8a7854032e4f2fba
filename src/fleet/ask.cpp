#include "fleet/ask.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/philox.h"

namespace ponder::fleet {
namespace {

using rollout::CompletionRequest;

// Of an answer that nobody watches: what is read and sent at once costs both sides less.
constexpr int kTokensPerEvent = 16;

Json prompt_of(const CompletionRequest& request, std::span<const int32_t> so_far) {
  Json ids = request.prompt_ids;
  for (const int32_t id : so_far) ids.push_back(id);
  return ids;
}

int64_t tokens_left(const CompletionRequest& request, std::span<const int32_t> so_far) {
  return std::max<int64_t>(1, request.sampling.max_tokens - static_cast<int64_t>(so_far.size()));
}

// Top-k that is off.
int top_k_or(int top_k, int off) { return top_k > 0 ? top_k : off; }

// What ponder serve and vLLM have in common.
Json completions_body(const CompletionRequest& request, std::span<const int32_t> so_far,
                      const std::string& model) {
  return {{"model", model},
          {"prompt", prompt_of(request, so_far)},
          {"max_tokens", tokens_left(request, so_far)},
          {"temperature", request.sampling.temperature},
          {"top_p", request.sampling.top_p},
          {"n", 1},
          {"stream", true},
          {"stream_options", {{"include_usage", true}}},
          {"stop_token_ids", request.stop_ids},
          {"return_token_ids", true}};
}

Ask ask_ponder(const CompletionRequest& request, std::span<const int32_t> so_far,
               const std::string& model) {
  Json body = completions_body(request, so_far, model);
  body["top_k"] = request.sampling.top_k;
  body["seed"] = request.seed_key.seed;
  if (request.want_logprobs) body["logprobs"] = 0;
  // The row's own random numbers: those of its tokens behind the first `position`, which the prompt
  // ends with.
  body["ponder"] = {{"problem_id", request.seed_key.name}, {"sample", request.seed_key.index}};
  if (!so_far.empty()) body["ponder"]["position"] = so_far.size();
  if (!request.want_tokens) body["ponder"]["tokens_per_event"] = kTokensPerEvent;
  return {"/v1/completions", std::move(body)};
}

Ask ask_vllm(const CompletionRequest& request, std::span<const int32_t> so_far,
             const std::string& model) {
  Json body = completions_body(request, so_far, model);
  body.update({{"top_k", top_k_or(request.sampling.top_k, 0)},
               {"min_p", 0.0},
               {"seed", server_seed(ServerKind::kVllm, request.seed_key, so_far.size())},
               {"repetition_penalty", 1.0},
               {"presence_penalty", 0.0},
               {"frequency_penalty", 0.0},
               {"ignore_eos", false},
               {"stop", Json::array()},
               {"skip_special_tokens", false},
               {"spaces_between_special_tokens", false},
               {"include_stop_str_in_output", false},
               {"add_special_tokens", false}});
  return {"/v1/completions", std::move(body)};
}

// Without a stream: a server that was not started with --incremental-streaming-output repeats the
// whole answer in each event.
Ask ask_sglang(const CompletionRequest& request, std::span<const int32_t> so_far) {
  const Json sampling = {
      {"max_new_tokens", tokens_left(request, so_far)},
      {"temperature", request.sampling.temperature},
      {"top_p", request.sampling.top_p},
      {"top_k", top_k_or(request.sampling.top_k, -1)},
      {"min_p", 0.0},
      {"repetition_penalty", 1.0},
      {"presence_penalty", 0.0},
      {"frequency_penalty", 0.0},
      {"stop_token_ids", request.stop_ids},
      {"ignore_eos", false},
      {"skip_special_tokens", false},
      {"spaces_between_special_tokens", false},
      {"no_stop_trim", true},
      {"n", 1},
      {"sampling_seed", server_seed(ServerKind::kSglang, request.seed_key, so_far.size())}};
  // Of equal length, since some versions give up every request whose name begins alike.
  const std::string rid = fmt::format(
      "ponder-{:016x}-{:08x}", stable_hash64(request.id),
      static_cast<uint32_t>(server_seed(ServerKind::kSglang, request.seed_key, so_far.size())));
  return {"/generate",
          {{"rid", rid},
           {"input_ids", prompt_of(request, so_far)},
           {"sampling_params", sampling},
           {"return_logprob", true},
           {"stream", false}},
          false};
}

// Without a stream: within a character of several tokens it sends nothing, and of these tokens then
// the last one's id alone.
Ask ask_llama_server(const CompletionRequest& request, std::span<const int32_t> so_far,
                     const std::string& model) {
  return {"/completion",
          {{"model", model},
           {"prompt", prompt_of(request, so_far)},
           {"n_predict", tokens_left(request, so_far)},
           {"temperature", request.sampling.temperature},
           {"top_k", top_k_or(request.sampling.top_k, 0)},
           {"top_p", request.sampling.top_p},
           {"min_p", 0.0},
           {"typical_p", 1.0},
           {"repeat_penalty", 1.0},
           {"presence_penalty", 0.0},
           {"frequency_penalty", 0.0},
           {"dry_multiplier", 0.0},
           {"xtc_probability", 0.0},
           {"dynatemp_range", 0.0},
           {"mirostat", 0},
           {"samplers", {"temperature", "top_k", "top_p"}},
           {"seed", server_seed(ServerKind::kLlamaServer, request.seed_key, so_far.size())},
           {"ignore_eos", false},
           {"logit_bias", Json::array()},
           {"stop", Json::array()},
           {"cache_prompt", false},
           {"return_tokens", true},
           {"stream", false}},
          false};
}

}  // namespace

Ask ask_tokens(ServerKind kind, const CompletionRequest& request, std::span<const int32_t> so_far,
               const std::string& model) {
  switch (kind) {
    case ServerKind::kVllm:
      return ask_vllm(request, so_far, model);
    case ServerKind::kSglang:
      return ask_sglang(request, so_far);
    case ServerKind::kLlamaServer:
      return ask_llama_server(request, so_far, model);
    case ServerKind::kPonder:
    case ServerKind::kOpenai:
      break;
  }
  return ask_ponder(request, so_far, model);
}

Ask ask_chat(const CompletionRequest& request, const ChatSettings& settings) {
  Json messages = Json::array();
  for (const tokenizer::Message& message : request.messages)
    messages.push_back({{"role", message.role}, {"content", message.content}});
  Json body = {{"model", settings.model},
               {"messages", std::move(messages)},
               {settings.max_tokens_field, request.sampling.max_tokens}};
  if (settings.send_sampling) {
    body["temperature"] = request.sampling.temperature;
    body["top_p"] = request.sampling.top_p;
  }
  if (settings.send_seed) body["seed"] = server_seed(ServerKind::kOpenai, request.seed_key, 0);
  if (!request.stop_strings.empty()) body["stop"] = request.stop_strings;
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  body.update(settings.extra);
  return {"/v1/chat/completions", std::move(body)};
}

std::string address_of(const std::string& server, const std::string& path) {
  std::string base = server;
  while (base.ends_with('/')) base.pop_back();
  const bool has_path = base.find('/', base.find("://") + 3) != std::string::npos;
  if (path.starts_with("/v1/") && has_path) return base + path.substr(3);
  if (base.ends_with("/v1")) base.resize(base.size() - 3);
  return base + path;
}

uint64_t server_seed(ServerKind kind, const rollout::SeedKey& key, size_t so_far) {
  const std::string all = fmt::format("{} {} {} {}", key.seed, key.index, so_far, key.name);
  const uint64_t bits = stable_hash64(all);
  return kind == ServerKind::kLlamaServer ? bits % 0xffffffffu : bits >> 1;
}

}  // namespace ponder::fleet
