// Test-only: a tiny random model and rollout requests for the engine's tests.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/philox.h"
#include "generate/engine.h"
#include "generate/scorer.h"
#include "rollout/run_rollouts.h"
#include "testing/tiny_config.h"

namespace ponder::generate {

inline model::ModelConfig tiny_config() {
  model::ModelConfig config = testing::tiny_config(50);
  config.hidden_size = 64;
  config.intermediate_size = 48;
  config.initializer_range = 0.3;  // far from uniform, so that top-p and greedy have work to do
  return config;
}

// A random model; token 3 ends a completion.
struct TinyModel {
  explicit TinyModel(int threads = 1, tensor::Precision precision = tensor::Precision::kF32)
      : config(tiny_config()),
        pool(threads),
        parameters(config, "weights"),
        decoder(config, pool, precision) {
    model::initialise(parameters, config, 7);
    decoder.pack_parameters(parameters);
  }
  model::ModelConfig config;
  ThreadPool pool;
  model::Parameters parameters;
  model::Decoder decoder;
};

inline int64_t page_bytes() { return TinyModel().decoder.kv_page_bytes(); }

inline EngineOptions options_of(int max_batch) {
  EngineOptions options;
  options.max_batch = max_batch;
  return options;
}

// Prompts of many lengths, some of several pages; completions of up to 60 tokens.
inline std::vector<rollout::RolloutRequest> requests_of(int problems, int samples,
                                                        data::SamplingSettings sampling = {}) {
  sampling.max_tokens = 60;
  std::vector<rollout::RolloutRequest> requests;
  for (int i = 0; i < problems; ++i) {
    rollout::RolloutRequest& request = requests.emplace_back();
    request.problem_id = "p" + std::to_string(i);
    RandomSequence random(11, static_cast<uint64_t>(i));
    const int64_t length = random.between(1, i % 3 == 0 ? 150 : 20);
    for (int64_t t = 0; t < length; ++t) {
      request.prompt_ids.push_back(static_cast<int32_t>(random.below(50)));
    }
    request.num_samples = samples;
    request.sampling = sampling;
    request.seed = 5;
    request.stop_ids = {3};
  }
  return requests;
}

struct Report : rollout::RolloutReport {
  EngineReport engine;
};

// By an engine of its own on this decoder; without a tokenizer.
inline std::vector<data::Rollout> generate(model::Decoder& decoder, ThreadPool& pool,
                                           const std::vector<rollout::RolloutRequest>& requests,
                                           EngineOptions options, rollout::RolloutHooks hooks = {},
                                           Report* report = nullptr,
                                           rollout::RolloutOptions rollouts = {},
                                           const std::atomic<bool>* stop = nullptr) {
  Engine engine(decoder, nullptr, pool, std::move(options));
  Report done;
  auto made = rollout::collect_rollouts(engine, requests, std::move(hooks), rollouts, stop, &done);
  done.engine = engine.report();
  if (report) *report = done;
  return made;
}

inline std::vector<data::Rollout> generate(const std::vector<rollout::RolloutRequest>& requests,
                                           EngineOptions options, int threads = 1,
                                           rollout::RolloutHooks hooks = {},
                                           Report* report = nullptr,
                                           rollout::RolloutOptions rollouts = {}) {
  TinyModel model(threads);
  return generate(model.decoder, model.pool, requests, std::move(options), std::move(hooks), report,
                  rollouts);
}

// The row of a rollout: prompt_ids and token_ids.
inline ScoreRow score_row_of(const data::Rollout& rollout) {
  ScoreRow row;
  row.tokens = rollout.prompt_ids;
  row.first_scored = static_cast<int64_t>(row.tokens.size());
  row.tokens.insert(row.tokens.end(), rollout.completion.token_ids->begin(),
                    rollout.completion.token_ids->end());
  return row;
}

inline void expect_same(const std::vector<data::Rollout>& a, const std::vector<data::Rollout>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].problem_id, b[i].problem_id);
    EXPECT_EQ(a[i].sample, b[i].sample);
    EXPECT_EQ(a[i].completion.token_ids, b[i].completion.token_ids)
        << a[i].problem_id << " " << a[i].sample;
    EXPECT_EQ(a[i].completion.logprobs, b[i].completion.logprobs)
        << a[i].problem_id << " " << a[i].sample;
    EXPECT_EQ(a[i].completion.finish_reason, b[i].completion.finish_reason);
    EXPECT_EQ(a[i].completion.logprob(), b[i].completion.logprob());
    EXPECT_EQ(a[i].prompt_sha256, b[i].prompt_sha256);
  }
}

}  // namespace ponder::generate
