#include "generate/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <thread>

#include "generate/test_support.h"

namespace ponder {
namespace {

using namespace test;

EngineOptions with_pages(EngineOptions options, int64_t pages) {
  options.kv_cache_bytes = pages * KvCache::page_bytes(tiny_config());
  return options;
}

// Completions of up to `tokens`, and nothing else that ends them.
std::vector<RolloutRequest> long_requests(int problems, int samples, int tokens) {
  auto requests = requests_of(problems, samples, {.temperature = 0.9, .top_p = 0.95});
  for (auto& request : requests) request.sampling.max_tokens = tokens;
  return requests;
}

EngineOptions without_ends(EngineOptions options) {
  options.stop_ids = {};
  options.repetition.min_repeats = 0;
  return options;
}

// Seven pages are the least that is accepted for these requests.
TEST(Schedule, SamplesSetAsideGoOnAsIfNothingHadHappened) {
  const auto requests = long_requests(5, 3, 200);
  const auto alone = generate(requests, without_ends(options_of(1)));
  for (const int64_t pages : {7, 8, 11, 17, 30}) {
    for (const int64_t prefill_tokens : {5, 512}) {
      EngineReport report;
      EngineOptions options = without_ends(with_pages(options_of(16), pages));
      options.prefill_tokens = prefill_tokens;
      expect_same(alone, generate(requests, options, 1, {}, &report));
      EXPECT_EQ(report.progress.finished, 15);
      EXPECT_GT(report.set_aside, 0) << pages << " pages, " << prefill_tokens << " tokens";
    }
  }
}

// Whoever watches sees every token once, in order, the end token excepted; also of samples that
// were set aside and computed again.
TEST(Schedule, TokensAreToldAsTheyAreSampled) {
  const auto requests = long_requests(5, 3, 200);
  int stopped = 0, cut = 0;
  for (const bool ends : {true, false}) {
    EngineOptions options = with_pages(options_of(16), 7);
    if (!ends) options = without_ends(options);
    std::map<std::pair<std::string, int>, std::vector<int32_t>> told;
    EngineHooks hooks;
    hooks.token = [&](const Trajectory& t) {
      told[{t.problem_id, t.sample}].push_back(t.token_ids.back());
    };
    EngineReport report;
    for (const Trajectory& t : generate(requests, options, 1, hooks, &report)) {
      std::vector<int32_t> expected = t.token_ids;
      const bool stop = t.finish_reason == FinishReason::kStop;
      if (stop) expected.pop_back();
      (stop ? stopped : cut)++;
      EXPECT_EQ((told[{t.problem_id, t.sample}]), expected) << t.problem_id;
    }
    if (!ends) {
      EXPECT_GT(report.set_aside, 0);
    }
  }
  EXPECT_GT(stopped, 0);
  EXPECT_GT(cut, 0);
}

TEST(Schedule, EarlyStopWithFewPagesKeepsTheSameSamples) {
  const auto requests = long_requests(4, 8, 150);
  EngineHooks hooks;
  hooks.enough = [](std::span<const Trajectory> samples) {
    return std::count_if(samples.begin(), samples.end(), [](const Trajectory& trajectory) {
             return trajectory.token_ids.size() > 100;
           }) == 2;
  };
  const auto expected = generate(requests, options_of(1), 1, hooks);
  int64_t set_aside = 0;
  for (const int64_t pages : {6, 9, 16, 24}) {
    EngineReport report;
    EngineOptions options = with_pages(options_of(64), pages);
    options.samples_ahead = 20;
    expect_same(expected, generate(requests, options, 1, hooks, &report));
    EXPECT_EQ(report.discarded, 32 - static_cast<int64_t>(expected.size()));
    EXPECT_EQ(report.progress.finished, report.progress.total);
    set_aside += report.set_aside;
  }
  EXPECT_GT(set_aside, 0);
}

// Memory for about half of the samples wanted at once: only so many are begun that few are computed
// twice.
TEST(Schedule, SettingAsideIsTheException) {
  auto requests = requests_of(40, 4);
  for (auto& request : requests) {
    request.prompt_ids.resize(10, 1);
    request.sampling.max_tokens = 400;
  }
  EngineReport report;
  generate(requests, with_pages(options_of(16), 16), 1, {}, &report);
  EXPECT_LT(report.set_aside, report.progress.total / 4);
  EXPECT_GT(report.mean_running, 6);
}

// 64 problems of 8 samples whose lengths have a heavy tail, from 4 to 400 tokens. The slots are
// filled as long as there is work, because the long problems are seen and begun early; in the order
// given the longest would come last.
TEST(Schedule, LongTailsDoNotLeaveSlotsEmpty) {
  std::vector<RolloutRequest> requests = requests_of(64, 8);
  int64_t tokens = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].prompt_ids.resize(6, 1);
    requests[i].sampling.max_tokens =
        static_cast<int>(4 * std::pow(100.0, static_cast<double>(i) / 63));
    tokens += 8 * requests[i].sampling.max_tokens;
  }
  EngineOptions options = options_of(32);
  options.stop_ids.clear();
  options.repetition.min_repeats = 0;
  const auto fill = [&](const EngineReport& report) {
    return static_cast<double>(tokens) / static_cast<double>(report.steps * options.max_batch);
  };
  EngineReport report;
  const auto unknown = generate(requests, options, 1, {}, &report);
  EXPECT_GT(fill(report), 0.92);
  // Lengths that are known beforehand.
  for (auto& request : requests) request.expected_tokens = request.sampling.max_tokens;
  expect_same(unknown, generate(requests, options, 1, {}, &report));
  EXPECT_GT(fill(report), 0.95);
}

