// Which sequence runs when, and the pages of the key-value cache. It knows sequences (a prompt and
// the tokens after it), prompts that several of them share, and pages; not what they are for.
// Nothing in here changes a completion, only when it is made.
//
// States of a sequence: waiting -> running -> ended; and running <-> preempted, when the pages run
// out: its pages are given back and its tokens are kept. Once there is room it goes on by feeding
// them again, which by the definition of the arithmetic restores the same keys and values.
//
// Pages. Sequences are begun as long as those that run are expected to find their pages, by the
// mean length so far. Where that was too bold, prompts no running sequence shares are dropped first
// (and prefilled again later), then the sequences begun last are preempted. The one begun first can
// take everything, and every sequence was checked to fit into the budget alone: something always
// goes on.
//
// Order. Every prompt begins one sequence first; then the prompt with the longest sequence so far
// comes first, so that no long one is left for the end. `expected_tokens` stands in for what is not
// known yet.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "model/decoder.h"
#include "model/kv_cache.h"

namespace ponder::generate {

class KvScheduler {
 public:
  struct Sequence;

  // A prompt, as long as sequences want it. Read only, but for `logits`.
  struct Prompt {
    const std::vector<int32_t>* token_ids = nullptr;
    model::KvSequence pages;    // grows while it is prefilled; shared by the sequences
    std::vector<float> logits;  // of its last token, once prefilled: the caller's to fill in

   private:
    friend class KvScheduler;
    std::deque<Sequence*> waiting;
    int users = 0;         // sequences waiting, running or preempted
    int running = 0;       // of them
    bool returns = false;  // more sequences with it will be submitted
    int64_t longest = 0;   // tokens of the longest sequence so far, or as expected
  };

  // The caller's, borrowed until it has ended or was removed; not moved meanwhile.
  struct Sequence {
    Prompt* prompt = nullptr;
    model::KvSequence pages;  // of prompt and completion, as far as they have been fed
    // The completion so far: the caller appends. One that was begun earlier is submitted with its
    // first tokens.
    std::vector<int32_t> token_ids;
    int max_tokens = 0;

    // Prompt and completion tokens that the model has not been fed yet: one, or many where it goes
    // on after it was preempted or begun earlier.
    int64_t num_pending() const;
    // Appends the first `count` of them.
    void append_pending(int64_t count, std::vector<int32_t>& tokens) const;

   private:
    friend class KvScheduler;
    enum class State { kWaiting, kRunning, kPreempted, kEnded };
    State state = State::kWaiting;
  };

  // Pages are the decoder's, which is borrowed. At most `max_batch` sequences run at once.
  KvScheduler(const model::Decoder& decoder, int max_batch, int64_t kv_cache_bytes);

  // Throws Error, naming `where`, if such a sequence cannot fit into the budget even alone.
  void check(int64_t prompt_tokens, int max_tokens, std::string_view where) const;
  // So many such sequences will be submitted: the cache is sized by what was announced, up to the
  // budget.
  void announce(int64_t prompt_tokens, int max_tokens, int64_t count);
  // A sequence that `check` accepts. What was not announced counts as announced now. `returns`: see
  // CompletionRequest::prompt_returns.
  void submit(Sequence& sequence, std::vector<int32_t> prompt_ids, int64_t expected_tokens,
              bool returns);
  // Takes a sequence out, in whatever state.
  void remove(Sequence& sequence);

  // Before each step: takes the cache, or a larger one where what was submitted needs it (once
  // nothing runs), and lets go of prompts that nobody wants.
  void prepare();
  model::KvCache& cache() { return *cache_; }
  // In the order in which they were begun.
  const std::vector<Sequence*>& running() const { return running_; }
  bool idle() const { return num_waiting_ == 0 && running_.empty() && preempted_.empty(); }
  // More sequences of use now: for slots that would come free, and some more to see early which
  // ones are long.
  int64_t room() const;

  // Lets the next sequence run, a preempted one before a new one: appends it to running(). False
  // when no slot is free or nothing can begin now.
  bool start_next();

  // Room for the next `count` tokens of running()[index], whatever has to give way. False when that
  // was the sequence itself: it and all behind it have left running().
  bool extend(size_t index, int64_t count);

  // The next prompt to prefill a part of, at most `count` tokens, with room made for them; or none.
  // `tokens` is their number. Call until it returns null; a prompt is given once between two calls
  // of begin_prefill.
  void begin_prefill() { next_prefill_ = 0; }
  Prompt* extend_prompt(int64_t count, int64_t& tokens);

  // A running sequence has come to its end: gives its pages back. It stays in running() until
  // remove_ended.
  void finish(Sequence& sequence);
  void remove_ended();

  int64_t num_preemptions() const { return num_preemptions_; }

 private:
  static bool is_prefilled(const Prompt& prompt);
  int64_t wanted_pages() const;
  int64_t pages_expected() const;
  int64_t lookahead() const;
  int64_t max_prompts() const;
  Prompt* choose();
  bool resume();
  bool drop_a_prompt(size_t first);
  void preempt_last();
  void release(Sequence& sequence);

  const model::Decoder& decoder_;
  int max_batch_;
  int64_t kv_cache_bytes_;
  // Of what was announced and has not ended.
  int64_t announced_ = 0;     // sequences not submitted yet
  int64_t pages_in_all_ = 0;  // most that they could use
  int64_t largest_pages_ = 0, largest_prompt_pages_ = 0;
  std::optional<model::KvCache> cache_;
  bool too_small_ = false;  // one that waits does not fit into the cache taken

  std::map<std::vector<int32_t>, Prompt> prompts_;
  std::vector<Prompt*> open_;  // the same, in the order in which they came
  int64_t open_pages_ = 0;     // that they need for themselves
  bool any_unused_ = false;    // a prompt may have lost its last user
  int64_t num_waiting_ = 0;
  std::vector<Sequence*> running_;
  std::deque<Sequence*> preempted_;  // in the order in which they were begun
  size_t next_prefill_ = 0;
  int64_t num_preemptions_ = 0;
  int64_t num_completions_ = 0, completion_tokens_ = 0;  // ended by `finish`
};

}  // namespace ponder::generate
