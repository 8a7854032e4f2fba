// Gradients of all parameters. With tied embeddings the two uses of the matrix are summed
// separately (each by one chain over the step's tokens) and joined once per optimiser step, so that
// splitting a step into batches changes no bit; the embedding's share has rows only for tokens that
// the step holds.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/parameters.h"

namespace ponder::model {

class Gradients {
 public:
  explicit Gradients(const ModelConfig& config);
  void zero();
  // The embedding's share of tokens (T): dx (T, C), t ascending.
  void add_embedding(std::span<const int32_t> tokens, const float* dx, ThreadPool& threads);
  // Joins the two shares of a tied embedding; call once, after the last backward of a step, before
  // reading parameters(). Nothing to do when untied.
  void finish();
  Parameters& parameters() { return parameters_; }
  const Parameters& parameters() const { return parameters_; }
  // Where the LM head accumulates (V, C).
  std::span<float> lm_head();

 private:
  Parameters parameters_;
  bool tied_;
  int64_t hidden_size_;
  // When tied: the row of embedding_rows_ that a token has, or -1; and the tokens by row.
  std::vector<int32_t> row_of_;
  std::vector<int32_t> tokens_;
  std::vector<float> embedding_rows_;
};

}  // namespace ponder::model
