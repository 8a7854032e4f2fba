#include "serve/call.h"

#include "serve/test_support.h"

namespace ponder::serve {
namespace {

Call completions(const Json& body) { return completions_call(body, served_nano(), 7); }
Call chat(const Json& body) { return chat_call(body, served_nano(), 7); }

const Json kChat = {{"messages", {{{"role", "user"}, {"content", "Compute 7+8"}}}}};

struct Refused {
  int status = 0;
  std::string param, code, problem;
};

Refused refusal(bool of_chat, Json body) {
  try {
    (void)(of_chat ? chat(body) : completions(body));
  } catch (const CallError& error) {
    return {error.status(), error.where(), error.code(), error.problem()};
  }
  return {};
}

TEST(Call, CompletionsTakeTextsAndIdsAndListsOfThem) {
  const auto& tokenizer = nano_base().text().tokenizer();
  const std::vector<int32_t> ids = tokenizer.encode("Compute 7+8", true);
  EXPECT_EQ(completions({{"prompt", "Compute 7+8"}}).prompts,
            (std::vector<std::vector<int32_t>>{ids}));
  EXPECT_EQ(completions({{"prompt", ids}}).prompts, (std::vector<std::vector<int32_t>>{ids}));
  EXPECT_EQ(completions({{"prompt", {"Compute 7+8", "Compute 7+8"}}}).prompts,
            (std::vector<std::vector<int32_t>>{ids, ids}));
  EXPECT_EQ(completions({{"prompt", {ids, ids}}}).prompts,
            (std::vector<std::vector<int32_t>>{ids, ids}));
}

TEST(Call, WhatIsAbsentIsTheModels) {
  const Call call = completions({{"prompt", {1, 2, 3}}});
  EXPECT_EQ(call.sampling.temperature, 1);
  EXPECT_EQ(call.sampling.top_p, 1);
  EXPECT_EQ(call.sampling.top_k, 0);
  EXPECT_EQ(call.sampling.max_tokens, served_nano().max_model_len - 3);
  EXPECT_EQ(call.stop_ids, nano_base().text().stop_ids());
  EXPECT_EQ(call.seed, 7u);
  EXPECT_EQ(call.problem_id, "prompt");
  EXPECT_EQ(call.model, served_nano().id());
}

TEST(Call, FieldsAreRead) {
  const Call call =
      completions({{"model", "nano"},
                   {"prompt", {1, 2, 3, 4}},
                   {"temperature", 0.5},
                   {"top_p", 0.9},
                   {"top_k", 5},
                   {"max_tokens", 9},
                   {"n", 3},
                   {"seed", 18446744073709551615ull},
                   {"stop", {"a", "", "b"}},
                   {"stop_token_ids", {5}},
                   {"stream", true},
                   {"stream_options", {{"include_usage", true}}},
                   {"logprobs", 0},
                   {"return_token_ids", true},
                   {"ponder", {{"problem_id", "p"}, {"sample", 4}, {"tokens_per_event", 8}}},
                   {"user", "me"},
                   {"odd", 1}});
  EXPECT_EQ(call.sampling.temperature, 0.5);
  EXPECT_EQ(call.sampling.top_p, 0.9);
  EXPECT_EQ(call.sampling.top_k, 5);
  EXPECT_EQ(call.sampling.max_tokens, 9);
  EXPECT_EQ(call.n, 3);
  EXPECT_EQ(call.seed, 18446744073709551615ull);
  EXPECT_EQ(call.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(call.stop_ids.back(), 5);
  EXPECT_TRUE(call.stream && call.include_usage && call.logprobs && call.return_token_ids);
  EXPECT_EQ(call.top_logprobs, 0);
  EXPECT_EQ(call.problem_id, "p");
  EXPECT_EQ(call.tokens_per_event, 8);
  EXPECT_EQ(call.sample, 4);
  EXPECT_EQ(call.ignored, (std::vector<std::string>{"user", "odd"}));
  EXPECT_EQ(completions({{"prompt", {1}}, {"seed", -1}}).seed, 18446744073709551615ull);
  EXPECT_TRUE(completions({{"prompt", {1}}, {"ignore_eos", true}}).stop_ids.empty());
  EXPECT_EQ(completions({{"prompt", {1}}, {"top_k", -1}}).sampling.top_k, 0);
  EXPECT_EQ(chat({{"messages", kChat["messages"]}, {"max_tokens", 5}, {"max_completion_tokens", 6}})
                .sampling.max_tokens,
            6);
}

TEST(Call, ChatsAreRenderedAsInTraining) {
  EXPECT_EQ(chat(kChat).prompts.at(0), nano_base().text().prompt_ids("Compute 7+8"));
  const Json parts = {
      {"messages",
       {{{"role", "developer"}, {"content", "Be brief."}},
        {{"role", "user"},
         {"content",
          {{{"type", "text"}, {"text", "Compute "}}, {{"type", "text"}, {"text", "7+8"}}}}}}}};
  EXPECT_EQ(chat(parts).prompts.at(0), nano_base().text().prompt_ids("Compute 7+8", "Be brief."));
}

TEST(Call, WhatCannotBeDoneIsRefusedByName) {
  const Json one = {{"prompt", {1}}};
  const auto with = [&](Json more) {
    Json body = one;
    body.update(more);
    return refusal(false, body);
  };
  EXPECT_EQ(with({{"model", "gpt-4"}}).status, 404);
  EXPECT_EQ(with({{"model", "gpt-4"}}).code, "model_not_found");
  const Refused too_long = with({{"max_tokens", 1000000}});
  EXPECT_EQ(too_long.code, "context_length_exceeded");
  EXPECT_EQ(too_long.problem,
            "This model's maximum context length is 1024 tokens. However, you requested 1000001 "
            "tokens (1 in the prompt, 1000000 in the completion): context_length_exceeded");
  const std::vector<std::pair<Json, std::string>> wrong = {
      {{{"prompt", nullptr}}, "prompt"},
      {{{"prompt", Json::array()}}, "prompt"},
      {{{"prompt", ""}}, "prompt"},
      {{{"prompt", {1, -1}}}, "prompt"},
      {{{"prompt", {1, 1 << 30}}}, "prompt"},
      {{{"prompt", {1.5}}}, "prompt"},
      {{{"prompt", std::vector<std::string>(65, "a")}}, "prompt"},
      {{{"temperature", -1}}, "temperature"},
      {{{"temperature", 2.5}}, "temperature"},
      {{{"temperature", "hot"}}, "temperature"},
      {{{"top_p", 0}}, "top_p"},
      {{{"top_p", 1.5}}, "top_p"},
      {{{"n", 0}}, "n"},
      {{{"n", 17}}, "n"},
      {{{"best_of", 2}}, "best_of"},
      {{{"seed", 1.5}}, "seed"},
      {{{"max_tokens", 0}}, "max_tokens"},
      {{{"stop", 5}}, "stop"},
      {{{"stop", std::vector<std::string>(9, "a")}}, "stop"},
      {{{"stop_token_ids", {-1}}}, "stop_token_ids"},
      {{{"logprobs", 21}}, "logprobs"},
      {{{"stream", "yes"}}, "stream"},
      {{{"stream", true}, {"logprobs", 1}}, "stream"},
      {{{"stream", true}, {"echo", true}}, "stream"},
      {{{"presence_penalty", 0.5}}, "presence_penalty"},
      {{{"frequency_penalty", 0.5}}, "frequency_penalty"},
      {{{"repetition_penalty", 1.1}}, "repetition_penalty"},
      {{{"min_p", 0.1}}, "min_p"},
      {{{"min_tokens", 5}}, "min_tokens"},
      {{{"logit_bias", {{"5", 1}}}}, "logit_bias"},
      {{{"suffix", "x"}}, "suffix"},
      {{{"response_format", {{"type", "json_object"}}}}, "response_format"},
      {{{"response_format", {{"type", 5}}}}, "response_format"},
      {{{"tools", {{{"type", "function"}}}}}, "tools"},
      {{{"ponder", {{"problem", "p"}}}}, "ponder"},
      {{{"ponder", {{"position", 1}}}}, "ponder"},
      {{{"include_stop_str_in_output", true}}, "include_stop_str_in_output"},
  };
  for (const auto& [body, param] : wrong) {
    const Refused refused = with(body);
    EXPECT_EQ(refused.status, 400) << body;
    EXPECT_EQ(refused.param, param) << body;
    EXPECT_FALSE(refused.problem.empty());
  }
  // Values that change nothing are taken.
  EXPECT_EQ(with({{"presence_penalty", 0},
                  {"repetition_penalty", 1.0},
                  {"logit_bias", Json::object()},
                  {"tools", Json::array()},
                  {"response_format", {{"type", "text"}}},
                  {"best_of", 1}})
                .status,
            0);
}

TEST(Call, ChatsThatCannotBeShownAreRefusedByName) {
  const auto message = [](Json m) { return Json{{"messages", Json::array({std::move(m)})}}; };
  const std::vector<std::pair<Json, std::string>> wrong = {
      {Json::object(), "messages"},
      {{{"messages", Json::array()}}, "messages"},
      {{{"messages", std::vector<Json>(4097, {{"role", "user"}, {"content", "x"}})}}, "messages"},
      {message("hello"), "messages[0]"},
      {message({{"role", "tool"}, {"content", "x"}}), "messages[0].role"},
      {message({{"role", "user"}, {"content", 5}}), "messages[0].content"},
      {message({{"role", "user"}, {"content", {{{"type", "image_url"}}}}}), "messages[0].content"},
      {message({{"role", "user"}, {"content", {{{"type", 5}, {"text", "x"}}}}}),
       "messages[0].content"},
      {message({{"role", "assistant"}, {"tool_calls", {{{"id", "1"}}}}}), "messages[0].tool_calls"},
      {{{"messages", kChat["messages"]}, {"top_logprobs", 3}}, "top_logprobs"},
      {{{"messages", kChat["messages"]}, {"tool_choice", "auto"}}, "tool_choice"},
      {{{"messages", kChat["messages"]}, {"chat_template", "{{ x }}"}}, "chat_template"},
      {{{"messages", kChat["messages"]}, {"continue_final_message", true}},
       "continue_final_message"},
      {{{"messages", kChat["messages"]}, {"chat_template_kwargs", {{"x", 1}}}},
       "chat_template_kwargs"},
  };
  for (const auto& [body, param] : wrong) {
    const Refused refused = refusal(true, body);
    EXPECT_EQ(refused.status, 400) << body;
    EXPECT_EQ(refused.param, param) << body;
  }
}

TEST(Call, StrictnessRefusesWhatIsUnknown) {
  ServedModel strict = served_nano();
  strict.strict = true;
  EXPECT_THROW((void)completions_call({{"prompt", {1}}, {"odd", 1}}, strict, 1), CallError);
  EXPECT_NO_THROW((void)completions_call({{"prompt", {1}}, {"odd", nullptr}}, strict, 1));
}

TEST(Call, TokensGoBothWaysInBothForms) {
  const ServedModel model = served_nano();
  const Json vllm = tokenize({{"prompt", "Compute 7+8"}, {"return_token_strs", true}}, model);
  EXPECT_EQ(vllm["count"], vllm["tokens"].size());
  EXPECT_EQ(vllm["max_model_len"], model.max_model_len);
  EXPECT_EQ(vllm["token_strs"].size(), vllm["tokens"].size());
  const Json llama = tokenize({{"content", "Compute 7+8"}}, model);
  EXPECT_EQ(llama["tokens"], vllm["tokens"]);
  EXPECT_EQ(detokenize({{"tokens", vllm["tokens"]}}, model)["prompt"], "Compute 7+8");
  EXPECT_EQ(tokenize(kChat, model)["tokens"].get<std::vector<int32_t>>(),
            nano_base().text().prompt_ids("Compute 7+8"));
  const std::string rendered = apply_template(kChat, model)["prompt"];
  EXPECT_EQ(nano_base().text().tokenizer().encode(rendered),
            nano_base().text().prompt_ids("Compute 7+8"));
  EXPECT_THROW((void)detokenize({{"tokens", {-1}}}, model), CallError);
  EXPECT_THROW((void)tokenize(Json::object(), model), CallError);
}

}  // namespace
}  // namespace ponder::serve
