#include "generate/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "base/error.h"
#include "base/philox.h"
#include "ops/softmax.h"

namespace ponder {
namespace {

// Short enough that the chains of neighbouring blocks overlap in the processor, long enough that
// the walk over blocks is short too.
constexpr int64_t kBlock = 32;

// Orders by logit, the lower id first among equals, when sorted downwards. Adding zero makes -0 a
// 0.
uint64_t order_key(float logit, int64_t id) {
  const uint32_t bits = std::bit_cast<uint32_t>(logit + 0.0f);
  const uint32_t ascending = (bits & 0x80000000u) ? ~bits : bits | 0x80000000u;
  return (uint64_t{ascending} << 32) | (0xFFFFFFFFu - static_cast<uint32_t>(id));
}

int64_t id_of(uint64_t key) {
  return static_cast<int64_t>(0xFFFFFFFFu - static_cast<uint32_t>(key));
}

// Sorts downwards as much of a sequence as is looked at, in growing pieces.
class SortedPrefix {
 public:
  explicit SortedPrefix(std::span<uint64_t> keys) : keys_(keys) {}

  uint64_t operator[](size_t index) {
    while (index >= sorted_) grow();
    return keys_[index];
  }

 private:
  void grow() {
    const size_t end = std::min(keys_.size(), std::max<size_t>(64, 4 * sorted_));
    const auto first = keys_.begin() + static_cast<std::ptrdiff_t>(sorted_);
    const auto last = keys_.begin() + static_cast<std::ptrdiff_t>(end);
    if (end < keys_.size()) std::nth_element(first, last, keys_.end(), std::greater<>());
    std::sort(first, last, std::greater<>());
    sorted_ = end;
  }

  std::span<uint64_t> keys_;
  size_t sorted_ = 0;
};

// Maximum and sum skip a NaN, so it would go unseen. -infinity (a token that cannot be) is fine.
bool is_broken(const float* logits, int64_t size) {
  int64_t broken = 0;
  for (int64_t i = 0; i < size; ++i) broken += !(logits[i] <= std::numeric_limits<float>::max());
  return broken > 0;
}

int32_t argmax(const float* logits, int64_t size, float max) {
  return static_cast<int32_t>(std::find(logits, logits + size, max) - logits);
}

}  // namespace

void check_sampling(const SamplingSettings& settings, std::string_view where) {
  const auto refuse = [&](std::string_view name, auto value, std::string_view expected) {
    throw Error(std::string(where), fmt::format("{} is {}, expected {}", name, value, expected));
  };
  const double t = settings.temperature;
  if (!(t == 0 || (t >= 1e-4 && t <= 100))) {
    refuse("temperature", t, "0 (greedy) or a number from 0.0001 to 100");
  }
  if (!(settings.top_p > 0 && settings.top_p <= 1)) {
    refuse("top_p", settings.top_p, "a number above 0 and at most 1 (1 is off)");
  }
  if (settings.top_k < 0) refuse("top_k", settings.top_k, "a count (0 is off)");
  if (settings.max_tokens < 1) refuse("max_tokens", settings.max_tokens, "at least 1");
}

double rollout_uniform(uint64_t seed, uint64_t problem_hash, int sample, int64_t position) {
  return Random(seed, problem_hash)
      .uniform((uint64_t{static_cast<uint32_t>(sample)} << 32) | static_cast<uint32_t>(position));
}

Sampler::Sampler(int64_t vocab_size, int64_t num_ids, ThreadPool& pool)
    : vocab_size_(vocab_size),
      num_ids_(num_ids),
      pool_(&pool),
      scratch_(static_cast<size_t>(pool.num_threads())) {
  if (num_ids < 1 || num_ids > vocab_size) {
    throw Error("sampler", fmt::format("{} ids to sample of {} logits", num_ids, vocab_size));
  }
}

void Sampler::sample(std::span<const Draw> draws, std::span<SampledToken> sampled) {
  if (draws.size() != sampled.size()) {
    throw Error("sampler", fmt::format("{} draws, {} results", draws.size(), sampled.size()));
  }
  const int64_t count = static_cast<int64_t>(draws.size());
  // A draw is a function of its row alone, so how draws are dealt to threads is free.
  const int64_t parts = count * vocab_size_ < 8192 ? 1 : pool_->num_threads();
  const auto body = [&](int part) {
    if (part >= parts) return;
    Scratch& scratch = scratch_[static_cast<size_t>(part)];
    for (int64_t i = count * part / parts; i < count * (part + 1) / parts; ++i) {
      sampled[static_cast<size_t>(i)] = sample_one(draws[static_cast<size_t>(i)], scratch);
    }
  };
  if (parts == 1) {
    body(0);
  } else {
    pool_->run(body);
  }
}

SampledToken Sampler::sample_one(const Draw& draw, Scratch& scratch) const {
  const float log_sum = log_sum_exp(draw.logits, vocab_size_);
  const float max = max_value(draw.logits, num_ids_);
  if (!std::isfinite(max) || is_broken(draw.logits, vocab_size_)) {
    throw Error("logits", "the model's output holds a NaN or an infinity",
                "check its weights with `ponder inspect`");
  }
  const SamplingSettings& settings = *draw.settings;
  SampledToken token;
  if (settings.temperature == 0 || settings.top_k == 1) {
    token.id = argmax(draw.logits, num_ids_, max);
  } else if (settings.top_p >= 1 && (settings.top_k == 0 || settings.top_k >= num_ids_)) {
    token.id = draw_from_all(draw, max, scratch);
  } else {
    token.id = draw_from_best(draw, max, scratch);
  }
  token.logprob = draw.logits[token.id] - log_sum;
  return token;
}

// Weights of all ids and their sum by blocks.
double Sampler::weigh(const Draw& draw, float max, Scratch& scratch) const {
  scratch.weights.resize(static_cast<size_t>(num_ids_));
  exp_shifted(scratch.weights.data(), draw.logits, num_ids_, max,
              static_cast<float>(1.0 / draw.settings->temperature));
  const int64_t blocks = (num_ids_ + kBlock - 1) / kBlock;
  scratch.block_sums.resize(static_cast<size_t>(blocks));
  double total = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t end = std::min(num_ids_, (block + 1) * kBlock);
    double sum = 0;
    for (int64_t i = block * kBlock; i < end; ++i) sum += scratch.weights[static_cast<size_t>(i)];
    scratch.block_sums[static_cast<size_t>(block)] = sum;
    total += sum;
  }
  return total;
}