// A prompt is read once for all its samples, in chunks, while other samples go on.
TEST(Schedule, PromptsAreReadOnceInChunksBesideDecoding) {
  auto requests = long_requests(2, 4, 60);
  requests[0].prompt_ids.resize(8, 1);
  requests[1].prompt_ids.resize(200, 2);
  EngineOptions options = without_ends(options_of(8));
  options.prefill_tokens = 5;
  EngineReport both, first, second;
  generate(requests, options, 1, {}, &both);
  EXPECT_EQ(both.progress.prompt_tokens, 208);
  EXPECT_EQ(both.progress.sampled_tokens, 2 * 4 * 60);
  generate({requests[0]}, options, 1, {}, &first);
  generate({requests[1]}, options, 1, {}, &second);
  EXPECT_GT(second.steps, 200 / 5 + 50);
  // While the forty chunks are read the other problem's samples advance.
  EXPECT_LT(both.steps, first.steps + second.steps - 35);
}

// The time left is told as soon as something has finished, and falls to nothing.
TEST(Schedule, ProgressTellsWhatIsLeft) {
  auto requests = long_requests(30, 2, 40);
  // Progress comes four times a second: judging is made slow.
  EngineHooks hooks;
  hooks.judge = [](Trajectory&) { std::this_thread::sleep_for(std::chrono::milliseconds(20)); };
  std::vector<EngineProgress> seen;
  hooks.progress = [&](const EngineProgress& progress) { seen.push_back(progress); };
  generate(requests, without_ends(options_of(4)), 1, hooks);
  ASSERT_GE(seen.size(), 3u);
  const EngineProgress& middle = seen[seen.size() / 2];
  ASSERT_GT(middle.finished, 0);
  // All completions are equally long, so the estimate is exact.
  EXPECT_EQ(middle.expected_tokens_left, 60 * 40 - middle.sampled_tokens);
  EXPECT_GT(middle.seconds_left(), 0);
  EXPECT_NE(to_text(middle).find("left"), std::string::npos) << to_text(middle);
  EXPECT_EQ(seen.back().expected_tokens_left, 0);
  EXPECT_EQ(to_text(seen.back()).find("left"), std::string::npos);
  EngineProgress hours{.sampled_tokens = 1000, .expected_tokens_left = 7'200'000, .seconds = 1};
  hours.total = 1;
  EXPECT_EQ(to_text(hours), "1000 tokens/s, 0 running, about 2.0 h left");
}

// Whatever stands beside it in the batch, a greedy rollout is one and the same.
TEST(Schedule, AThousandGreedyRunsAmongOthersGiveOneOutput) {
  auto requests = requests_of(1000, 1, {.temperature = 1.0});
  const std::vector<int32_t> prompt = {5, 17, 9, 40, 8, 21};
  for (int i = 0; i < 1000; ++i) {
    RolloutRequest request = requests[static_cast<size_t>(i)];
    request.problem_id = "greedy" + std::to_string(i);
    request.prompt_ids = prompt;
    request.sampling.temperature = 0;
    requests.push_back(request);
  }
  RandomSequence random(3, 4);
  random.shuffle(requests);
  int greedy = 0;
  std::vector<int32_t> first;
  std::vector<float> first_logprobs;
  for (const Trajectory& trajectory : generate(requests, options_of(64))) {
    if (trajectory.problem_id[0] != 'g') continue;
    if (greedy++ == 0) {
      first = trajectory.token_ids;
      first_logprobs = trajectory.logprobs;
    }
    EXPECT_EQ(trajectory.token_ids, first);
    EXPECT_EQ(trajectory.logprobs, first_logprobs);
  }
  EXPECT_EQ(greedy, 1000);
  EXPECT_GT(first.size(), 10u);
}

}  // namespace
}  // namespace ponder
