// What a tensor is in the model, whatever a family calls it.
#pragma once

namespace ponder::model {

enum class TensorRole {
  kEmbedding,
  // Of every layer, where its family has them.
  kAttentionNorm,
  kQ,
  kQBias,
  kK,
  kKBias,
  kV,
  kVBias,
  kQNorm,
  kKNorm,
  kO,
  kMlpNorm,
  kGate,
  kUp,
  kDown,
  // Of the whole model again.
  kFinalNorm,
  kHead,
};

}  // namespace ponder::model
