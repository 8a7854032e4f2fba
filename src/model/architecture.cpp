#include "model/architecture.h"

#include <fmt/format.h>

namespace ponder {
namespace {

constexpr Architecture kTable[] = {
    {.model_type = "qwen2",
     .class_name = "Qwen2ForCausalLM",
     .models = "Qwen2, Qwen2.5, DeepSeek-R1-Distill-Qwen",
     .qkv_bias = true,
     .qk_norm = false,
     .default_num_key_value_heads = 32,
     .default_head_dim = 0,
     .default_max_position_embeddings = 32768,
     .has_sliding_window = true},
    {.model_type = "qwen3",
     .class_name = "Qwen3ForCausalLM",
     .models = "Qwen3",
     .qkv_bias = false,
     .qk_norm = true,
     .default_num_key_value_heads = 32,
     .default_head_dim = 128,
     .default_max_position_embeddings = 32768,
     .has_sliding_window = true},
    {.model_type = "llama",
     .class_name = "LlamaForCausalLM",
     .models = "Llama 3.x, DeepSeek-R1-Distill-Llama",
     .qkv_bias = false,
     .qk_norm = false,
     .default_num_key_value_heads = 0,
     .default_head_dim = 0,
     .default_max_position_embeddings = 2048,
     .has_sliding_window = false},
};

}  // namespace

std::span<const Architecture> architectures() { return kTable; }

const Architecture* find_architecture(std::string_view model_type) {
  for (const Architecture& architecture : kTable) {
    if (architecture.model_type == model_type) return &architecture;
  }
  return nullptr;
}

std::string supported_architectures() {
  std::string list;
  for (const Architecture& architecture : kTable) {
    if (!list.empty()) list += ", ";
    list += fmt::format("{} ({})", architecture.model_type, architecture.models);
  }
  return list;
}

}  // namespace ponder
