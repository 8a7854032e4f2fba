#include "rollout/groups.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>

#include "rollout/run_rollouts.h"
#include "rollout/scripted_generator_fixture.h"
#include "testing/error_text.h"

namespace ponder::rollout {
namespace {

std::vector<RolloutRequest> requests_of(int problems, int samples) {
  std::vector<RolloutRequest> requests(static_cast<size_t>(problems));
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].problem_id = "p" + std::to_string(i);
    requests[i].prompt_ids = {1, 2, 3};
    requests[i].num_samples = samples;
    requests[i].seed = 5;
    // Opened in another order than they are given in.
    requests[i].expected_tokens = static_cast<int64_t>(i * 7 % 5);
  }
  return requests;
}

using Key = std::pair<std::string, int>;

// Complete with the second sample of more than twenty tokens.
bool two_long(std::span<const data::Rollout> samples) {
  return std::count_if(samples.begin(), samples.end(),
                       [](const data::Rollout& t) { return t.completion.num_tokens() > 20; }) == 2;
}

// What is to be kept, in the order of requests and samples, whatever the generator does.
std::vector<Key> expected_of(const std::vector<RolloutRequest>& requests, bool rule) {
  std::vector<Key> expected;
  for (const RolloutRequest& request : requests) {
    std::vector<data::Rollout> samples;
    for (int i = 0; i < request.num_samples; ++i) {
      samples.push_back(
          rollout_of(request, i, scripted_answer({request.seed, request.problem_id, i})));
      expected.emplace_back(request.problem_id, i);
      if (rule && two_long(samples)) break;
    }
  }
  return expected;
}

struct Kept {
  std::vector<Key> keys;  // as they were handed over
  std::vector<data::Rollout> rollouts;
  std::map<Key, int> judged;
  RolloutReport report;
};

RolloutHooks hooks_into(Kept& kept, bool rule) {
  RolloutHooks hooks;
  hooks.judge = [&](data::Rollout& t) {
    ++kept.judged[{t.problem_id, t.sample}];
    t.verdict = judge::Verdict::kCorrect;
  };
  if (rule) hooks.group_complete = two_long;
  hooks.on_completion = [&](const data::Rollout& t) {
    EXPECT_EQ(t.completion.text, t.problem_id + " " + std::to_string(t.sample));
    EXPECT_TRUE(t.verdict.has_value());
    kept.keys.emplace_back(t.problem_id, t.sample);
    kept.rollouts.push_back(t);
  };
  return hooks;
}

Kept roll_out(Generator& generator, const std::vector<RolloutRequest>& requests, bool rule,
              bool in_order, int samples_ahead = 4) {
  Kept kept;
  kept.report = run_rollouts(generator, requests, hooks_into(kept, rule),
                             {.samples_ahead = samples_ahead, .in_order = in_order});
  return kept;
}

// Any order, answers that come twice or after they were cancelled, failures in between.
TEST(RolloutGroups, WhatIsKeptDoesNotDependOnTheGenerator) {
  const auto requests = requests_of(7, 9);
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const bool rule = seed % 2 == 0, in_order = seed % 3 == 0;
    Script script{.seed = seed, .room = static_cast<int64_t>(1 + seed % 13)};
    if (seed % 5 > 0) script.repeated = 0.4;
    if (seed % 7 > 2) script.busy = 0.3;
    if (seed % 7 > 4) script.transient = 0.1;
    ScriptedGenerator generator(script);
    Kept kept = roll_out(generator, requests, rule, in_order, static_cast<int>(1 + seed % 6));
    const auto expected = expected_of(requests, rule);
    EXPECT_EQ(kept.report.discarded, 63 - static_cast<int64_t>(expected.size()));
    EXPECT_EQ(kept.report.progress.finished, static_cast<int64_t>(expected.size()));
    EXPECT_EQ(kept.report.progress.total, kept.report.progress.finished);
    for (const auto& [key, times] : kept.judged) EXPECT_EQ(times, 1) << key.first;
    if (rule) {  // in the order of a problem's samples, always
      std::map<std::string, int> next;
      for (const auto& [problem, sample] : kept.keys) EXPECT_EQ(sample, next[problem]++);
    }
    if (!in_order) std::sort(kept.keys.begin(), kept.keys.end());
    ASSERT_EQ(kept.keys, expected) << "seed " << seed;
    EXPECT_TRUE(generator.open.empty());
  }
}

