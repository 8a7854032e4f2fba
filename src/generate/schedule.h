// Which rollout runs when: the engine's queue of problems, the pages of its cache, and what becomes
// of finished samples. It owns the cache and the running samples. Nothing in here changes a
// rollout, only when it is made.
//
// States of a sample: waiting -> running -> finished -> delivered, or discarded; and running <->
// set aside, when the pages run out: its pages are given back and its tokens are kept. Once there
// is room it goes on by feeding them again, which by the definition of the arithmetic restores the
// same keys and values.
//
// Pages. Samples are begun as long as those that run are expected to find their pages, by the mean
// length so far. Where that was too bold, prompts nobody uses are dropped first (and prefilled
// again later), then the samples begun last are set aside. The one begun first can take everything,
// and every request was checked to fit into the budget alone: something always goes on.
//
// Order. Every problem opened begins one sample first; then the problem with the longest sample so
// far comes first, so that no long one is left for the end. `expected_tokens` of a request stands
// in for what is not known yet.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "generate/engine.h"
#include "model/kv_cache.h"

namespace ponder {

class RolloutSchedule {
 public:
  struct Problem {
    const RolloutRequest* request = nullptr;
    uint64_t hash = 0;          // stable_hash64 of its id
    std::string prompt_sha256;  // of the prompt ids, 4 little-endian bytes each
    KvSequence prompt;          // grows while it is prefilled; its pages are shared by the samples
    std::vector<float> logits;  // of the prompt's last token, once prefilled
    int end = 0;                // samples from here on are not wanted (any more)

   private:
    friend class RolloutSchedule;
    std::vector<int> todo;  // samples to make, ascending; [next, size) have not been begun
    size_t next = 0;
    int begun = 0;                           // running or set aside
    int running = 0;                         // of them
    int64_t longest = 0;                     // tokens of the longest sample so far, or as expected
    int settled = 0;                         // samples [0, settled) have been shown to `enough`
    std::vector<Trajectory> prefix;          // those
    std::map<int, Trajectory> out_of_order;  // finished behind a gap
  };

  struct Sample {
    Problem* problem = nullptr;
    KvSequence sequence;    // of prompt and completion, as far as they have been fed
    Trajectory trajectory;  // the completion so far
    bool ended = false;     // finished or discarded: to be taken out by remove_ended

    // Prompt and completion tokens that the model has not been fed yet: one, or many after the
    // sample was set aside.
    int64_t num_pending() const;
    // Appends the first `count` of them.
    void append_pending(int64_t count, std::vector<int32_t>& tokens) const;
  };

  // Checks every request (see Engine::run) and takes the cache. Borrows its arguments.
  RolloutSchedule(std::span<const RolloutRequest> requests, const EngineOptions& options,
                  const EngineHooks& hooks, const ModelConfig& config);

  KvCache& cache() { return cache_; }
  bool finished() const { return next_problem_ == order_.size() && open_.empty(); }

  // In the order in which they were begun.
  std::vector<Sample>& running() { return running_; }

  // Opens problems as far as free slots ask for; they are then to be prefilled.
  void open_problems();

  // Lets the next sample run, one set aside before a new one: appends it to running(), with an
  // empty completion if it is new. False when no slot is free or nothing can begin now.
  bool start_next();

  // Room for the next `count` tokens of running()[index], whatever has to give way. False when that
  // was the sample itself: it and all behind it have left running().
  bool extend(size_t index, int64_t count);

  // The next prompt to prefill a part of, at most `count` tokens, with room made for them; or none.
  // `tokens` is their number. Call until it returns null; a prompt is given once between two calls
  // of begin_prefill.
  void begin_prefill() { next_prefill_ = 0; }
  Problem* extend_prompt(int64_t count, int64_t& tokens);

  // A running sample has finished: gives its pages back, then judges, settles and delivers it as
  // the hooks say. Samples of the problem that are not wanted any more have then ended too.
  void finish(Sample& sample);
  void remove_ended();

  int64_t num_finished() const { return num_finished_; }
  int64_t num_total() const { return num_total_ - num_discarded_; }
  int64_t num_discarded() const { return num_discarded_; }
  int64_t num_set_aside() const { return num_set_aside_; }  // times a sample was
  // EngineProgress::expected_tokens_left. Looks at every problem: not for every step.
  int64_t expected_tokens_left() const;

 private:
  bool can_start(const Problem& problem) const;
  bool prefilled(const Problem& problem) const { return !problem.logits.empty(); }
  int64_t startable(const Problem& problem) const;
  int64_t pages_expected() const;
  Problem* choose();
  bool resume();
  bool drop_a_prompt(size_t first);
  void set_last_aside();
  void discard(Sample& sample);
  void settle(Problem& problem);
  void cut(Problem& problem);
  void close_if_done(Problem& problem);

  const EngineOptions* options_;
  const EngineHooks* hooks_;
  std::deque<Problem> problems_;  // one per request, in order
  std::vector<Problem*> order_;   // in which they are opened
  size_t next_problem_ = 0;       // in order_, not opened yet
  std::vector<Problem*> open_;
  int64_t max_open_;
  KvCache cache_;
  std::vector<Sample> running_;
  std::deque<Sample> set_aside_;  // in the order in which they were begun
  size_t next_prefill_ = 0;
  int64_t num_finished_ = 0, num_total_ = 0, num_discarded_ = 0, num_set_aside_ = 0;
  int64_t num_completions_ = 0, completion_tokens_ = 0;  // finished in this run
};

}  // namespace ponder