int32_t Sampler::draw_from_all(const Draw& draw, float max, Scratch& scratch) const {
  const double target = draw.uniform * weigh(draw, max, scratch);
  const auto& sums = scratch.block_sums;
  const auto& weights = scratch.weights;
  double before = 0;
  size_t block = 0;
  while (block + 1 < sums.size() && before + sums[block] <= target) before += sums[block++];
  // Rounding can leave the target just above the last sum: then the last token with a weight is it.
  const size_t end = std::min(weights.size(), (block + 1) * size_t{kBlock});
  for (size_t i = block * size_t{kBlock}; i < end; ++i) {
    before += weights[i];
    if (before > target) return static_cast<int32_t>(i);
  }
  size_t last = end - 1;
  while (weights[last] == 0) --last;
  return static_cast<int32_t>(last);
}

int32_t Sampler::draw_from_best(const Draw& draw, float max, Scratch& scratch) const {
  const SamplingSettings& settings = *draw.settings;
  double whole = weigh(draw, max, scratch);
  const auto& weights = scratch.weights;

  // All tokens lighter than this weigh less than half of what top_p leaves out, so that none of
  // them is near the nucleus; most of a large vocabulary is out here.
  const double lightest = 0.5 * (1.0 - settings.top_p) * whole / static_cast<double>(num_ids_);
  scratch.order.resize(static_cast<size_t>(num_ids_));
  size_t candidates = 0;
  for (int64_t i = 0; i < num_ids_; ++i) {
    scratch.order[candidates] = order_key(draw.logits[i], i);
    candidates += weights[static_cast<size_t>(i)] >= lightest;
  }
  SortedPrefix order(std::span(scratch.order).first(candidates));
  const auto weight_at = [&](size_t rank) {
    return static_cast<double>(weights[static_cast<size_t>(id_of(order[rank]))]);
  };

  size_t limit = candidates;
  if (settings.top_k > 0 && static_cast<size_t>(settings.top_k) < static_cast<size_t>(num_ids_)) {
    limit = std::min(limit, static_cast<size_t>(settings.top_k));
    whole = 0;
    for (size_t rank = 0; rank < limit; ++rank) whole += weight_at(rank);
  }
  size_t kept = 0;
  double kept_sum = 0;
  const double enough = settings.top_p * whole;
  while (kept < limit && (kept == 0 || settings.top_p >= 1 || kept_sum < enough)) {
    kept_sum += weight_at(kept++);
  }

  const double target = draw.uniform * kept_sum;
  double before = 0;
  for (size_t rank = 0; rank < kept; ++rank) {
    before += weight_at(rank);
    if (before > target) return static_cast<int32_t>(id_of(order[rank]));
  }
  return static_cast<int32_t>(id_of(order[kept - 1]));
}

}  // namespace ponder
