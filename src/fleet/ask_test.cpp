#include "fleet/ask.h"

#include <gtest/gtest.h>

#include <set>

namespace ponder::fleet {
namespace {

rollout::CompletionRequest request() {
  rollout::CompletionRequest request;
  request.id = "p1#3";
  request.prompt_ids = {1, 2, 3};
  request.messages = {{"system", "be brief"}, {"user", "1+1?"}};
  request.sampling = {.temperature = 0.5, .top_p = 0.75, .top_k = 0, .max_tokens = 100};
  request.seed_key = {7, "p1", 3};
  request.stop_ids = {9, 8};
  request.want_logprobs = true;
  return request;
}

constexpr int32_t kSoFar[] = {4, 5};

// Fields that each kind must be sent, and no other: documented by each server; docs/fleet.md.
std::set<std::string> keys_of(const Json& body) {
  std::set<std::string> keys;
  for (const auto& [key, value] : body.items()) keys.insert(key);
  return keys;
}

TEST(Ask, PonderIsAskedForTheRowItself) {
  const Ask ask = ask_tokens(ServerKind::kPonder, request(), {}, "ponder-ab");
  EXPECT_EQ(ask.path, "/v1/completions");
  EXPECT_EQ(dump_json(ask.body),
            R"({"model":"ponder-ab","prompt":[1,2,3],"max_tokens":100,"temperature":0.5,)"
            R"("top_p":0.75,"n":1,"stream":true,"stream_options":{"include_usage":true},)"
            R"("stop_token_ids":[9,8],"return_token_ids":true,"top_k":0,"seed":7,"logprobs":0,)"
            R"("ponder":{"problem_id":"p1","sample":3,"tokens_per_event":16}})");
}

TEST(Ask, WhatIsThereGoesBehindThePrompt) {
  for (const ServerKind kind : {ServerKind::kPonder, ServerKind::kVllm, ServerKind::kLlamaServer}) {
    const Json body = ask_tokens(kind, request(), kSoFar, "m").body;
    EXPECT_EQ(body["prompt"], Json({1, 2, 3, 4, 5}));
    EXPECT_EQ(body[kind == ServerKind::kLlamaServer ? "n_predict" : "max_tokens"], 98);
  }
  EXPECT_EQ(ask_tokens(ServerKind::kPonder, request(), kSoFar, "m").body["ponder"]["position"], 2);
  rollout::CompletionRequest watched = request();
  watched.want_tokens = true;
  EXPECT_FALSE(ask_tokens(ServerKind::kPonder, watched, {}, "m")
                   .body["ponder"]
                   .contains("tokens_per_event"));
  const Json sglang = ask_tokens(ServerKind::kSglang, request(), kSoFar, "m").body;
  EXPECT_EQ(sglang["input_ids"], Json({1, 2, 3, 4, 5}));
  EXPECT_EQ(sglang["sampling_params"]["max_new_tokens"], 98);
}

TEST(Ask, EverySamplingFieldIsSent) {
  EXPECT_EQ(keys_of(ask_tokens(ServerKind::kVllm, request(), {}, "m").body),
            (std::set<std::string>{"model",
                                   "prompt",
                                   "max_tokens",
                                   "temperature",
                                   "top_p",
                                   "top_k",
                                   "min_p",
                                   "seed",
                                   "n",
                                   "stream",
                                   "stream_options",
                                   "stop_token_ids",
                                   "stop",
                                   "return_token_ids",
                                   "repetition_penalty",
                                   "presence_penalty",
                                   "frequency_penalty",
                                   "ignore_eos",
                                   "skip_special_tokens",
                                   "spaces_between_special_tokens",
                                   "include_stop_str_in_output",
                                   "add_special_tokens"}));
  EXPECT_EQ(ask_tokens(ServerKind::kVllm, request(), {}, "m").body["add_special_tokens"], false);
  const Json sglang = ask_tokens(ServerKind::kSglang, request(), {}, "m").body;
  EXPECT_FALSE(ask_tokens(ServerKind::kSglang, request(), {}, "m").streams);
  EXPECT_EQ(sglang["sampling_params"]["top_k"], -1);
  EXPECT_EQ(sglang["sampling_params"]["no_stop_trim"], true);
  EXPECT_EQ(sglang["return_logprob"], true);
  const Json llama = ask_tokens(ServerKind::kLlamaServer, request(), {}, "m").body;
  EXPECT_FALSE(ask_tokens(ServerKind::kLlamaServer, request(), {}, "m").streams);
  EXPECT_EQ(llama["stream"], false);
  EXPECT_EQ(llama["samplers"], Json({"temperature", "top_k", "top_p"}));
  EXPECT_EQ(llama["cache_prompt"], false);
  EXPECT_EQ(llama["return_tokens"], true);
}

TEST(Ask, SeedsDifferByProblemSampleAndPlace) {
  std::set<uint64_t> seeds;
  for (const char* name : {"p1", "p2"})
    for (const int sample : {0, 1, 10})
      for (const size_t so_far : {0, 1024})
        for (const uint64_t seed : {1, 2})
          seeds.insert(server_seed(ServerKind::kVllm, {seed, name, sample}, so_far));
  EXPECT_EQ(seeds.size(), 24u);
  for (const uint64_t seed : seeds) EXPECT_LT(seed, uint64_t{1} << 63);
  EXPECT_LT(server_seed(ServerKind::kLlamaServer, {1, "p", 0}, 0), 0xffffffffu);
}

TEST(Ask, AChatIsMessagesAndWhatTheUserAdds) {
  ChatSettings settings;
  settings.model = "r1";
  EXPECT_EQ(dump_json(ask_chat(request(), settings).body),
            R"({"model":"r1","messages":[{"role":"system","content":"be brief"},)"
            R"({"role":"user","content":"1+1?"}],"max_tokens":100,"temperature":0.5,"top_p":0.75,)"
            R"("stream":true,"stream_options":{"include_usage":true}})");
  settings.max_tokens_field = "max_completion_tokens";
  settings.send_sampling = false;
  settings.extra = {{"thinking", {{"type", "enabled"}}}};
  const Json body = ask_chat(request(), settings).body;
  EXPECT_EQ(keys_of(body), (std::set<std::string>{"model", "messages", "max_completion_tokens",
                                                  "stream", "stream_options", "thinking"}));
}

TEST(Ask, AddressesWithAndWithoutV1) {
  EXPECT_EQ(address_of("http://h:1", "/v1/models"), "http://h:1/v1/models");
  EXPECT_EQ(address_of("http://h:1/v1", "/v1/models"), "http://h:1/v1/models");
  EXPECT_EQ(address_of("http://h:1/v1/", "/health"), "http://h:1/health");
  EXPECT_EQ(address_of("https://h/api/v3", "/v1/chat/completions"),
            "https://h/api/v3/chat/completions");
}

}  // namespace
}  // namespace ponder::fleet
