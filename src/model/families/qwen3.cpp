// Qwen3 (arXiv 2505.09388): each head of queries and keys is normed before RoPE.
#include "model/config.h"
#include "model/families/families.h"

namespace ponder::model {
namespace {

void read_qwen3(const ConfigReader& reader, ModelConfig&) {
  refuse_attention_bias(reader);
  refuse_windows_in_use(reader);
}

void write_qwen3(const ModelConfig&, Json& json) {
  json["attention_bias"] = false;
  json["use_sliding_window"] = false;
}

}  // namespace

Architecture qwen3_family() {
  return {.model_type = "qwen3",
          .class_name = "Qwen3ForCausalLM",
          .models = "Qwen3",
          .layer = {.qk_norm = QkNorm::kHead},
          .names = {},
          .default_num_key_value_heads = 32,
          .default_head_dim = 128,
          .default_max_position_embeddings = 32768,
          .read = read_qwen3,
          .write = write_qwen3,
          .gguf = {.name = "qwen3"}};
}

}  // namespace ponder::model
