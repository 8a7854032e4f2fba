#include "model/gradients.h"

namespace ponder {
namespace {
const char* const kEmbedding = "model.embed_tokens.weight";
}

Gradients::Gradients(const ModelConfig& config)
    : parameters_(config, "gradients"),
      tied_head_("gradients of the tied LM head",
                 config.tie_word_embeddings ? config.vocab_size * config.hidden_size : 0),
      tied_(config.tie_word_embeddings) {}

void Gradients::zero() {
  parameters_.zero();
  tied_head_.zero();
}

void Gradients::finish() {
  if (!tied_) return;
  const std::span<float> embedding = parameters_.at(kEmbedding);
  const std::span<float> head = tied_head_.span();
  for (size_t i = 0; i < head.size(); ++i) embedding[i] += head[i];
  tied_head_.zero();
}

std::span<float> Gradients::lm_head() {
  return tied_ ? tied_head_.span() : parameters_.at("lm_head.weight");
}

}  // namespace ponder
