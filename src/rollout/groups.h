// Problems and their samples, as requests to any generator, and what becomes of the answers. A
// passive machine: it asks nobody and knows no clock, so every order of answers can be tried on it.
//
//   sample   waiting -> asked -> answered -> kept or discarded; or failed
//   problem  opened when the generator has room; the one expected to be longest first
//
// Which samples are kept is a function of the samples alone, whatever the order and the time of the
// answers: with a rule for complete groups, those up to the first i for which samples 0 .. i are a
// complete group. A slow sample holds its problem back and is never replaced by a faster one, so
// that the kept ones are not chosen by their length.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rollout/generator.h"
#include "rollout/rollout_request.h"

namespace ponder::rollout {

struct GroupRules {
  // Once for each answered sample, as its answer comes.
  std::function<void(data::Rollout&)> judge;
  // Given a problem's samples 0 .. i in order, says whether they are all that is wanted. Asked for
  // i = 0, 1, …; must be a pure function of them. Empty: every sample is wanted.
  std::function<bool(std::span<const data::Rollout> samples)> group_complete;
  // Beside the request's stop rules; must be a pure function.
  std::function<bool(std::string_view problem_id, int sample, std::span<const int32_t> token_ids)>
      stop_condition;
  bool want_tokens = false;  // token events
  // With group_complete: samples of a problem that may run ahead of the last one it has seen.
  int samples_ahead = 4;
  // Kept samples come out in the order of requests and samples; else as soon as they are known to
  // be kept (a problem's own with group_complete always in order), which is what makes them
  // durable.
  bool in_order = false;
  int max_attempts = 8;  // of one sample, as transient failures count
};

// A sample that will not come.
struct RolloutFailure {
  std::string problem_id;
  int sample = 0;
  Failure failure;
};

class RolloutGroups {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Borrows the requests. Throws Error for a problem that is there twice or asks for less than one
  // sample.
  RolloutGroups(std::span<const RolloutRequest> requests, GroupRules rules);

  // The next request to submit, or none now: what is to be tried again, else the next sample of a
  // problem that is open, else, if there is `room`, the first of another problem. Call until none.
  std::optional<CompletionRequest> next(bool room, Time now);
  // The requests of samples not done, one for each problem and how many are like it.
  std::vector<std::pair<CompletionRequest, int64_t>> announcements() const;

  // What happened to a request. Of one that is not asked for (answered before, cancelled) nothing
  // is taken: the first answer counts.
  void answered(const std::string& request_id, data::Completion completion);
  void failed(const std::string& request_id, const Failure& failure, Time now);

  // Kept samples, each once, those of `done` excepted.
  std::vector<data::Rollout> take_kept() { return std::exchange(kept_, {}); }
  // Requests whose answers nobody wants any more: to be cancelled.
  std::vector<std::string> take_cancelled() { return std::exchange(cancelled_, {}); }
  // Whose request it is; null for one that is not asked for.
  const RolloutRequest* find(const std::string& request_id, int& sample) const;
  // Answered and perhaps to be kept, behind samples that are not answered yet.
  std::vector<const data::Rollout*> held() const;
  // Requests asked for and not answered.
  std::vector<std::string> open_requests() const;

  // Nothing is left to be asked or answered.
  bool finished() const;
  const std::vector<RolloutFailure>& failures() const { return failures_; }

  int64_t num_kept() const { return num_kept_; }
  int64_t num_total() const { return num_total_ - num_discarded_; }  // samples, less discarded
  int64_t num_discarded() const { return num_discarded_; }           // asked for or not
  int64_t num_waiting() const;  // samples never asked for yet. Looks at every problem.
  int64_t mean_tokens() const;  // of the answers so far, discarded ones too; -1 before the first

 private:
  struct Group {
    const RolloutRequest* request = nullptr;
    std::vector<bool> is_done, has_failed;      // by sample
    std::vector<int> todo;                      // samples to make, ascending
    size_t next = 0;                            // of todo, not asked for yet
    int end = 0;                                // samples from here on are not wanted (any more)
    int asked = 0;                              // and not answered
    int settled = 0;                            // samples [0, settled) were shown to group_complete
    std::vector<data::Rollout> prefix;          // those
    std::map<int, data::Rollout> out_of_order;  // answered behind a gap
  };
  struct Asked {
    Group* group = nullptr;
    int sample = 0;
    int attempts = 0;              // that failed
    std::optional<Time> again_at;  // waits to be asked once more
  };

  bool can_ask(const Group& group) const;
  CompletionRequest ask(Group& group);
  CompletionRequest request_of(const Group& group, int sample) const;
  void settle(Group& group);
  void cut(Group& group, int end);
  void keep(Group& group, data::Rollout rollout);
  void put_out_in_order();

  GroupRules rules_;
  std::deque<Group> groups_;    // one per request, in order
  std::vector<Group*> order_;   // in which they are opened
  size_t next_group_ = 0;       // of order_, not opened yet
  std::deque<Group*> askable_;  // open groups that may have something to ask for
  std::map<std::string, Asked> asked_;
  int64_t num_again_ = 0;  // of asked_, with again_at
  std::vector<data::Rollout> kept_;
  std::map<std::pair<size_t, int>, data::Rollout> in_order_;  // kept, behind a gap
  size_t out_group_ = 0;                                      // next to come out, in order
  int out_sample_ = 0;
  std::vector<std::string> cancelled_;
  std::vector<RolloutFailure> failures_;
  int64_t num_kept_ = 0, num_total_ = 0, num_discarded_ = 0;
  int64_t num_answers_ = 0, answer_tokens_ = 0;
};

}  // namespace ponder::rollout
