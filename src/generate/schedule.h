// Which rollout runs when: the engine's queue of problems, its accounting of cache pages, and what
// becomes of finished samples. It owns the cache. Nothing in here changes a rollout, only when it
// is made.
//
// Pages. An open problem holds its prompt's pages and, from the start, those of one sample; further
// samples are admitted when the pages of their worst case are free. The problem opened last could
// be finished with what was free when it was opened, then the one before it, and so on: whatever
// the budget, something can always go on.
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
    std::vector<int> todo;  // samples to make, ascending; [next, size) have not been started
    size_t next = 0;
    int running = 0;
    int64_t prompt_pages = 0, own_pages = 0;
    bool spare = false;  // the pages of a sample are reserved, but none has been started on them
    int settled = 0;     // samples [0, settled) have been shown to `enough`
    std::vector<Trajectory> prefix;          // those
    std::map<int, Trajectory> out_of_order;  // finished behind a gap
  };

  // Checks every request (see Engine::run) and takes the cache. Borrows its arguments.
  RolloutSchedule(std::span<const RolloutRequest> requests, const EngineOptions& options,
                  const EngineHooks& hooks, const ModelConfig& config);

  KvCache& cache() { return cache_; }
  bool finished() const { return next_problem_ == problems_.size() && open_.empty(); }

  // Opens problems as far as free slots and pages ask for; they are then to be prefilled. `running`
  // sequences run.
  void open_problems(int64_t running);
  // Open problems whose prompt is not prefilled yet, in order.
  std::vector<Problem*> to_prefill();

  // The next sample to start, its pages reserved: a fork of the prompt (of the last sample, the
  // prompt itself).
  struct Start {
    Problem* problem = nullptr;  // null: nothing can start now
    int sample = 0;
    KvSequence sequence;
  };
  Start start_next();

  // A sample has finished: gives its pages back, then judges, settles and delivers it as the hooks
  // say. Afterwards running samples of the problem from problem.end on are to be dropped.
  void finish(Problem& problem, KvSequence& sequence, Trajectory&& trajectory);
  // A running sample is not wanted any more.
  void drop(Problem& problem, KvSequence& sequence);

  int64_t num_finished() const { return num_finished_; }
  int64_t num_total() const { return num_total_ - num_discarded_; }
  int64_t num_discarded() const { return num_discarded_; }

 private:
  bool can_start(const Problem& problem) const;
  bool reserve(int64_t pages);
  void settle(Problem& problem);
  void cut(Problem& problem);
  void close_if_done(Problem& problem);

  const EngineOptions* options_;
  const EngineHooks* hooks_;
  std::deque<Problem> problems_;  // one per request, in order
  size_t next_problem_ = 0;       // not opened yet
  std::vector<Problem*> open_;
  KvCache cache_;
  int64_t reserved_pages_ = 0;
  int64_t num_finished_ = 0, num_total_ = 0, num_discarded_ = 0;
};

}  // namespace ponder