// A run that was stopped after any number of samples goes on from what it handed over.
TEST(RolloutGroups, GoOnFromWhatIsDone) {
  for (const bool rule : {true, false}) {
    const auto requests = requests_of(4, 8);
    const auto expected = expected_of(requests, rule);
    ScriptedGenerator whole({});
    const Kept kept = roll_out(whole, requests, rule, false);
    for (size_t cut = 0; cut <= kept.rollouts.size(); ++cut) {
      auto rest = requests;
      std::vector<Key> merged(kept.keys.begin(),
                              kept.keys.begin() + static_cast<std::ptrdiff_t>(cut));
      for (size_t i = 0; i < cut; ++i) {
        const data::Rollout& done = kept.rollouts[i];
        rest[static_cast<size_t>(done.problem_id[1] - '0')].done.push_back(done);
      }
      ScriptedGenerator generator({.seed = cut, .repeated = 0.3});
      for (const Key& key : roll_out(generator, rest, rule, cut % 2 == 0).keys) {
        merged.push_back(key);
      }
      std::sort(merged.begin(), merged.end());
      EXPECT_EQ(merged, expected) << cut;
      for (size_t i = 0; i < cut; ++i) {
        const auto& [problem, sample] = kept.keys[i];
        EXPECT_FALSE(generator.submitted.contains(problem + "#" + std::to_string(sample)));
      }
    }
  }
}

// Stopped after any number of polls, a run goes on with the very tokens it had: those of samples that
// were being made, and of samples that were answered behind a gap. No token is made twice.
TEST(RolloutGroups, GoOnFromWhatHasBegun) {
  int64_t held = 0, begun_in_all = 0;
  for (int64_t polls = 0; polls < 120; ++polls) {
    const bool rule = polls % 2 == 0;
    const auto requests = requests_of(4, 8);
    ScriptedGenerator first({.seed = static_cast<uint64_t>(polls)});
    std::atomic<bool> stop{false};
    Kept kept;
    std::map<Key, data::Partial> begun;
    RolloutHooks hooks = hooks_into(kept, rule);
    hooks.save = [&](std::span<const NewTokens> parts) {
      for (const NewTokens& part : parts) {
        data::Partial& partial = begun[{part.problem_id, part.sample}];
        EXPECT_EQ(part.first, partial.size());
        EXPECT_FALSE(part.tokens.empty());
        partial.append(part.tokens);
      }
      stop = first.polls >= polls;
    };
    run_rollouts(first, requests, hooks, {.save_every = std::chrono::milliseconds(0)}, &stop);
    auto rest = requests;
    for (RolloutRequest& request : rest) {
      for (const data::Rollout& done : kept.rollouts)
        if (done.problem_id == request.problem_id) request.done.push_back(done);
      for (const auto& [key, partial] : begun)
        if (key.first == request.problem_id) request.begun[key.second] = partial;
    }
    ScriptedGenerator second({.seed = static_cast<uint64_t>(1000 + polls)});
    run_rollouts(second, rest, hooks_into(kept, rule));
    EXPECT_EQ(second.begun_otherwise, 0);
    std::sort(kept.keys.begin(), kept.keys.end());
    ASSERT_EQ(kept.keys, expected_of(requests, rule)) << polls;
    for (const data::Rollout& t : kept.rollouts) {
      const std::string id = t.problem_id + "#" + std::to_string(t.sample);
      EXPECT_EQ(first.made[id] + second.made[id], t.completion.num_tokens()) << id;
      held += second.submitted.contains(id) && second.made[id] == 0;
    }
    begun_in_all += static_cast<int64_t>(begun.size());
  }
  EXPECT_GT(held, 20);
  EXPECT_GT(begun_in_all, 500);
}

// Has five tokens of its one request, then takes three back, or all with the request.
class TakesBack final : public Generator {
 public:
  explicit TakesBack(bool fails) : fails_(fails) {}
  void announce(const CompletionRequest&, int64_t) override {}
  void submit(CompletionRequest request) override { id_ = request.id; }
  void cancel(std::string_view) override {}
  std::vector<GeneratorEvent> poll(std::chrono::milliseconds) override {
    switch (++polls_) {
      case 1:
        ids_ = {1, 2, 3, 4, 5};
        return {};
      case 2:
        if (fails_) {
          ids_.clear();
          return {{id_, TokensDropped{0}},
                  {id_, Failure{Failure::Kind::kPermanent, "refused", {}}}};
        }
        ids_ = {1, 2};
        return {{id_, TokensDropped{2}}};
      case 3:
        ids_ = {1, 2, 30};
        return {};
      default:
        data::Completion completion;
        completion.token_ids = {1, 2, 30};
        return {{id_, std::move(completion)}};
    }
  }
  data::Partial sampled(std::string_view, int64_t first) const override {
    return data::partial_of(ids_, {}, first);
  }
  int64_t room() const override { return 1; }
  GeneratorLoad load() const override { return {}; }

