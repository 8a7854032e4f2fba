// Draws tokens from rows of raw logits. A draw is a pure function of the row's bits, the settings
// and one uniform number, so it does not depend on the batch, on threads or on the order of
// arrival.
//
// Definition, for a row of V logits and settings (temperature T, top_k, top_p):
//   T = 0: the highest logit, the lowest id among equals. Otherwise
//   1. weight[i] = exp((logit[i] - max) / T) by ops/softmax.h, as an integer in units of 2^-40
//      (rounded down): sums of weights are exact,
//      whatever their order;
//   2. top_k: only the k highest logits stay (among equals, lower ids first);
//   3. top_p: of what stays, in that order, the shortest prefix whose weight reaches top_p of the
//      whole; at least one;
//   4. inverse transform over what stays, in ascending id: the first token at which the cumulated
//      weight exceeds floor(u * whole).
// The recorded log-probability is logit - log_sum_exp(row) in f32, whatever the settings: what
// Decoder::forward gives.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "data/rows.h"

namespace ponder::generate {

// Throws Error naming the setting: temperature 0 or in [1e-4, 100], top_p in (0, 1], top_k >= 0,
// max_tokens >= 1.
void check_sampling(const data::SamplingSettings& settings, std::string_view where);

// The uniform number, in [0, 1), for one position of one rollout: Philox keyed by the seed, with
// counter (position, sample, hash of the problem's id). `problem_hash` is
// stable_hash64(problem_id).
double rollout_uniform(uint64_t seed, uint64_t problem_hash, int sample, int64_t position);

struct SampledToken {
  int32_t id = 0;
  float logprob = 0;
};

// What to draw from one row.
struct Draw {
  const float* logits = nullptr;  // (V); several draws may share a row
  const data::SamplingSettings* settings = nullptr;
  double uniform = 0;  // ignored when greedy
};

class Sampler {
 public:
  // Rows have `vocab_size` logits; ids from `num_ids` on (rows of the embedding that no token of
  // the tokenizer has) are never drawn, though they count in the log-probability. Borrows
  // the threads.
  Sampler(int64_t vocab_size, int64_t num_ids, ThreadPool& threads);

  // sampled[i] for draws[i]. Throws Error when a row holds a NaN, +infinity or nothing finite.
  void sample(std::span<const Draw> draws, std::span<SampledToken> sampled);

 private:
  struct Bucket {
    uint64_t weight = 0;
    int64_t count = 0;
  };
  struct Scratch {
    std::vector<float> weights;
    std::vector<uint16_t> bucket_of;
    std::vector<Bucket> buckets;
    std::vector<int32_t> kept;
    std::vector<uint64_t> border;
  };
  SampledToken sample_one(const Draw& draw, Scratch& scratch) const;
  int32_t draw_from_kept(const Draw& draw, float max, float inverse_temperature,
                         Scratch& scratch) const;
  static void keep_prefix(const Draw& draw, int64_t count, uint64_t enough, Scratch& scratch);

  int64_t vocab_size_, num_ids_;
  ThreadPool* threads_;
  std::vector<Scratch> scratch_;  // one per thread
};

}  // namespace ponder::generate
