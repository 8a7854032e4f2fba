#include "generate/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/philox.h"
#include "generate/sampler.h"
#include "generate/scorer.h"
#include "generate/test_support.h"
#include "model/kv_cache.h"

namespace ponder::generate {
namespace {

TEST(Engine, BatchMemoryAndChunksChangeNothing) {
  const auto requests = requests_of(80, 3, {.temperature = 0.9, .top_p = 0.95});
  const auto alone = generate(requests, options_of(1));
  ASSERT_EQ(alone.size(), 240u);
  Report report;
  for (const int threads : {1, 2, 4}) {
    expect_same(alone, generate(requests, options_of(64), threads, {}, &report));
    EXPECT_GT(report.engine.mean_running, 40);
  }
  expect_same(alone, generate(requests, options_of(5)));
  EngineOptions chunks = options_of(7);
  chunks.prefill_tokens = 13;
  expect_same(alone, generate(requests, chunks));
  EngineOptions small = options_of(64);
  small.kv_cache_bytes = 9 * page_bytes();
  expect_same(alone, generate(requests, small, 1, {}, &report));
  EXPECT_LT(report.engine.mean_running, 10);
}

TEST(Engine, ThreadsChangeNothing) {
  const auto requests = requests_of(4, 2);
  const auto alone = generate(requests, options_of(1), 1);
  expect_same(alone, generate(requests, options_of(8), 2));
  expect_same(alone, generate(requests, options_of(8), 3));
}

TEST(Engine, OrderOfRequestsChangesNoRollout) {
  auto requests = requests_of(10, 2);
  const auto straight = generate(requests, options_of(8));
  RandomSequence random(1, 2);
  random.shuffle(requests);
  auto shuffled = generate(requests, options_of(8));
  std::map<std::string, size_t> place;
  for (size_t i = 0; i < 10; ++i) place["p" + std::to_string(i)] = i;
  std::stable_sort(shuffled.begin(), shuffled.end(),
                   [&](const data::Rollout& a, const data::Rollout& b) {
                     return place[a.problem_id] < place[b.problem_id];
                   });
  expect_same(straight, shuffled);
}

// What a rollout is: one token after the other, each drawn with the uniform of its position.
TEST(Engine, EqualsAPlainLoop) {
  TinyModel model;
  const auto requests = requests_of(4, 2, {.temperature = 0.8, .top_p = 0.9});
  const auto rollouts = generate(model.decoder, model.pool, requests, options_of(8));
  for (const data::Rollout& rollout : rollouts) {
    const rollout::RolloutRequest& request =
        requests[static_cast<size_t>(rollout.problem_id[1] - '0')];
    model::KvCache cache = model.decoder.make_cache(8);
    model::KvSequence sequence;
    Sampler sampler(50, 50, model.pool);
    std::vector<int32_t> next = request.prompt_ids, ids;
    while (ids.size() < rollout.completion.token_ids->size()) {
      const auto count = static_cast<int64_t>(next.size());
      ASSERT_TRUE(cache.extend(sequence, count));
      std::vector<float> logits(50);
      model.decoder.step({next, {{&sequence, count, true}}}, cache, logits);
      const Draw draw{logits.data(), &request.sampling,
                      rollout_uniform(5, stable_hash64(request.problem_id), rollout.sample,
                                      static_cast<int64_t>(ids.size()))};
      SampledToken token;
      sampler.sample({&draw, 1}, {&token, 1});
      EXPECT_EQ(token.logprob, rollout.completion.logprobs.value()[ids.size()]);
      ids.push_back(token.id);
      next = {token.id};
    }
    EXPECT_EQ(ids, rollout.completion.token_ids);
  }
}

TEST(Engine, SeedsSamplesAndProblemsDiffer) {
  auto requests = requests_of(2, 2);
  requests[1].prompt_ids = requests[0].prompt_ids;
  const auto first = generate(requests, options_of(8));
  EXPECT_NE(first[0].completion.token_ids, first[1].completion.token_ids);
  EXPECT_NE(first[0].completion.token_ids, first[2].completion.token_ids);
  EXPECT_EQ(first[0].prompt_sha256, first[2].prompt_sha256);
  for (auto& request : requests) request.seed = 6;
  EXPECT_NE(first[0].completion.token_ids,
            generate(requests, options_of(8))[0].completion.token_ids);
}

// The promise everything else rests on: what sampling recorded is what training computes.
TEST(Engine, RecordedLogprobsAreTheTrainersToTheBit) {
  TinyModel model;
  size_t tokens = 0;
  for (const double temperature : {0.0, 0.7, 1.0}) {
    const auto requests =
        requests_of(40, 4, {.temperature = temperature, .top_p = 0.9, .top_k = 30});
    const auto rollouts = generate(model.decoder, model.pool, requests, options_of(16));
    std::vector<ScoreRow> rows;
    for (const data::Rollout& rollout : rollouts) rows.push_back(score_row_of(rollout));
    for (const int64_t batch_tokens : {1, 300, 100000}) {
      const auto scores = score_rows(model.decoder, rows, batch_tokens);
      for (size_t i = 0; i < rows.size(); ++i) {
        EXPECT_EQ(scores[i].logprobs, rollouts[i].completion.logprobs);
        EXPECT_EQ(scores[i].logprob, rollouts[i].completion.logprob());
        tokens += batch_tokens == 1 ? rollouts[i].completion.token_ids->size() : 0;
      }
    }
  }
  EXPECT_GT(tokens, 10'000u);
}

TEST(Engine, GreedyFollowsTheModel) {
  TinyModel model;
  auto requests = requests_of(3, 1, {.temperature = 0});
  const auto rollouts = generate(model.decoder, model.pool, requests, options_of(4));
  for (size_t r = 0; r < 3; ++r) {
    // No other token has a higher log-probability after the same prefix.
    const auto& ids = rollouts[r].completion.token_ids.value();
    std::vector<int32_t> prefix = requests[r].prompt_ids;
    for (size_t i = 0; i < std::min<size_t>(ids.size(), 5); ++i) {
      std::vector<ScoreRow> rows;
      for (int32_t id = 0; id < 50; ++id) {
        rows.push_back({prefix, static_cast<int64_t>(prefix.size())});
        rows.back().tokens.push_back(id);
      }
      const auto scores = score_rows(model.decoder, rows);
      for (const Score& score : scores)
        EXPECT_LE(score.logprob, rollouts[r].completion.logprobs.value()[i]);
      prefix.push_back(ids[i]);
    }
  }
}

TEST(Engine, EndsAtStopTokenLengthOrLoop) {
  std::map<data::FinishReason, int> reasons;
  for (const data::Rollout& rollout : generate(requests_of(20, 4), options_of(32))) {
    ++reasons[rollout.completion.finish_reason];
    const auto& ids = rollout.completion.token_ids.value();
    const auto stop = std::find(ids.begin(), ids.end(), 3);
    if (rollout.completion.finish_reason == data::FinishReason::kStop) {
      EXPECT_EQ(stop, ids.end() - 1);
    } else {
      EXPECT_EQ(stop, ids.end());
      EXPECT_EQ(ids.size(), 60u);
    }
    EXPECT_EQ(ids.size(), rollout.completion.logprobs->size());
  }
  EXPECT_GT(reasons[data::FinishReason::kStop], 0);
  EXPECT_GT(reasons[data::FinishReason::kLength], 0);
}

// A model of zeros says token 0 for ever.
TEST(Engine, LeavesARepetitionLoop) {
  TinyModel model;
  model.parameters.zero();
  model.decoder.pack_parameters(model.parameters);
  auto requests = requests_of(2, 1, {.temperature = 0});
  for (auto& request : requests) request.sampling.max_tokens = 300;
  EngineOptions options = options_of(8);
  for (const data::Rollout& rollout : generate(model.decoder, model.pool, requests, options)) {
    EXPECT_EQ(rollout.completion.finish_reason, data::FinishReason::kRepetition);
    EXPECT_EQ(rollout.completion.token_ids, std::vector<int32_t>(128, 0));
  }
  options.repetition.min_repeats = 0;
  for (const data::Rollout& rollout : generate(model.decoder, model.pool, requests, options)) {
    EXPECT_EQ(rollout.completion.finish_reason, data::FinishReason::kLength);
    EXPECT_EQ(rollout.completion.token_ids->size(), 300u);
  }
}

// "Enough" once two samples of the problem are long: which samples are kept is a function of the
// samples in their order, whatever ran at the same time.
TEST(Engine, EarlyStopKeepsTheSameSamplesInAnyBatch) {
  const auto requests = requests_of(8, 10);
  const auto enough = [](std::span<const data::Rollout> samples) {
    return std::count_if(samples.begin(), samples.end(), [](const data::Rollout& rollout) {
             return rollout.completion.token_ids->size() > 20;
           }) == 2;
  };
  const auto all = generate(requests, options_of(16));
  std::vector<data::Rollout> expected;
  for (size_t p = 0; p < 8; ++p) {
    const std::span<const data::Rollout> samples = std::span(all).subspan(p * 10, 10);
    for (size_t i = 0; i < 10; ++i) {
      expected.push_back(samples[i]);
      if (enough(samples.first(i + 1))) break;
    }
  }
  ASSERT_LT(expected.size(), all.size());
  for (const int max_batch : {1, 3, 64}) {
    for (const int ahead : {1, 4, 20}) {
      rollout::RolloutHooks hooks;
      hooks.group_complete = enough;
      Report report;
      expect_same(expected, generate(requests, options_of(max_batch), 1, hooks, &report,
                                     {.samples_ahead = ahead}));
      EXPECT_EQ(report.discarded, static_cast<int64_t>(all.size() - expected.size()));
      EXPECT_EQ(report.progress.finished, report.progress.total);
    }
  }
}

TEST(Engine, GoesOnFromWhatIsDone) {
  auto requests = requests_of(6, 5);
  const auto enough = [](std::span<const data::Rollout> samples) {
    return samples.back().completion.token_ids->size() < 15;
  };
  for (const bool early_stop : {false, true}) {
    rollout::RolloutHooks hooks;
    if (early_stop) hooks.group_complete = enough;
    const auto whole = generate(requests, options_of(4), 1, hooks);
    for (const size_t cut : {size_t{1}, whole.size() / 2, whole.size()}) {
      auto rest = requests;
      std::vector<data::Rollout> merged(whole.begin(),
                                        whole.begin() + static_cast<std::ptrdiff_t>(cut));
      for (const data::Rollout& rollout : merged) {
        rest[static_cast<size_t>(std::stoi(rollout.problem_id.substr(1)))].done.push_back(rollout);
      }
      for (const data::Rollout& rollout : generate(rest, options_of(3), 1, hooks))
        merged.push_back(rollout);
      std::stable_sort(
          merged.begin(), merged.end(), [](const data::Rollout& a, const data::Rollout& b) {
            return std::pair(a.problem_id, a.sample) < std::pair(b.problem_id, b.sample);
          });
      expect_same(whole, merged);
    }
  }
}

TEST(Engine, JudgesEachSampleOnceBeforeItIsDelivered) {
  std::map<std::pair<std::string, int>, int> judged;
  rollout::RolloutHooks hooks;
  hooks.judge = [&](data::Rollout& rollout) {
    ++judged[{rollout.problem_id, rollout.sample}];
    rollout.verdict = judge::Verdict::kCorrect;
  };
  const auto rollouts = generate(requests_of(4, 3), options_of(5), 1, hooks);
  EXPECT_EQ(judged.size(), 12u);
  for (const auto& [key, count] : judged) EXPECT_EQ(count, 1);
  for (const data::Rollout& rollout : rollouts)
    EXPECT_EQ(rollout.verdict, judge::Verdict::kCorrect);
}

TEST(Engine, StopFlagEndsEarly) {
  TinyModel model;
  std::atomic<bool> stop{false};
  rollout::RolloutHooks hooks;
  hooks.on_completion = [&](const data::Rollout&) { stop = true; };
  Report report;
  const auto rollouts = generate(model.decoder, model.pool, requests_of(30, 2), options_of(2),
                                 hooks, &report, {}, &stop);
  EXPECT_TRUE(report.interrupted);
  EXPECT_GE(rollouts.size(), 1u);
  EXPECT_LT(rollouts.size(), 10u);
}

TEST(Engine, RefusesWhatCanNeverFit) {
  const auto problem_of = [](const std::vector<rollout::RolloutRequest>& requests,
                             EngineOptions options) {
    try {
      generate(requests, std::move(options));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const auto expect_refused = [&](const std::string& words, const auto& change) {
    auto requests = requests_of(3, 2);
    EngineOptions options = options_of(4);
    change(requests, options);
    const std::string message = problem_of(requests, options);
    EXPECT_NE(message.find(words), std::string::npos) << message;
  };
  using Requests = std::vector<rollout::RolloutRequest>;
  expect_refused("--kv-cache-bytes", [](Requests&, EngineOptions& o) { o.kv_cache_bytes = 5000; });
  expect_refused("--max-tokens",
                 [](Requests& r, EngineOptions&) { r[1].sampling.max_tokens = 512; });
  expect_refused("positions", [](Requests& r, EngineOptions&) { r[1].prompt_ids.resize(600, 1); });
  expect_refused("empty prompt", [](Requests& r, EngineOptions&) { r[2].prompt_ids.clear(); });
  expect_refused("twice", [](Requests& r, EngineOptions&) { r[2].problem_id = "p0"; });
  expect_refused("top_p", [](Requests& r, EngineOptions&) { r[0].sampling.top_p = 0; });
  expect_refused("samples", [](Requests& r, EngineOptions&) { r[0].num_samples = 0; });
  expect_refused("--max-batch", [](Requests&, EngineOptions& o) { o.max_batch = 0; });
  expect_refused("vocabulary", [](Requests& r, EngineOptions&) { r[0].prompt_ids[0] = 50; });
  EXPECT_TRUE(generate({}, options_of(4)).empty());
}

TEST(Engine, TheSmallestBudgetThatIsAcceptedIsEnough) {
  auto requests = requests_of(6, 4);
  const int64_t page = page_bytes();
  EngineOptions options = options_of(64);
  for (options.kv_cache_bytes = page;; options.kv_cache_bytes += page) {
    try {
      EXPECT_EQ(generate(requests, options).size(), 24u);
      break;
    } catch (const Error& error) {
      ASSERT_NE(std::string(error.what()).find("kv-cache-bytes"), std::string::npos);
    }
  }
}

TEST(Scorer, RefusesRowsWithoutPromptOrResponse) {
  TinyModel model;
  const auto score = [&](ScoreRow row) { return score_rows(model.decoder, std::span(&row, 1)); };
  EXPECT_THROW(score({{1, 2, 3}, 0}), Error);
  EXPECT_THROW(score({{1, 2, 3}, 3}), Error);
  EXPECT_THROW(score({std::vector<int32_t>(513, 1), 1}), Error);
  EXPECT_EQ(score({{1, 2, 3}, 1}).front().logprobs.size(), 2u);
  const Score known = make_score({-1.0f, -3.0f});
  EXPECT_DOUBLE_EQ(known.logprob, -4);
  EXPECT_DOUBLE_EQ(known.perplexity, std::exp(2.0));
}

// Of a token that the row does not even have, as the sampler sees it.
TEST(Scorer, RefusesLogitsThatAreNotFinite) {
  TinyModel model;
  const ScoreRow row{{1, 2, 4}, 1};
  model.parameters.flat()[7 * 64] = std::numeric_limits<float>::quiet_NaN();  // token 7's, tied
  model.decoder.pack_parameters(model.parameters);
  EXPECT_THROW(score_rows(model.decoder, std::span(&row, 1)), Error);
}

}  // namespace
}  // namespace ponder::generate
