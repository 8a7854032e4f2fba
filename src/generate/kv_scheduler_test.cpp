#include "generate/kv_scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <thread>

#include "generate/test_support.h"

namespace ponder::generate {
namespace {

EngineOptions with_pages(EngineOptions options, int64_t pages) {
  options.kv_cache_bytes = pages * page_bytes();
  return options;
}

// Completions of up to `tokens`; token 3 ends them only where `ends`.
std::vector<rollout::RolloutRequest> long_requests(int problems, int samples, int tokens,
                                                   bool ends = false) {
  auto requests = requests_of(problems, samples, {.temperature = 0.9, .top_p = 0.95});
  for (auto& request : requests) {
    request.sampling.max_tokens = tokens;
    if (!ends) request.stop_ids = {};
  }
  return requests;
}

EngineOptions without_loops(EngineOptions options) {
  options.repetition.min_repeats = 0;
  return options;
}

// Seven pages are the least that is accepted for these requests.
TEST(KvScheduler, PreemptedSequencesGoOnAsIfNothingHadHappened) {
  const auto requests = long_requests(5, 3, 200);
  const auto alone = generate(requests, without_loops(options_of(1)));
  for (const int64_t pages : {7, 8, 11, 17, 30}) {
    for (const int64_t prefill_tokens : {5, 512}) {
      Report report;
      EngineOptions options = without_loops(with_pages(options_of(16), pages));
      options.prefill_tokens = prefill_tokens;
      expect_same(alone, generate(requests, options, 1, {}, &report));
      EXPECT_EQ(report.progress.finished, 15);
      EXPECT_GT(report.engine.preemptions, 0) << pages << " pages, " << prefill_tokens << " tokens";
    }
  }
}

// Whoever watches sees every token once, in order, the end token excepted; also of samples that
// were preempted and computed again.
TEST(KvScheduler, TokensAreToldAsTheyAreSampled) {
  int stopped = 0, cut = 0;
  for (const bool ends : {true, false}) {
    const auto requests = long_requests(5, 3, 200, ends);
    EngineOptions options = with_pages(options_of(16), 7);
    if (!ends) options = without_loops(options);
    std::map<std::pair<std::string, int>, std::vector<int32_t>> told;
    rollout::RolloutHooks hooks;
    hooks.token = [&](std::string_view problem_id, int sample, const rollout::TokenSampled& token) {
      told[{std::string(problem_id), sample}].push_back(token.id);
    };
    Report report;
    for (const data::Rollout& t : generate(requests, options, 1, hooks, &report)) {
      std::vector<int32_t> expected = t.completion.token_ids.value();
      const bool stop = t.completion.finish_reason == data::FinishReason::kStop;
      if (stop) expected.pop_back();
      (stop ? stopped : cut)++;
      EXPECT_EQ((told[{t.problem_id, t.sample}]), expected) << t.problem_id;
    }
    if (!ends) {
      EXPECT_GT(report.engine.preemptions, 0);
    }
  }
  EXPECT_GT(stopped, 0);
  EXPECT_GT(cut, 0);
}

TEST(KvScheduler, EarlyStopWithFewPagesKeepsTheSameSamples) {
  const auto requests = long_requests(4, 8, 150, true);
  rollout::RolloutHooks hooks;
  hooks.group_complete = [](std::span<const data::Rollout> samples) {
    return std::count_if(samples.begin(), samples.end(), [](const data::Rollout& rollout) {
             return rollout.completion.token_ids->size() > 100;
           }) == 2;
  };
  const auto expected = generate(requests, options_of(1), 1, hooks);
  int64_t preemptions = 0;
  for (const int64_t pages : {6, 9, 16, 24}) {
    Report report;
    expect_same(expected, generate(requests, with_pages(options_of(64), pages), 1, hooks, &report,
                                   {.samples_ahead = 20}));
    EXPECT_EQ(report.discarded, 32 - static_cast<int64_t>(expected.size()));
    EXPECT_EQ(report.progress.finished, report.progress.total);
    preemptions += report.engine.preemptions;
  }
  EXPECT_GT(preemptions, 0);
}

// Memory for about half of the samples wanted at once: only so many are begun that few are computed
// twice.
TEST(KvScheduler, PreemptionIsTheException) {
  auto requests = requests_of(40, 4);
  for (auto& request : requests) {
    request.prompt_ids.resize(10, 1);
    request.sampling.max_tokens = 400;
  }
  Report report;
  generate(requests, with_pages(options_of(16), 16), 1, {}, &report);
  EXPECT_LT(report.engine.preemptions, report.progress.total / 4);
  EXPECT_GT(report.engine.mean_running, 6);
}

// 64 problems of 8 samples whose lengths have a heavy tail, from 4 to 400 tokens. The slots are
// filled as long as there is work, because the long problems are seen and begun early; in the order
// given the longest would come last.
TEST(KvScheduler, LongTailsDoNotLeaveSlotsEmpty) {
  std::vector<rollout::RolloutRequest> requests = requests_of(64, 8);
  int64_t tokens = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].prompt_ids.resize(6, 1);
    requests[i].stop_ids.clear();
    requests[i].sampling.max_tokens =
        static_cast<int>(4 * std::pow(100.0, static_cast<double>(i) / 63));
    tokens += 8 * requests[i].sampling.max_tokens;
  }
  EngineOptions options = options_of(32);
  options.repetition.min_repeats = 0;
  const auto fill = [&](const Report& report) {
    return static_cast<double>(tokens) /
           static_cast<double>(report.engine.steps * options.max_batch);
  };
  Report report;
  const auto unknown = generate(requests, options, 1, {}, &report);
  EXPECT_GT(fill(report), 0.92);
  // Lengths that are known beforehand.
  for (auto& request : requests) request.expected_tokens = request.sampling.max_tokens;
  expect_same(unknown, generate(requests, options, 1, {}, &report));
  EXPECT_GT(fill(report), 0.95);
}

