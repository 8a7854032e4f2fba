#include "model/gradients.h"

#include <algorithm>

#include "ops/embedding.h"

namespace ponder::model {
Gradients::Gradients(const ModelConfig& config)
    : parameters_(config, "gradients"),
      tied_(config.tie_word_embeddings),
      hidden_size_(config.hidden_size) {
  if (tied_) row_of_.assign(static_cast<size_t>(config.vocab_size), -1);
}

void Gradients::zero() {
  parameters_.zero();
  for (const int32_t token : tokens_) row_of_[static_cast<size_t>(token)] = -1;
  tokens_.clear();
  embedding_rows_.clear();
}

void Gradients::add_embedding(std::span<const int32_t> tokens, const float* dx,
                              ThreadPool& threads) {
  const auto T = static_cast<int64_t>(tokens.size());
  if (!tied_) {
    ops::embedding_backward(parameters_.find(TensorRole::kEmbedding), tokens.data(), dx,
                            {T, hidden_size_}, threads);
    return;
  }
  std::vector<int32_t> rows;
  rows.reserve(tokens.size());
  for (const int32_t token : tokens) {
    int32_t& row = row_of_[static_cast<size_t>(token)];
    if (row < 0) {
      row = static_cast<int32_t>(tokens_.size());
      tokens_.push_back(token);
    }
    rows.push_back(row);
  }
  embedding_rows_.resize(tokens_.size() * static_cast<size_t>(hidden_size_), 0.0f);
  ops::embedding_backward(embedding_rows_.data(), rows.data(), dx, {T, hidden_size_}, threads);
}

void Gradients::finish() {
  float* const embedding = parameters_.find(TensorRole::kEmbedding);
  const auto C = static_cast<size_t>(hidden_size_);
  for (size_t row = 0; row < tokens_.size(); ++row) {
    float* to = embedding + static_cast<size_t>(tokens_[row]) * C;
    for (size_t c = 0; c < C; ++c) to[c] += embedding_rows_[row * C + c];
    row_of_[static_cast<size_t>(tokens_[row])] = -1;
  }
  tokens_.clear();
  embedding_rows_.clear();
}

std::span<float> Gradients::lm_head() {
  return parameters_.at(*parameters_.layout().weights_of(FusedMatrix::kHead).front());
}

}  // namespace ponder::model