 private:
  const bool fails_;
  int polls_ = 0;
  std::string id_;
  std::vector<int32_t> ids_;
};

TEST(RolloutGroups, WhatIsTakenBackIsNotGoneOnWith) {
  for (const bool fails : {false, true}) {
    std::vector<std::pair<int64_t, std::vector<int32_t>>> saved;
    bool any_handed_over = false;
    RolloutHooks hooks;
    hooks.save = [&](std::span<const NewTokens> parts) {
      for (const NewTokens& part : parts) saved.emplace_back(part.first, part.tokens.token_ids);
    };
    hooks.on_completion = [&](const data::Rollout&) { any_handed_over = true; };
    TakesBack generator(fails);
    const auto requests = requests_of(1, 1);
    const auto roll = [&] {
      run_rollouts(generator, requests, hooks, {.save_every = std::chrono::milliseconds(0)});
    };
    if (fails) {
      EXPECT_THROW(roll(), Error);
    } else {
      roll();
    }
    using Saved = decltype(saved);
    EXPECT_EQ(saved, fails ? (Saved{{0, {1, 2, 3, 4, 5}}, {0, {}}})
                           : (Saved{{0, {1, 2, 3, 4, 5}}, {2, {}}, {2, {30}}}));
    EXPECT_EQ(any_handed_over, !fails);
  }
}

TEST(RolloutGroups, ProblemsAreOpenedAsRoomIsAndSamplesRunAheadSoFar) {
  const auto requests = requests_of(20, 6);
  ScriptedGenerator one_by_one({.room = 1});
  roll_out(one_by_one, requests, true, false, 2);
  EXPECT_EQ(one_by_one.max_open_of_a_name, 2);
  EXPECT_LE(one_by_one.max_open, 2);
  ScriptedGenerator wide({.room = 10});
  roll_out(wide, requests, true, false, 3);
  EXPECT_EQ(wide.max_open_of_a_name, 3);
  EXPECT_GE(wide.max_open, 10);
  // Without a rule all samples of an open problem are asked for.
  ScriptedGenerator all({.room = 1});
  roll_out(all, requests, false, false);
  EXPECT_EQ(all.max_open, 6);
  for (const auto* generator : {&one_by_one, &wide, &all}) {
    EXPECT_EQ(generator->opened_without_room, 0);
  }
}

TEST(RolloutGroups, TheLongestProblemsAreOpenedFirst) {
  const auto requests = requests_of(5, 1);
  RolloutGroups groups(requests, {});
  std::vector<std::string> opened;
  while (auto request = groups.next(true, {})) opened.push_back(request->seed_key.name);
  EXPECT_EQ(opened, (std::vector<std::string>{"p2", "p4", "p1", "p3", "p0"}));
}

// Told to stop after so many polls.
struct StoppedGenerator : ScriptedGenerator {
  StoppedGenerator(Script script, std::atomic<bool>& flag)
      : ScriptedGenerator(std::move(script)), stop(flag) {}
  std::vector<GeneratorEvent> poll(std::chrono::milliseconds timeout) override {
    stop = polls > 500;
    return ScriptedGenerator::poll(timeout);
  }
  std::atomic<bool>& stop;
};

// A sample that never comes holds its own problem back, and no other.
TEST(RolloutGroups, ASampleThatNeverComesHoldsItsProblemBack) {
  const auto requests = requests_of(3, 4);
  for (const bool rule : {true, false}) {
    std::atomic<bool> stop{false};
    StoppedGenerator generator({.never = {"p1#1"}}, stop);
    Kept kept;
    RolloutHooks hooks = hooks_into(kept, false);
    if (rule) {
      hooks.group_complete = [](std::span<const data::Rollout>) { return false; };
    }
    kept.report = run_rollouts(generator, requests, hooks, {}, &stop);
    EXPECT_TRUE(kept.report.interrupted);
    std::vector<Key> wanted;
    for (const Key& key : expected_of(requests, false)) {
      if (key.first != "p1" || key.second < 1 || (!rule && key.second > 1)) wanted.push_back(key);
    }
    std::sort(kept.keys.begin(), kept.keys.end());
    EXPECT_EQ(kept.keys, wanted);
    EXPECT_TRUE(generator.open.empty()) << "what was open is cancelled";
    EXPECT_TRUE(generator.cancelled.contains("p1#1"));
  }
}