// A prompt is read once for all its samples, in chunks, while other samples go on.
TEST(KvScheduler, PromptsAreReadOnceInChunksBesideDecoding) {
  auto requests = long_requests(2, 4, 60);
  requests[0].prompt_ids.resize(8, 1);
  requests[1].prompt_ids.resize(200, 2);
  EngineOptions options = without_loops(options_of(8));
  options.prefill_tokens = 5;
  Report both, first, second;
  generate(requests, options, 1, {}, &both);
  EXPECT_EQ(both.progress.prompt_tokens, 208);
  EXPECT_EQ(both.progress.sampled_tokens, 2 * 4 * 60);
  generate({requests[0]}, options, 1, {}, &first);
  generate({requests[1]}, options, 1, {}, &second);
  EXPECT_GT(second.engine.steps, 200 / 5 + 50);
  // While the forty chunks are read the other problem's samples advance.
  EXPECT_LT(both.engine.steps, first.engine.steps + second.engine.steps - 35);
}

// The time left is told as soon as something has finished, and falls to nothing.
TEST(KvScheduler, ProgressTellsWhatIsLeft) {
  auto requests = long_requests(30, 2, 40);
  // Progress comes four times a second: judging is made slow.
  rollout::RolloutHooks hooks;
  hooks.judge = [](data::Rollout&) { std::this_thread::sleep_for(std::chrono::milliseconds(20)); };
  class Seen : public Monitor {
   public:
    void take(const MonitorEvent& event) override {
      fields.push_back(event.fields);
      texts.emplace_back(event.text);
    }
    std::vector<Json> fields;
    std::vector<std::string> texts;
  } seen;
  generate(requests, without_loops(options_of(4)), 1, hooks, nullptr, {.monitor = &seen});
  ASSERT_GE(seen.texts.size(), 3u);
  const Json& middle = seen.fields[seen.fields.size() / 2];
  ASSERT_GT(middle.at("finished"), 0);
  // All completions are equally long, so the estimate is exact.
  EXPECT_EQ(middle.at("expected_tokens_left"), 60 * 40 - middle.at("sampled_tokens").get<int>());
  EXPECT_GT(middle.at("seconds_left"), 0);
  const std::string& middle_text = seen.texts[seen.texts.size() / 2];
  EXPECT_NE(middle_text.find("left"), std::string::npos) << middle_text;
  EXPECT_EQ(seen.fields.back().at("expected_tokens_left"), 0);
  EXPECT_EQ(seen.texts.back().find("left"), std::string::npos);
  rollout::RolloutProgress hours{
      .sampled_tokens = 1000, .expected_tokens_left = 7'200'000, .seconds = 1};
  hours.total = 1;
  EXPECT_EQ(rollout::to_text(hours), "1000 tokens/s, 0 running, about 2.0 h left");
}

// Whatever stands beside it in the batch, a greedy rollout is one and the same.
TEST(KvScheduler, AThousandGreedyRunsAmongOthersGiveOneOutput) {
  auto requests = requests_of(1000, 1, {.temperature = 1.0});
  const std::vector<int32_t> prompt = {5, 17, 9, 40, 8, 21};
  for (int i = 0; i < 1000; ++i) {
    rollout::RolloutRequest request = requests[static_cast<size_t>(i)];
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
  for (const data::Rollout& rollout : generate(requests, options_of(64))) {
    if (rollout.problem_id[0] != 'g') continue;
    if (greedy++ == 0) {
      first = rollout.completion.token_ids.value();
      first_logprobs = rollout.completion.logprobs.value();
    }
    EXPECT_EQ(rollout.completion.token_ids, first);
    EXPECT_EQ(rollout.completion.logprobs, first_logprobs);
  }
  EXPECT_EQ(greedy, 1000);
  EXPECT_GT(first.size(), 10u);
}

}  // namespace
}  // namespace ponder::generate
