// What a training job changes: weights, gradients and AdamW's moments. Where they lie is known here
// alone: the decoder borrows the weights, backward adds to the gradients, and everyone else reads
// and writes tensors in pieces, so that a save needs no second copy of anything.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "comm/communicator.h"
#include "model/gradients.h"
#include "model/parameters.h"
#include "tensor/buffer.h"
#include "train/adamw.h"
#include "train/trainable_set.h"

namespace ponder::train {

// How a step's gradient is defined (docs/arithmetic.md): one chain over all its tokens, or the sum
// of the chains of groups, which takes one more buffer.
enum class GradientKind { kOneChain, kSumOfGroups };

// Over many members (comm/communicator.h) each has the same weights and moments and makes every
// update itself; what is shared out is the groups' gradients. One thread calls; threads do the
// work. Pool and members are borrowed.
class TrainingState {
 public:
  // `start` is consumed; it has the tensors of `trainable`.
  TrainingState(const model::ModelConfig& config, TrainableSet trainable, model::Parameters start,
                const AdamWOptions& options, GradientKind kind, ThreadPool& threads,
                comm::Communicator& members);

  // For the decoder, which borrows them: they stay where they are, and change in update() and
  // write() only.
  const model::Parameters& weights() const { return weights_; }

  // One optimiser step: zero(), any number of backward passes into gradients(), end_gradient(),
  // update(); with groups, end_groups() after the last pass of each. A step that is given up needs
  // nothing: the next one zeroes. end_groups() and end_gradient() are called by all members.
  void zero();
  model::Gradients& gradients() { return gradients_; }
  // Adds the gradients of the groups that the first `count` members have made, by rank, to the
  // step's; the next group begins from zero.
  void end_groups(int64_t count);
  // Completes the step's gradient and returns its norm.
  double end_gradient();
  void update(double lr, double scale);

  int64_t num_updates() const { return optimizer_.num_updates(); }
  void set_num_updates(int64_t num_updates) { optimizer_.set_num_updates(num_updates); }

  // Everyone's weights and moments become the root's.
  void broadcast(int root);

  // What goes into a file, in this order: for every trained tensor weights/NAME, then for each
  // exp_avg/NAME, then exp_avg_sq/NAME. All are read and written as f32; moments kept in bf16 come
  // back as they were.
  enum class Part { kWeights, kExpAvg, kExpAvgSq };
  struct Tensor {
    std::string name;
    Part part;
    model::ParameterInfo parameter;
  };
  std::vector<Tensor> tensors() const;
  // Elements [begin, begin + size) of a tensor.
  void read(const Tensor& tensor, int64_t begin, std::span<float> to) const;
  void write(const Tensor& tensor, int64_t begin, std::span<const float> from);
  // The same for weights alone, by parameter.
  void read_weights(const model::ParameterInfo& parameter, int64_t begin,
                    std::span<float> to) const;

 private:
  std::span<const float> gradient() const;  // of the step, once it is complete

  ThreadPool& threads_;
  comm::Communicator& members_;
  TrainableSet trainable_;
  model::Parameters weights_;
  model::Gradients gradients_;  // of the step, or of the group in progress
  GradientKind kind_;
  tensor::Buffer
      sum_;  // of the groups' gradients, while they are added the own segment of it; empty
             // without groups
  AdamW optimizer_;
};

}  // namespace ponder::train