// Nothing behind a sample that failed can be kept by the rule; all else is, and then it is said.
TEST(RolloutGroups, APermanentFailureIsSaidWhenAllElseHasCome) {
  const auto requests = requests_of(3, 6);
  for (const bool rule : {true, false}) {
    ScriptedGenerator generator({.repeated = 0.3, .refused = {"p1#2"}});
    Kept kept;
    RolloutHooks hooks = hooks_into(kept, false);
    if (rule) {
      hooks.group_complete = [&](std::span<const data::Rollout>) { return false; };
    }
    const std::string message = testing::error_text(
        [&] { kept.report = run_rollouts(generator, requests, hooks, {.in_order = true}); });
    EXPECT_NE(message.find("p1, sample 2"), std::string::npos) << message;
    EXPECT_NE(message.find("refused"), std::string::npos) << message;
    std::vector<Key> wanted;
    for (const Key& key : expected_of(requests, false)) {
      if (key.first != "p1" || key.second < 2 || (!rule && key.second > 2)) wanted.push_back(key);
    }
    EXPECT_EQ(kept.keys, wanted);
    EXPECT_EQ(generator.submitted.at("p1#2"), 1);
  }
}

TEST(RolloutGroups, ATransientFailureIsTriedSoManyTimes) {
  const auto requests = requests_of(1, 1);
  const RolloutGroups::Time start{};
  using std::chrono::milliseconds;
  GroupRules rules;
  rules.max_attempts = 3;
  RolloutGroups groups(requests, rules);
  const auto fail = [&](Failure::Kind kind, RolloutGroups::Time now) {
    groups.failed("p0#0", Failure{kind, "late", milliseconds(100)}, now);
  };
  ASSERT_TRUE(groups.next(true, start));
  EXPECT_FALSE(groups.next(true, start));
  for (int i = 0; i < 20; ++i) {  // costs no attempt
    fail(Failure::Kind::kBusy, start);
    EXPECT_FALSE(groups.next(true, start + milliseconds(99)));
    EXPECT_FALSE(groups.finished());
    ASSERT_TRUE(groups.next(true, start + milliseconds(100)));
  }
  for (int attempt = 1; attempt < 3; ++attempt) {
    fail(Failure::Kind::kTransient, start);
    ASSERT_TRUE(groups.next(true, start + milliseconds(100)));
  }
  fail(Failure::Kind::kTransient, start);
  EXPECT_FALSE(groups.next(true, start + milliseconds(1000)));
  EXPECT_TRUE(groups.finished());
  ASSERT_EQ(groups.failures().size(), 1u);
  EXPECT_EQ(groups.failures()[0].problem_id, "p0");
}

// The answer of an attempt that was given up for lost is as good as any.
TEST(RolloutGroups, AnAnswerThatComesAfterItsFailureIsTaken) {
  const auto requests = requests_of(1, 1);
  RolloutGroups groups(requests, {});
  const CompletionRequest request = *groups.next(true, {});
  groups.failed(request.id, Failure{Failure::Kind::kTransient, "silent", {}}, {});
  groups.answered(request.id, scripted_answer(request.seed_key));
  EXPECT_TRUE(groups.finished());
  EXPECT_FALSE(groups.next(true, {})) << "it need not be asked for again";
  groups.answered(request.id, scripted_answer(request.seed_key));
  EXPECT_EQ(groups.take_kept().size(), 1u);
  EXPECT_TRUE(groups.take_kept().empty());
}

TEST(RolloutGroups, AreSavedInTimeAndWhenStopped) {
  for (const int every : {0, 3'600'000}) {
    ScriptedGenerator generator({});
    std::atomic<bool> stop{false};
    int saves = 0;
    RolloutHooks hooks;
    hooks.save = [&](std::span<const NewTokens>) { ++saves; };
    hooks.on_completion = [&](const data::Rollout&) { stop = true; };
    const std::chrono::milliseconds save_every(every);
    run_rollouts(generator, requests_of(4, 8), hooks, {.save_every = save_every}, &stop);
    EXPECT_EQ(saves, every == 0 ? generator.polls + 1 : 1);
  }
}

