// The engine as a generator: requests that come and go at any time.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "generate/test_support.h"
#include "model/kv_cache.h"
#include "testing/error_text.h"
#include "testing/folders.h"

namespace ponder::generate {
namespace {

std::map<std::string, data::Completion> completions_of(
    const std::vector<rollout::GeneratorEvent>& events) {
  std::map<std::string, data::Completion> completions;
  for (const rollout::GeneratorEvent& event : events) {
    if (const auto* completion = std::get_if<data::Completion>(&event.what)) {
      EXPECT_TRUE(completions.emplace(event.request_id, *completion).second);
    }
  }
  return completions;
}

std::map<std::string, data::Completion> run_to_the_end(Engine& engine) {
  std::vector<rollout::GeneratorEvent> all;
  while (!engine.load().unfinished.empty()) {
    for (rollout::GeneratorEvent& event : engine.poll({})) all.push_back(std::move(event));
  }
  return completions_of(all);
}

EngineOptions with_pages(int max_batch, int64_t pages) {
  EngineOptions options = options_of(max_batch);
  options.kv_cache_bytes = pages * page_bytes();
  return options;
}

// Submitted one by one while others run, some cancelled while they wait, run or are preempted:
// those that come to their end are what they are alone.
TEST(Live, RequestsComeAndGoWithoutChangingTheOthers) {
  const auto requests = requests_of(30, 2);
  std::map<std::string, data::Rollout> alone;
  for (const data::Rollout& t : generate(requests, options_of(1))) {
    alone[t.problem_id + "#" + std::to_string(t.sample)] = t;
  }
  TinyModel model;
  int64_t preemptions = 0, cancelled = 0;
  for (const int64_t pages : {8, 14, 1000}) {
    RandomSequence random(8, static_cast<uint64_t>(pages));
    Engine engine(model.decoder, nullptr, model.pool, with_pages(12, pages));
    std::vector<rollout::CompletionRequest> waiting;
    for (const rollout::RolloutRequest& request : requests) {
      for (int sample = 0; sample < 2; ++sample) {
        waiting.push_back(rollout::completion_request(request, sample));
      }
    }
    random.shuffle(waiting);
    std::vector<std::string> open;
    std::map<std::string, data::Completion> completions;
    while (!waiting.empty() || !engine.load().unfinished.empty()) {
      for (auto n = random.below(3); n > 0 && !waiting.empty(); --n) {
        open.push_back(waiting.back().id);
        engine.submit(std::move(waiting.back()));
        waiting.pop_back();
      }
      if (!open.empty() && random.below(40) == 0) {
        const auto place = static_cast<std::ptrdiff_t>(random.below(open.size()));
        const std::string id = open[static_cast<size_t>(place)];
        open.erase(open.begin() + place);
        if (completions.contains(id)) continue;
        engine.cancel(id);
        engine.cancel(id);  // no error
        ++cancelled;
        alone.erase(id);
      }
      for (auto& [id, completion] : completions_of(engine.poll({}))) {
        EXPECT_NE(std::find(open.begin(), open.end(), id), open.end()) << "not asked for: " << id;
        EXPECT_TRUE(completions.emplace(id, std::move(completion)).second);
      }
    }
    for (const auto& [id, t] : alone) {
      ASSERT_TRUE(completions.contains(id)) << id;
      EXPECT_EQ(completions.at(id).token_ids, t.completion.token_ids) << id;
      EXPECT_EQ(completions.at(id).logprobs, t.completion.logprobs) << id;
    }
    preemptions += engine.report().preemptions;
    EXPECT_GT(engine.room(), 0);
  }
  EXPECT_GT(preemptions, 0);
  EXPECT_GT(cancelled, 3);
  EXPECT_GT(alone.size(), 20u);
}

// The cache is taken for what has come; a longer request waits until it can be taken anew.
TEST(Live, ACacheThatIsTooSmallIsTakenAnew) {
  auto requests = requests_of(2, 1);
  requests[0].prompt_ids.resize(5, 1);
  requests[1].prompt_ids.resize(5, 2);
  requests[0].sampling.max_tokens = 20;
  requests[1].sampling.max_tokens = 400;
  for (auto& request : requests) request.stop_ids = {};
  EngineOptions options = options_of(4);
  options.repetition.min_repeats = 0;
  const auto alone = generate(requests, options);
  TinyModel model;
  Engine engine(model.decoder, nullptr, model.pool, options);
  engine.submit(rollout::completion_request(requests[0], 0));
  engine.poll({});
  engine.poll({});
  engine.submit(rollout::completion_request(requests[1], 0));
  engine.poll({});
  const auto completions = run_to_the_end(engine);
  EXPECT_EQ(completions.at("p0#0").token_ids, alone[0].completion.token_ids);
  EXPECT_EQ(completions.at("p1#0").token_ids, alone[1].completion.token_ids);
}

// Also where its samples are asked for one after the other, and by another problem.
TEST(Live, APromptThatReturnsIsReadOnce) {
  auto requests = requests_of(2, 5);
  requests[0].prompt_ids.resize(100, 1);
  requests[1].prompt_ids = requests[0].prompt_ids;
  rollout::RolloutHooks hooks;
  hooks.group_complete = [](std::span<const data::Rollout>) { return false; };
  Report report;
  generate({requests[0]}, options_of(8), 1, hooks, &report, {.samples_ahead = 1});
  EXPECT_EQ(report.progress.finished, 5);
  EXPECT_EQ(report.progress.prompt_tokens, 100);
  generate(requests, options_of(8), 1, {}, &report);
  EXPECT_EQ(report.progress.finished, 10);
  EXPECT_EQ(report.progress.prompt_tokens, 100);
}

TEST(Live, LogprobsWhereTheyAreWanted) {
  TinyModel model;
  Engine engine(model.decoder, nullptr, model.pool, options_of(2));
  rollout::CompletionRequest request = rollout::completion_request(requests_of(1, 1)[0], 0);
  for (const bool wanted : {true, false}) {
    request.want_logprobs = wanted;
    engine.submit(request);
    EXPECT_NE(testing::error_text([&] { engine.submit(request); }).find("open request"),
              std::string::npos);
    const data::Completion completion = run_to_the_end(engine).at(request.id);
    EXPECT_EQ(completion.logprobs.has_value(), wanted);
    EXPECT_EQ(completion.logprob_source,
              wanted ? data::LogprobSource::kEngine : data::LogprobSource::kNone);
    EXPECT_EQ(completion.usage.prompt_tokens, static_cast<int64_t>(request.prompt_ids.size()));
    EXPECT_EQ(completion.usage.completion_tokens,
              static_cast<int64_t>(completion.token_ids->size()));
  }
}

// Each request has its own: what it said without it, up to there.
TEST(Live, StopStringsOfEachRequest) {
  const tokenizer::Tokenizer tokenizer =
      tokenizer::Tokenizer::load(testing::source_dir() / "models" / "nano-base");
  model::ModelConfig config = tiny_config();
  config.vocab_size = tokenizer.vocab_size();
  ThreadPool pool(1);
  model::Parameters parameters(config, "weights");
  model::initialise(parameters, config, 7);
  model::Decoder decoder(config, pool);
  decoder.pack_parameters(parameters);
  Engine engine(decoder, &tokenizer, pool, options_of(4));
  rollout::CompletionRequest request = rollout::completion_request(requests_of(1, 1)[0], 0);
  request.stop_ids = {};
  engine.submit(request);
  const data::Completion free = run_to_the_end(engine).at(request.id);
  ASSERT_GT(free.text.size(), 40u);
  const std::string stop = free.text.substr(20, 5);
  ASSERT_EQ(stop.find("\uFFFD"), std::string::npos) << "choose another place";
  engine.submit(request);
  rollout::CompletionRequest stopped = request;
  stopped.id = "stopped";
  stopped.stop_strings = {"never said", stop};
  engine.submit(stopped);
  const auto completions = run_to_the_end(engine);
  EXPECT_EQ(completions.at(request.id).text, free.text);
  const data::Completion& cut = completions.at("stopped");
  EXPECT_EQ(cut.finish_reason, data::FinishReason::kStop);
  EXPECT_EQ(cut.text, free.text.substr(0, free.text.find(stop)));
  ASSERT_LT(cut.token_ids->size(), free.token_ids->size());
  EXPECT_EQ(cut.logprobs->size(), cut.token_ids->size());
  EXPECT_TRUE(std::equal(cut.token_ids->begin(), cut.token_ids->end(), free.token_ids->begin()));
}

}  // namespace
}  // namespace ponder::generate
