#include "generate/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/philox.h"
#include "ops/softmax.h"

namespace ponder::generate {
namespace {

// Buckets by distance from the highest logit, for selection: they reach as far as weights above
// zero do, exp(-28) < 2^-40.
constexpr int kBuckets = 512;
constexpr float kReach = 28.0f;

uint64_t to_integer(float weight) {
  return static_cast<uint64_t>(static_cast<int64_t>(weight * 0x1p40f));
}

// Orders by logit, the lower id first among equals, when sorted downwards. Adding zero makes -0 a
// 0.
uint64_t order_key(float logit, int64_t id) {
  const uint32_t bits = std::bit_cast<uint32_t>(logit + 0.0f);
  const uint32_t ascending = (bits & 0x80000000u) ? ~bits : bits | 0x80000000u;
  return (uint64_t{ascending} << 32) | (0xFFFFFFFFu - static_cast<uint32_t>(id));
}

size_t id_of(uint64_t key) { return static_cast<size_t>(0xFFFFFFFFu - static_cast<uint32_t>(key)); }

int32_t argmax(const float* logits, int64_t size, float max) {
  return static_cast<int32_t>(std::find(logits, logits + size, max) - logits);
}

// The first id at which the cumulated weight exceeds the share `uniform` of the whole.
template <class Weight>
int32_t inverse_transform(double uniform, int64_t size, const Weight& weight_of) {
  uint64_t whole = 0;
  for (int64_t i = 0; i < size; ++i) whole += weight_of(i);
  const auto u = static_cast<unsigned __int128>(uniform * 0x1p53);
  const auto target = static_cast<uint64_t>((u * whole) >> 53);
  uint64_t sum = 0;
  int64_t i = 0;
  while ((sum += weight_of(i)) <= target) ++i;
  return static_cast<int32_t>(i);
}

}  // namespace

void check_sampling(const data::SamplingSettings& settings, std::string_view where) {
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

Sampler::Sampler(int64_t vocab_size, int64_t num_ids, ThreadPool& threads)
    : vocab_size_(vocab_size),
      num_ids_(num_ids),
      threads_(&threads),
      scratch_(static_cast<size_t>(threads.num_threads())) {
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
  const int64_t parts = count * vocab_size_ < 8192 ? 1 : threads_->num_threads();
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
    threads_->run(body);
  }
}

SampledToken Sampler::sample_one(const Draw& draw, Scratch& scratch) const {
  const float log_sum = ops::log_sum_exp(draw.logits, vocab_size_);
  const float max = ops::max_value(draw.logits, num_ids_);
  // -infinity (a token that cannot be) is fine.
  if (!std::isfinite(max) || !std::isfinite(log_sum)) {
    throw Error("logits", "the model's output holds a NaN or an infinity",
                "check its weights with `ponder inspect`");
  }
  const data::SamplingSettings& settings = *draw.settings;
  SampledToken token;
  if (settings.temperature == 0 || settings.top_k == 1) {
    token.id = argmax(draw.logits, num_ids_, max);
  } else {
    const float inverse_temperature = static_cast<float>(1.0 / settings.temperature);
    scratch.weights.resize(static_cast<size_t>(num_ids_));
    const float* weights = scratch.weights.data();
    ops::exp_shifted(scratch.weights.data(), draw.logits, num_ids_, max, inverse_temperature);
    if (settings.top_p >= 1 && (settings.top_k == 0 || settings.top_k >= num_ids_)) {
      token.id = inverse_transform(draw.uniform, num_ids_,
                                   [&](int64_t i) { return to_integer(weights[i]); });
    } else {
      token.id = draw_from_kept(draw, max, inverse_temperature, scratch);
    }
  }
  token.logprob = draw.logits[token.id] - log_sum;
  return token;
}

// Tokens are counted into buckets, so that only those of the bucket where a border lies need
// sorting.
int32_t Sampler::draw_from_kept(const Draw& draw, float max, float inverse_temperature,
                                Scratch& scratch) const {
  const data::SamplingSettings& settings = *draw.settings;
  const float scale = inverse_temperature * (kBuckets / kReach);
  const auto size = static_cast<size_t>(num_ids_);
  uint64_t whole = 0;
  for (size_t i = 0; i < size; ++i) whole += to_integer(scratch.weights[i]);
  // Tokens without weight can never be drawn. With top_p alone, all that weigh less than half the
  // average of what it leaves out weigh too little together to be near its border.
  uint64_t lightest = 1;
  if (settings.top_k == 0) {
    const double left_out = (1.0 - settings.top_p) * static_cast<double>(whole);
    lightest =
        std::max<uint64_t>(1, static_cast<uint64_t>(0.5 * left_out / static_cast<double>(size)));
  }
  scratch.kept.resize(size);
  scratch.bucket_of.resize(size);
  scratch.buckets.assign(kBuckets, {});
  size_t num_kept = 0;
  for (size_t i = 0; i < size; ++i) {
    const uint64_t weight = to_integer(scratch.weights[i]);
    if (weight < lightest) continue;
    const float distance = std::min((max - draw.logits[i]) * scale, kBuckets - 1.0f);
    const auto index = static_cast<uint16_t>(static_cast<int32_t>(distance));
    scratch.buckets[index].weight += weight;
    ++scratch.buckets[index].count;
    scratch.bucket_of[i] = index;
    scratch.kept[num_kept++] = static_cast<int32_t>(i);
  }
  scratch.kept.resize(num_kept);

  if (settings.top_k > 0 && settings.top_k < static_cast<int64_t>(num_kept)) {
    keep_prefix(draw, settings.top_k, std::numeric_limits<uint64_t>::max(), scratch);
    whole = 0;
    for (const int32_t id : scratch.kept)
      whole += to_integer(scratch.weights[static_cast<size_t>(id)]);
  }
  const auto weight_of = [&](int64_t rank) {
    return to_integer(
        scratch.weights[static_cast<size_t>(scratch.kept[static_cast<size_t>(rank)])]);
  };
  if (settings.top_p < 1) {
    const double enough = std::ceil(settings.top_p * static_cast<double>(whole));
    keep_prefix(draw, num_ids_, std::max<uint64_t>(1, static_cast<uint64_t>(enough)), scratch);
  }
  const int32_t rank =
      inverse_transform(draw.uniform, static_cast<int64_t>(scratch.kept.size()), weight_of);
  return scratch.kept[static_cast<size_t>(rank)];
}

// Of scratch.kept only the shortest prefix in the order of logits stays that has `count` tokens or
// the weight `enough`. The list itself remains in ascending id.
void Sampler::keep_prefix(const Draw& draw, int64_t count, uint64_t enough, Scratch& scratch) {
  uint64_t weight = 0;
  uint16_t last = 0;
  while (last + 1 < kBuckets && scratch.buckets[last].count < count &&
         weight + scratch.buckets[last].weight < enough) {
    weight += scratch.buckets[last].weight;
    count -= scratch.buckets[last].count;
    ++last;
  }
  const auto key_of = [&](int32_t id) { return order_key(draw.logits[id], id); };
  const auto bucket_of = [&](int32_t id) { return scratch.bucket_of[static_cast<size_t>(id)]; };
  std::erase_if(scratch.kept, [&](int32_t id) { return bucket_of(id) > last; });
  scratch.border.clear();
  for (const int32_t id : scratch.kept) {
    if (bucket_of(id) == last) scratch.border.push_back(key_of(id));
  }
  std::sort(scratch.border.begin(), scratch.border.end(), std::greater<>());
  uint64_t lowest = 0;
  for (const uint64_t key : scratch.border) {
    lowest = key;
    weight += to_integer(scratch.weights[id_of(key)]);
    if (--count <= 0 || weight >= enough) break;
  }
  std::erase_if(scratch.kept,
                [&](int32_t id) { return bucket_of(id) == last && key_of(id) < lowest; });
}

}  // namespace ponder::generate