TEST(RolloutGroups, TokensAreToldOfSamplesThatAreAskedFor) {
  const auto requests = requests_of(3, 8);
  ScriptedGenerator generator({.repeated = 0.5});
  Kept kept;
  RolloutHooks hooks = hooks_into(kept, true);
  std::map<Key, int> told;
  hooks.token = [&](std::string_view problem_id, int sample, const TokenSampled& token) {
    EXPECT_EQ(token.text, "t");
    ++told[{std::string(problem_id), sample}];
  };
  run_rollouts(generator, requests, hooks);
  for (const Key& key : kept.keys) EXPECT_EQ(told[key], 1);
}

// A closed set is refused before anything of it is asked for.
TEST(RolloutGroups, WhatCannotBeServedIsRefusedFirst) {
  auto requests = requests_of(3, 4);
  requests[0].done.push_back(
      rollout_of(requests[0], 2, scripted_answer({requests[0].seed, "p0", 2})));
  ScriptedGenerator generator({});
  run_rollouts(generator, requests, {});
  EXPECT_EQ(generator.announced, (std::map<std::string, int64_t>{
                                     {"problem p0", 3}, {"problem p1", 4}, {"problem p2", 4}}));
  requests[2].prompt_ids.clear();
  ScriptedGenerator strict({});
  EXPECT_NE(testing::error_text([&] { run_rollouts(strict, requests, {}); }).find("problem p2"),
            std::string::npos);
  EXPECT_TRUE(strict.submitted.empty());
  const auto refused = [&](const std::string& words) {
    const std::string message = testing::error_text([&] { RolloutGroups(requests, {}); });
    EXPECT_NE(message.find(words), std::string::npos) << message;
  };
  requests[1].problem_id = "p0";
  refused("twice");
  requests[1].num_samples = 0;
  requests[1].problem_id = "p1";
  refused("at least 1");
}

TEST(RolloutRequest, BecomesARequestAndARollout) {
  RolloutRequest request = requests_of(1, 3)[0];
  request.stop_ids = {9};
  request.stop_strings = {"\n\n"};
  request.response_prefix = "<think>\n";
  request.template_sha256 = "template";
  request.sampling.top_k = 12;
  const CompletionRequest asked = completion_request(request, 2);
  EXPECT_EQ(asked.id, "p0#2");
  EXPECT_EQ(asked.prompt_ids, request.prompt_ids);
  EXPECT_EQ(asked.seed_key.seed, 5u);
  EXPECT_EQ(asked.seed_key.name, "p0");
  EXPECT_EQ(asked.seed_key.index, 2);
  EXPECT_EQ(asked.stop_ids, request.stop_ids);
  EXPECT_EQ(asked.stop_strings, request.stop_strings);
  EXPECT_EQ(asked.sampling.top_k, 12);
  EXPECT_TRUE(asked.want_logprobs);

  data::Completion completion;
  completion.text = "a thought\n</think>\n\nthe end";
  completion.token_ids = {4, 5, 9};
  completion.logprobs = {-0.5f, -0.25f, -1.0f};
  completion.finish_reason = data::FinishReason::kLength;
  completion.model_sha256 = "model";
  const data::Rollout t = rollout_of(request, 2, completion);
  EXPECT_EQ(t.completion.text, "<think>\na thought\n</think>\n\nthe end");
  EXPECT_EQ(t.thought, "a thought");
  EXPECT_EQ(t.solution, "the end");
  EXPECT_EQ(t.completion.logprob(), -1.75);
  EXPECT_EQ(t.completion.finish_reason, data::FinishReason::kLength);
  EXPECT_EQ(t.completion.model_sha256, "model");
  EXPECT_EQ(t.template_sha256, "template");
  EXPECT_EQ(t.sample, 2);
  EXPECT_EQ(t.seed, 5u);
  // A server's answer: text alone.
  completion.token_ids.reset();
  completion.logprobs.reset();
  const data::Rollout bare = rollout_of(request, 2, completion);
  EXPECT_FALSE(bare.completion.token_ids || bare.completion.logprobs);
  EXPECT_EQ(bare.solution, "the end");
}

}  // namespace
}  // namespace ponder::rollout
