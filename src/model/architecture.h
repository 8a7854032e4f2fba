// What differs between the architectures that ponder runs. Everything else is the same for all of
// them: pre-norm decoder layers, grouped query heads, RoPE in the half-split layout, SwiGLU,
// RMSNorm, and the tensor names of ParameterLayout (parameters.h). A new architecture of this kind
// is one more row of the table in architecture.cpp. Source: transformers' Qwen2Config, Qwen3Config,
// LlamaConfig and the modeling files beside them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ponder {

struct Architecture {
  std::string_view model_type;  // config.json's: "qwen2"
  std::string_view class_name;  // the one of config.json's architectures: "Qwen2ForCausalLM"
  std::string_view models;      // the published models, for people

  // The arithmetic and the tensors that go with it.
  bool qkv_bias;  // self_attn.{q,k,v}_proj.bias
  bool qk_norm;   // self_attn.{q,k}_norm.weight (head_dim): each head is normed before RoPE

  // What transformers takes where config.json does not say.
  int64_t default_num_key_value_heads;  // 0: num_attention_heads (so too where it is null)
  int64_t default_head_dim;             // 0: hidden_size / num_attention_heads
  int64_t default_max_position_embeddings;

  bool has_sliding_window;  // config.json has use_sliding_window beside sliding_window
};

std::span<const Architecture> architectures();
// nullptr when there is none of this model_type.
const Architecture* find_architecture(std::string_view model_type);
// "qwen2 (Qwen2, ...), qwen3 (...)": for messages and help.
std::string supported_architectures();

}  // namespace ponder
