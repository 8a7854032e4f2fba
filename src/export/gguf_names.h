// How llama.cpp names and lays out what a Hugging Face checkpoint holds: one row per architecture
// and one per tensor. A new architecture is a row here (and its tensors, if it has new ones).
// Source: llama.cpp's gguf-py/gguf/constants.py and convert_hf_to_gguf.py.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"

namespace ponder {

struct GgufArchitecture {
  std::string_view model_type;  // of config.json
  std::string_view name;        // general.architecture, and the prefix of its keys
  // llama.cpp rotates neighbouring dimensions of this architecture, transformers dimensions half a
  // head apart: the rows of q and k are put in llama.cpp's order.
  bool interleaved_rope;
  // Keys only this architecture's converter writes.
  bool writes_vocab_size, writes_rope_dimension_count;
  bool reads_rope_factors;  // llama.cpp looks for rope_freqs.weight
};

std::span<const GgufArchitecture> gguf_architectures();
// Throws Error naming the architectures there are.
const GgufArchitecture& gguf_architecture(std::string_view model_type);

// "blk.3.attn_q.weight" for "model.layers.3.self_attn.q_proj.weight". Throws Error for a name that
// llama.cpp has no counterpart of.
std::string gguf_name(std::string_view name);

// For each row of the tensor in the file, the row of the checkpoint's tensor that goes there; empty
// when they are the same.
std::vector<int64_t> gguf_row_order(const GgufArchitecture& architecture, const ModelConfig& config,
                                    std::string_view name);

}  // namespace ponder
