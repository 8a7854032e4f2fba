// How llama.cpp lays out what a Hugging Face checkpoint holds. Its names of architectures stand in
// model/families/, those of tensors in model/tensor_table.
#pragma once

#include <cstdint>
#include <vector>

#include "model/architecture.h"
#include "model/config.h"

namespace ponder::gguf {

// Throws Error naming the model types there are for one that llama.cpp does not run.
const model::GgufLayout& gguf_layout(const model::ModelConfig& config);

// For each row of the tensor in the file, the row of the checkpoint's tensor that goes there; empty
// when they are the same.
std::vector<int64_t> gguf_row_order(const model::GgufLayout& layout,
                                    const model::ModelConfig& config, model::TensorRole role);

}  // namespace ponder::gguf
