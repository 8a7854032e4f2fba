// AdamW (Loshchilov and Hutter, arXiv 1711.05101): Adam with decoupled weight decay, and the
// clipping of the gradient by its global norm that goes before it. Results do not depend on the
// number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "train/moments.h"
#include "train/trainable_set.h"

namespace ponder::train {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.1;  // of what decays (TrainableSet)
  tensor::DType moments =
      tensor::DType::kF32;  // how they are stored: kF32, or kBF16 rounded stochastically
  uint64_t seed = 1;        // of that rounding
};

// The Euclidean norm of all gradients, in double: squares are summed in eight interleaved lanes
// within blocks of 4096 elements, lanes are folded pairwise, blocks are added in order. NaN or
// infinite if any element is.
double gradient_norm(std::span<const float> gradients, ThreadPool& threads);

// What every gradient is multiplied by: max_norm / norm where the norm is larger, else 1. max_norm
// 0: never clips.
double clip_scale(double norm, double max_norm);

// Persists: exp_avg, exp_avg_sq and the count of updates. One thread calls; threads do the work.
class AdamW {
 public:
  AdamW(const TrainableSet& trainable, const AdamWOptions& options, ThreadPool& threads);

  // One update of flat buffers laid out as the set is, t counted from 1. In f32, each constant
  // computed in double and rounded once:
  //   g = scale * gradient
  //   m = m + (1 - beta1) (g - m)
  //   v = v + (1 - beta2) (g g - v)
  //   w = w - (rate m / (sqrt(v) * correct + epsilon) + decay w)
  // with decay = lr weight_decay (0 where nothing decays), rate = lr / (1 - beta1^t), correct = 1 /
  // sqrt(1 - beta2^t). Moments kept in bf16 are widened, used as above, and rounded when they are
  // stored. (Not w (1 - decay): at lr 5e-7 a float cannot tell that factor from 1.)
  void update(std::span<float> weights, std::span<const float> gradients, double lr, double scale);

  int64_t num_updates() const { return num_updates_; }
  void set_num_updates(int64_t num_updates) { num_updates_ = num_updates; }
  Moments& exp_avg() { return exp_avg_; }
  Moments& exp_avg_sq() { return exp_avg_sq_; }
  const Moments& exp_avg() const { return exp_avg_; }
  const Moments& exp_avg_sq() const { return exp_avg_sq_; }

 private:
  AdamWOptions options_;
  ThreadPool& threads_;
  std::vector<TrainableSet::Segment> segments_;
  Moments exp_avg_, exp_avg_sq_;
  int64_t num_updates_ = 0;
};

// The elementwise update above on one run of elements.
struct AdamWConstants {
  float scale, one_minus_beta1, one_minus_beta2, decay, rate, correct, epsilon;
};
void adamw_elements(const AdamWConstants& constants, int64_t count, float* __restrict w,
                    float* __restrict m, float* __restrict v, const float* __restrict gradient);

}  // namespace ponder::train
