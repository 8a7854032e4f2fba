#include "generate/kv_scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "ops/attention.h"

namespace ponder::generate {
namespace {

// Pages of a sequence at its longest: the last token sampled is never fed. One more, as the page
// the prompt ends in may be needed twice: by the prompt and as the sequence's own copy.
int64_t worst_pages(int64_t prompt_tokens, int max_tokens) {
  return model::KvCache::pages_for(prompt_tokens + max_tokens - 1) + 1;
}

int64_t length_of(const std::vector<int32_t>& token_ids) {
  return static_cast<int64_t>(token_ids.size());
}

}  // namespace

int64_t KvScheduler::Sequence::num_pending() const {
  return length_of(*prompt->token_ids) + length_of(token_ids) - pages.length();
}

void KvScheduler::Sequence::append_pending(int64_t count, std::vector<int32_t>& tokens) const {
  const std::vector<int32_t>& prompt_ids = *prompt->token_ids;
  const int64_t prompt_length = length_of(prompt_ids);
  for (int64_t i = pages.length(); i < pages.length() + count; ++i) {
    tokens.push_back(i < prompt_length ? prompt_ids[static_cast<size_t>(i)]
                                       : token_ids[static_cast<size_t>(i - prompt_length)]);
  }
}

bool KvScheduler::is_prefilled(const Prompt& prompt) {
  return !prompt.logits.empty() && prompt.pages.length() == length_of(*prompt.token_ids);
}

KvScheduler::KvScheduler(const model::Decoder& decoder, int max_batch, int64_t kv_cache_bytes)
    : decoder_(decoder), max_batch_(max_batch), kv_cache_bytes_(kv_cache_bytes) {
  if (max_batch < 1) {
    throw Error(ErrorKind::kUsage, "--max-batch",
                fmt::format("is {}, expected at least 1", max_batch));
  }
}

// Prompts are prefilled this many sequences ahead, so that a slot that comes free is filled at
// once.
int64_t KvScheduler::lookahead() const { return 1 + max_batch_ / 8; }

// Prompts that are open at once, each with its pages and logits: as many as slots ask for anyway,
// and beyond that some more, to see early which ones are long.
int64_t KvScheduler::max_prompts() const {
  const int64_t logits_bytes = decoder_.config().vocab_size * static_cast<int64_t>(sizeof(float));
  return max_batch_ + std::max(lookahead(), std::min<int64_t>(7 * int64_t{max_batch_},
                                                              (64 << 20) / logits_bytes));
}

void KvScheduler::check(int64_t prompt_tokens, int max_tokens, std::string_view where) const {
  const int64_t tokens = prompt_tokens + max_tokens;
  const int64_t positions = decoder_.config().max_position_embeddings;
  if (positions > 0 && tokens > positions) {
    throw Error(std::string(where),
                fmt::format("its prompt of {} tokens and a completion of up to {} exceed the "
                            "model's {} positions",
                            prompt_tokens, max_tokens, positions),
                prompt_tokens < positions
                    ? fmt::format("lower --max-tokens to at most {}", positions - prompt_tokens)
                    : std::string("leave the problem out"));
  }
  const int64_t needed = worst_pages(prompt_tokens, max_tokens) * decoder_.kv_page_bytes();
  if (needed > kv_cache_bytes_) {
    throw Error(
        std::string(where),
        fmt::format("one rollout of it can need {} bytes of key-value cache, the budget is {}",
                    needed, kv_cache_bytes_),
        fmt::format("raise --kv-cache-bytes to at least {}, or lower --max-tokens", needed));
  }
}

void KvScheduler::announce(int64_t prompt_tokens, int max_tokens, int64_t count) {
  const int64_t pages = worst_pages(prompt_tokens, max_tokens);
  announced_ += count;
  pages_in_all_ += count * pages;
  largest_pages_ = std::max(largest_pages_, pages);
  largest_prompt_pages_ = std::max(largest_prompt_pages_, model::KvCache::pages_for(prompt_tokens));
}

// No more pages than the budget has, or than what was announced can ever use at once.
int64_t KvScheduler::wanted_pages() const {
  const int64_t budget = kv_cache_bytes_ / decoder_.kv_page_bytes();
  const int64_t at_once = largest_pages_ * max_batch_ + largest_prompt_pages_ * max_prompts();
  const int64_t in_all = std::max(pages_in_all_, largest_pages_);
  return std::max<int64_t>(1, std::min({budget, in_all, at_once}));
}

void KvScheduler::submit(Sequence& sequence, std::vector<int32_t> prompt_ids,
                         int64_t expected_tokens, bool returns) {
  const int64_t prompt_tokens = length_of(prompt_ids);
  if (announced_ == 0) announce(prompt_tokens, sequence.max_tokens, 1);
  --announced_;
  const auto [place, is_new] = prompts_.try_emplace(std::move(prompt_ids));
  Prompt& prompt = place->second;
  if (is_new) {
    prompt.token_ids = &place->first;
    open_.push_back(&prompt);
    open_pages_ += model::KvCache::pages_for(prompt_tokens);
  }
  prompt.longest = std::max({prompt.longest, expected_tokens, length_of(sequence.token_ids)});
  prompt.returns = returns;
  prompt.waiting.push_back(&sequence);
  ++prompt.users;
  ++num_waiting_;
  sequence.prompt = &prompt;
  too_small_ = too_small_ ||
               (cache_ && worst_pages(prompt_tokens, sequence.max_tokens) > cache_->num_pages());
}

void KvScheduler::prepare() {
  if (any_unused_) {
    any_unused_ = false;
    std::erase_if(open_, [&](Prompt* prompt) {
      if (prompt->users > 0) return false;
      open_pages_ -= model::KvCache::pages_for(length_of(*prompt->token_ids));
      if (cache_) cache_->release(prompt->pages);
      prompts_.erase(prompts_.find(*prompt->token_ids));
      return true;
    });
  }
  if (idle() || !running_.empty() || !preempted_.empty()) return;
  const bool untouched = !cache_ || cache_->num_free_pages() == cache_->num_pages();
  if (!untouched && !too_small_) return;
  too_small_ = false;
  if (cache_ && cache_->num_pages() >= wanted_pages()) return;
  for (Prompt* prompt : open_) {
    if (cache_) cache_->release(prompt->pages);
    prompt->logits = {};
  }
  cache_.reset();  // first: the two need not fit side by side
  cache_.emplace(decoder_.make_cache(wanted_pages()));
}

int64_t KvScheduler::room() const {
  const auto open = static_cast<int64_t>(running_.size() + preempted_.size()) + num_waiting_;
  const int64_t slots = max_batch_ + lookahead() - open;
  if (slots > 0) return slots;
  const int64_t pages = cache_ ? cache_->num_pages() : wanted_pages();
  const bool look = static_cast<int64_t>(open_.size()) < max_prompts() &&
                    open_pages_ + largest_prompt_pages_ <= pages / 4 && preempted_.empty();
  return look ? 1 : 0;
}

// What the running sequences may still take: to the mean length so far, and half a page beyond what
// they have.
int64_t KvScheduler::pages_expected() const {
  const int64_t mean = num_completions_ > 0 ? completion_tokens_ / num_completions_ : 0;
  int64_t pages = 0;
  for (const Sequence* sequence : running_) {
    const int64_t expected = std::min<int64_t>(
        std::max(mean, length_of(sequence->token_ids) + ops::kKeyBlock / 2), sequence->max_tokens);
    pages += model::KvCache::pages_for(length_of(*sequence->prompt->token_ids) + expected - 1) -
             static_cast<int64_t>(cache_->pages(sequence->pages).size());
  }
  return pages;
}

// Of the prefilled prompts: one that has not begun a sequence and is not known to be short, else
// the one with the longest sequence so far.
KvScheduler::Prompt* KvScheduler::choose() {
  Prompt* best = nullptr;
  for (Prompt* prompt : open_) {
    if (!is_prefilled(*prompt) || prompt->waiting.empty()) continue;
    if (prompt->longest == 0) return prompt;
    if (!best || prompt->longest > best->longest) best = prompt;
  }
  return best;
}

bool KvScheduler::resume() {
  Sequence& sequence = *preempted_.front();
  Prompt& prompt = *sequence.prompt;
  const int64_t length = length_of(*prompt.token_ids) + length_of(sequence.token_ids);
  if (!running_.empty() &&
      cache_->num_free_pages() < model::KvCache::pages_for(length) + 1 + pages_expected()) {
    return false;
  }
  if (is_prefilled(prompt)) sequence.pages = cache_->fork(prompt.pages);
  ++prompt.running;
  sequence.state = Sequence::State::kRunning;
  running_.push_back(&sequence);
  preempted_.pop_front();
  return true;
}

bool KvScheduler::start_next() {
  if (running_.size() >= static_cast<size_t>(max_batch_)) return false;
  if (!preempted_.empty()) return resume();
  Prompt* prompt = too_small_ ? nullptr : choose();
  if (!prompt) return false;
  Sequence& sequence = *prompt->waiting.front();
  // Pages for what it has, one for what follows, and perhaps one for the copy of the page the prompt
  // ends in.
  const int64_t pages = model::KvCache::pages_for(length_of(sequence.token_ids)) + 2;
  if (!running_.empty() && cache_->num_free_pages() < pages + pages_expected()) return false;
  prompt->waiting.pop_front();
  --num_waiting_;
  ++prompt->running;
  prompt->longest = std::max<int64_t>(prompt->longest, 1);
  sequence.state = Sequence::State::kRunning;
  running_.push_back(&sequence);
  // The last one goes on in the prompt's own pages; the logits stay, for its first token.
  if (prompt->waiting.empty() && !prompt->returns) {
    sequence.pages = std::exchange(prompt->pages, model::KvSequence());
  } else {
    sequence.pages = cache_->fork(prompt->pages);
  }
  return true;
}

bool KvScheduler::extend(size_t index, int64_t count) {
  Sequence& sequence = *running_[index];
  while (!cache_->extend(sequence.pages, count)) {
    if (drop_a_prompt(0)) continue;
    if (running_.size() == 1) {
      throw Error(ErrorKind::kInternal, "key-value cache", "one sequence alone ran out of pages",
                  "this is a defect of ponder: please report it");
    }
    preempt_last();
    if (index == running_.size()) return false;
  }
  sequence.prompt->longest = std::max(sequence.prompt->longest, length_of(sequence.token_ids) + 1);
  return true;
}

KvScheduler::Prompt* KvScheduler::extend_prompt(int64_t count, int64_t& tokens) {
  if (too_small_) return nullptr;
  while (next_prefill_ < open_.size()) {
    Prompt& prompt = *open_[next_prefill_++];
    if (is_prefilled(prompt) || prompt.waiting.empty()) continue;
    const int64_t length = length_of(*prompt.token_ids);
    const int64_t left = length - prompt.pages.length();
    // A prompt must not take what the running sequences are about to need; with none of them, and
    // none preempted, it takes what other prompts hold.
    const bool alone = running_.empty() && preempted_.empty();
    const int64_t needed = model::KvCache::pages_for(length) -
                           static_cast<int64_t>(cache_->pages(prompt.pages).size());
    if (!alone && cache_->num_free_pages() < needed + 1 + pages_expected()) return nullptr;
    tokens = std::min(count, left);
    while (!cache_->extend(prompt.pages, tokens)) {
      if (!drop_a_prompt(next_prefill_)) return nullptr;
    }
    return &prompt;
  }
  return nullptr;
}

// Of open_[first, …), the prompt that came last of those that no running sequence shares.
bool KvScheduler::drop_a_prompt(size_t first) {
  for (size_t i = open_.size(); i-- > first;) {
    Prompt& prompt = *open_[i];
    if (prompt.running > 0 || prompt.pages.length() == 0) continue;
    cache_->release(prompt.pages);
    prompt.logits = {};
    return true;
  }
  return false;
}

void KvScheduler::preempt_last() {
  Sequence& sequence = *running_.back();
  cache_->release(sequence.pages);
  --sequence.prompt->running;
  sequence.state = Sequence::State::kPreempted;
  preempted_.push_front(&sequence);
  running_.pop_back();
  ++num_preemptions_;
}

// Its pages and its part in the prompt.
void KvScheduler::release(Sequence& sequence) {
  Prompt& prompt = *sequence.prompt;
  if (cache_) cache_->release(sequence.pages);
  prompt.running -= sequence.state == Sequence::State::kRunning;
  any_unused_ = --prompt.users == 0 || any_unused_;
  sequence.state = Sequence::State::kEnded;
  pages_in_all_ -= worst_pages(length_of(*prompt.token_ids), sequence.max_tokens);
}

void KvScheduler::finish(Sequence& sequence) {
  ++num_completions_;
  completion_tokens_ += length_of(sequence.token_ids);
  release(sequence);
}

void KvScheduler::remove_ended() {
  std::erase_if(running_, [](const Sequence* sequence) {
    return sequence->state == Sequence::State::kEnded;
  });
}

void KvScheduler::remove(Sequence& sequence) {
  const auto take_out = [&](auto& sequences) {
    sequences.erase(std::find(sequences.begin(), sequences.end(), &sequence));
  };
  switch (sequence.state) {
    case Sequence::State::kWaiting:
      take_out(sequence.prompt->waiting);
      --num_waiting_;
      break;
    case Sequence::State::kRunning:
      take_out(running_);
      break;
    case Sequence::State::kPreempted:
      take_out(preempted_);
      break;
    case Sequence::State::kEnded:
      return;
  }
  release(sequence);
}

}  // namespace ponder::generate
