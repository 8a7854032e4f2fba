// The thread that a generator lives on: takes jobs from other threads between two steps, runs them all
// together, gives up those that nobody waits for.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "data/completion.h"
#include "generate/scorer.h"
#include "rollout/generator.h"

namespace ponder::serve {

// Some completions that are asked for together. Everything is called on the loop's thread, and
// nothing after the end. What a function throws ends this job alone (on_failure).
class EngineJob {
 public:
  virtual ~EngineJob() = default;

  // Once: one request a completion, whose ids the loop chooses.
  virtual std::vector<rollout::CompletionRequest> requests() = 0;
  // With want_tokens: what came of one in the last step. `fresh` are tokens since the last call.
  virtual void on_tokens(size_t index, const std::string& text, const data::Partial& fresh) = 0;
  virtual void on_completion(size_t index, data::Completion completion) = 0;
  // When all are there: what is to be scored besides, and how many likeliest tokens.
  virtual std::vector<generate::ScoreRow> rows_to_score() = 0;
  virtual int num_likeliest() const = 0;
  // The end, one of both. `scores` are of rows_to_score().
  virtual void on_end(std::vector<generate::Score> scores) = 0;
  virtual void on_failure(const Error& error) = 0;
};

class EngineLoop {
 public:
  using Score = std::function<std::vector<generate::Score>(std::vector<generate::ScoreRow>,
                                                           int num_likeliest)>;

  // Borrows the generator, which from now on belongs to the loop's thread. At most `max_open`
  // completions are open at once before jobs are refused.
  EngineLoop(rollout::Generator& generator, Score score, int64_t max_open);
  ~EngineLoop();  // fails what is open
  EngineLoop(const EngineLoop&) = delete;
  EngineLoop& operator=(const EngineLoop&) = delete;

  // From any thread. False: too much is open; the job is not kept.
  [[nodiscard]] bool submit(std::shared_ptr<EngineJob> job, int64_t num_completions);
  // Gives it up before the next step; it hears nothing more. One that has ended is no error.
  void cancel(const std::shared_ptr<EngineJob>& job);
  void fail_all(const std::string& problem);  // before the next step

  struct Load {
    int64_t open = 0, running = 0;  // completions
    int64_t sampled_tokens = 0, prompt_tokens = 0;
    int64_t cancelled = 0;  // completions that were given up
  };
  Load load() const;

 private:
  struct Open {
    std::shared_ptr<EngineJob> job;
    std::vector<std::string> ids;  // of its requests
    std::vector<int64_t> seen;     // tokens that on_tokens has told of
    size_t left = 0;
    int64_t counted = 0;  // in Load::open
  };

  void work();
  bool take_orders();  // false: the loop is to end
  void start(const std::shared_ptr<EngineJob>& job, int64_t num_completions);
  void step();
  void take(uint64_t number, size_t index, data::Completion completion);
  void update_load();
  void give_up(uint64_t number);
  void end(uint64_t number);
  void fail(uint64_t number, const Error& error);
  void forget(uint64_t number);

  rollout::Generator& generator_;
  Score score_;
  const int64_t max_open_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<std::shared_ptr<EngineJob>, int64_t>> new_jobs_;
  std::vector<std::shared_ptr<EngineJob>> cancelled_;
  std::string failure_;  // fail_all's
  bool ending_ = false;
  Load load_;

  // The loop's thread's.
  uint64_t next_number_ = 0;
  std::map<uint64_t, Open> open_;
  std::map<EngineJob*, uint64_t> number_of_;
  std::map<std::string, std::pair<uint64_t, size_t>, std::less<>> place_of_;  // by request id

  std::thread thread_;
};

}  // namespace ponder::serve
