#include "serve/engine_loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

#include "serve/test_support.h"

namespace ponder::serve {
namespace {

// Answers every request at the next poll.
class Answering : public rollout::Generator {
 public:
  void announce(const rollout::CompletionRequest&, int64_t) override {}
  void submit(rollout::CompletionRequest request) override {
    events_.push_back({request.id, rollout::TokenSampled{1, "a"}});
    events_.push_back({request.id, data::Completion{}});
  }
  void cancel(std::string_view) override {}
  std::vector<rollout::GeneratorEvent> poll(std::chrono::milliseconds) override {
    return std::exchange(events_, {});
  }
  data::Partial sampled(std::string_view, int64_t) const override { return {}; }
  int64_t room() const override { return 1; }
  rollout::GeneratorLoad load() const override { return {}; }

 private:
  std::vector<rollout::GeneratorEvent> events_;
};

enum class Throws { kNothing, kAtRequests, kAtCompletion, kAtScores, kAtEnd };

class Job : public EngineJob {
 public:
  explicit Job(Throws where) : where_(where) {}
  std::vector<rollout::CompletionRequest> requests() override {
    throw_at(Throws::kAtRequests);
    return std::vector<rollout::CompletionRequest>(2);
  }
  void on_tokens(size_t, const std::string&, const data::Partial&) override {}
  void on_completion(size_t, data::Completion) override { throw_at(Throws::kAtCompletion); }
  std::vector<generate::ScoreRow> rows_to_score() override {
    throw_at(Throws::kAtScores);
    return {};
  }
  int num_likeliest() const override { return 0; }
  void on_end(std::vector<generate::Score>) override {
    throw_at(Throws::kAtEnd);
    ended = true;
  }
  void on_failure(const Error& error) override {
    kind = error.kind();
    failed = true;
  }
  std::atomic<bool> ended = false, failed = false;
  ErrorKind kind = ErrorKind::kInput;

 private:
  void throw_at(Throws where) const {
    if (where == where_) throw std::length_error("no Error of ours");
  }
  const Throws where_;
};

TEST(EngineLoop, WhatAJobThrowsEndsThatJobAlone) {
  Answering generator;
  EngineLoop loop(generator, {}, 100);
  for (const Throws where : {Throws::kAtRequests, Throws::kAtCompletion, Throws::kAtScores}) {
    const auto job = std::make_shared<Job>(where);
    ASSERT_TRUE(loop.submit(job, 2));
    EXPECT_TRUE(soon([&] { return job->failed.load(); })) << static_cast<int>(where);
    EXPECT_EQ(job->kind, ErrorKind::kInternal);
  }
  const auto at_end = std::make_shared<Job>(Throws::kAtEnd);
  ASSERT_TRUE(loop.submit(at_end, 2));
  const auto good = std::make_shared<Job>(Throws::kNothing);
  ASSERT_TRUE(loop.submit(good, 2));
  EXPECT_TRUE(soon([&] { return good->ended.load(); }));
  EXPECT_TRUE(soon([&] { return loop.load().open == 0; }));
}

}  // namespace
}  // namespace ponder::serve
