// Gradients of all parameters. With tied embeddings the two uses of the matrix are summed
// separately (each by one chain over the step's tokens) and joined once per optimiser step, so that
// splitting a step into batches changes no bit.
#pragma once

#include "model/parameters.h"

namespace ponder {

class Gradients {
 public:
  explicit Gradients(const ModelConfig& config);
  void zero();
  // Adds the LM head's share to the tied embedding; call once, after the last backward of a step,
  // before reading parameters(). Nothing to do when untied.
  void finish();
  Parameters& parameters() { return parameters_; }
  const Parameters& parameters() const { return parameters_; }
  // Where the LM head accumulates: its own (V, C).
  std::span<float> lm_head();

 private:
  Parameters parameters_;
  Buffer tied_head_;
  bool tied_;
};

}  // namespace ponder
