// Completions that were begun earlier: from every token on they end as in one go, and nothing is
// sampled twice.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "generate/test_support.h"
#include "testing/error_text.h"
#include "testing/folders.h"

namespace ponder::generate {
namespace {

// A random model with nano-base's tokenizer, for texts and stop strings.
struct TextModel {
  TextModel()
      : tokenizer(tokenizer::Tokenizer::load(testing::source_dir() / "models" / "nano-base")),
        config(tiny_config()),
        pool(2),
        parameters(with_vocabulary(), "weights"),
        decoder(config, pool) {
    model::initialise(parameters, config, 7);
    decoder.pack_parameters(parameters);
  }
  const model::ModelConfig& with_vocabulary() {
    config.vocab_size = tokenizer.vocab_size();
    return config;
  }
  tokenizer::Tokenizer tokenizer;
  model::ModelConfig config;
  ThreadPool pool;
  model::Parameters parameters;  // the decoder borrows them
  model::Decoder decoder;
};

// All at once, whatever their order; by id.
std::map<std::string, data::Completion> complete(
    Engine& engine, const std::vector<rollout::CompletionRequest>& requests) {
  for (const rollout::CompletionRequest& request : requests) engine.submit(request);
  std::map<std::string, data::Completion> completions;
  while (completions.size() < requests.size()) {
    for (rollout::GeneratorEvent& event : engine.poll({})) {
      if (auto* completion = std::get_if<data::Completion>(&event.what))
        completions[event.request_id] = std::move(*completion);
    }
  }
  EXPECT_TRUE(engine.load().unfinished.empty());
  return completions;
}

data::Partial first_tokens(const data::Completion& completion, size_t count) {
  return data::partial_of(std::span(*completion.token_ids).first(count),
                          std::span(*completion.logprobs).first(count), 0);
}

void expect_same(const data::Completion& a, const data::Completion& b, const std::string& what) {
  EXPECT_EQ(a.token_ids, b.token_ids) << what;
  EXPECT_EQ(a.logprobs, b.logprobs) << what;
  EXPECT_EQ(a.text, b.text) << what;
  EXPECT_EQ(a.finish_reason, b.finish_reason) << what;
  EXPECT_EQ(a.usage.prompt_tokens, b.usage.prompt_tokens) << what;
  EXPECT_EQ(a.usage.completion_tokens, b.usage.completion_tokens) << what;
  EXPECT_EQ(a.model_sha256, b.model_sha256) << what;
  EXPECT_EQ(a.logprob_source, b.logprob_source) << what;
}

class Partials : public ::testing::Test {
 protected:
  Engine engine(int max_batch, int64_t pages) {
    EngineOptions options = options_of(max_batch);
    options.kv_cache_bytes = pages * model_.decoder.kv_page_bytes();
    options.model_sha256 = "m";
    return Engine(model_.decoder, &model_.tokenizer, model_.pool, options);
  }
  // Completions of every kind of end; three of one prompt.
  std::vector<rollout::CompletionRequest> requests() {
    std::vector<rollout::CompletionRequest> requests;
    const auto rollouts = requests_of(5, 3, {.temperature = 0.9, .top_p = 0.95});
    for (const rollout::RolloutRequest& request : rollouts)
      requests.push_back(rollout::completion_request(request, 0));
    for (const int sample : {1, 2}) requests.push_back(completion_request(rollouts[0], sample));
    Engine alone = engine(1, 1000);
    const data::Completion free = complete(alone, {requests[0]}).at(requests[0].id);
    requests[0].stop_strings = {free.text.substr(free.text.size() / 2, 4)};
    requests[1].stop_condition = [](std::span<const int32_t> ids) { return ids.size() == 23; };
    requests[2].sampling.temperature = 0;
    requests[2].sampling.max_tokens = 100;
    requests[3].stop_ids.clear();
    for (int32_t id = 0; id < 300; id += 7) requests[4].stop_ids.push_back(id);
    return requests;
  }
  TextModel model_;
};

TEST_F(Partials, FromEveryTokenOnToTheSameCompletion) {
  const auto requests = this->requests();
  Engine alone = engine(1, 1000);
  const auto whole = complete(alone, requests);
  std::map<data::FinishReason, int> reasons;
  std::vector<rollout::CompletionRequest> cut;
  std::vector<const data::Completion*> expected;
  int64_t left = 0;
  for (const rollout::CompletionRequest& request : requests) {
    const data::Completion& made = whole.at(request.id);
    ++reasons[made.finish_reason];
    for (size_t tokens = 0; tokens <= made.token_ids->size(); ++tokens) {
      cut.push_back(request);
      cut.back().id += " from " + std::to_string(tokens);
      cut.back().begun = first_tokens(made, tokens);
      expected.push_back(&made);
      left += static_cast<int64_t>(made.token_ids->size() - tokens);
    }
  }
  EXPECT_GE(reasons[data::FinishReason::kStop], 3);
  EXPECT_GE(reasons[data::FinishReason::kLength], 2);
  for (const int64_t pages : {1000, 30}) {
    Engine many = engine(16, pages);
    const auto completions = complete(many, cut);
    for (size_t i = 0; i < cut.size(); ++i)
      expect_same(*expected[i], completions.at(cut[i].id), cut[i].id);
    EXPECT_EQ(many.load().sampled_tokens, left);
    EXPECT_EQ(many.report().preemptions > 0, pages == 30);
  }
}

// A model of zeros says token 0 for ever.
TEST(PartialLoop, EndsWhereItWouldHave) {
  TinyModel model;
  model.parameters.zero();
  model.decoder.pack_parameters(model.parameters);
  Engine engine(model.decoder, nullptr, model.pool, options_of(4));
  rollout::CompletionRequest request = rollout::completion_request(requests_of(1, 1)[0], 0);
  request.sampling = {.temperature = 0, .max_tokens = 300};
  const data::Completion whole = complete(engine, {request}).at(request.id);
  EXPECT_EQ(whole.finish_reason, data::FinishReason::kRepetition);
  const int64_t length = whole.num_tokens();
  for (const int64_t tokens : {int64_t{1}, int64_t{17}, length - 1, length, length + 9}) {
    request.begun = first_tokens(whole, static_cast<size_t>(std::min(tokens, length)));
    request.begun.token_ids.resize(static_cast<size_t>(tokens), 0);  // also beyond its end
    request.begun.logprobs.resize(static_cast<size_t>(tokens), -1.0f);
    expect_same(whole, complete(engine, {request}).at(request.id), std::to_string(tokens));
  }
}

// What is taken at any time is the beginning of what it will be.
TEST_F(Partials, AreTakenAtAnyTimeAndGoOnElsewhere) {
  const auto requests = this->requests();
  Engine alone = engine(1, 1000);
  const auto whole = complete(alone, requests);
  for (const int polls : {1, 5, 17, 40, 61}) {
    Engine first = engine(4, 12), second = engine(3, 1000);
    for (const rollout::CompletionRequest& request : requests) first.submit(request);
    std::map<std::string, data::Completion> completions;
    for (int i = 0; i < polls; ++i) {
      for (rollout::GeneratorEvent& event : first.poll({}))
        completions[event.request_id] = std::get<data::Completion>(std::move(event.what));
    }
    std::vector<rollout::CompletionRequest> rest;
    for (rollout::CompletionRequest request : requests) {
      if (completions.contains(request.id)) continue;
      request.begun = first.sampled(request.id, 0);
      const data::Partial behind = first.sampled(request.id, 3);
      EXPECT_EQ(behind.size(), std::max<int64_t>(0, request.begun.size() - 3));
      rest.push_back(std::move(request));
    }
    completions.merge(complete(second, rest));
    for (const auto& [id, completion] : whole) expect_same(completion, completions.at(id), id);
    int64_t tokens = 0;
    for (const auto& [id, completion] : whole) tokens += completion.num_tokens();
    EXPECT_EQ(first.load().sampled_tokens + second.load().sampled_tokens, tokens);
  }
  EXPECT_TRUE(alone.sampled("unknown", 0).empty());
}

// A watcher sees the whole text, with the first new token what was there before.
TEST_F(Partials, AWatcherSeesTheWholeText) {
  rollout::CompletionRequest request = requests()[3];
  request.want_tokens = true;
  Engine engine = this->engine(2, 1000);
  const data::Completion whole = complete(engine, {request}).at(request.id);
  request.begun = first_tokens(whole, 20);
  engine.submit(request);
  std::string text;
  size_t tokens = 0;
  while (!engine.load().unfinished.empty()) {
    for (const rollout::GeneratorEvent& event : engine.poll({})) {
      if (const auto* token = std::get_if<rollout::TokenSampled>(&event.what)) {
        text += token->text;
        ++tokens;
      }
    }
  }
  EXPECT_EQ(tokens, whole.token_ids->size() - 20);
  EXPECT_TRUE(whole.text.starts_with(text));
  EXPECT_LT(whole.text.size() - text.size(), 8u);
}

TEST_F(Partials, WhatCannotHaveBeenSampledIsRefused) {
  Engine engine = this->engine(1, 1000);
  rollout::CompletionRequest request = requests()[0];
  const auto refusal = [&](data::Partial begun) {
    request.begun = std::move(begun);
    return testing::error_text([&] { engine.submit(request); });
  };
  EXPECT_NE(refusal({{1'000'000}, {-1.0f}}).find("token 1000000"), std::string::npos);
  EXPECT_NE(refusal({{-1}, {-1.0f}}).find("token -1"), std::string::npos);
  EXPECT_NE(refusal({{5, 6}, {-1.0f}}).find("log-probability for each"), std::string::npos);
}

}  // namespace
}  // namespace ponder::generate
