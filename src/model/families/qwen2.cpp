// Qwen2 (arXiv 2407.10671): biases of q, k and v.
#include "model/config.h"
#include "model/families/families.h"

namespace ponder::model {
namespace {

// Its biases are there without being asked for; transformers ignores attention_bias.
void read_qwen2(const ConfigReader& reader, ModelConfig&) { refuse_windows_in_use(reader); }

void write_qwen2(const ModelConfig&, Json& json) { json["use_sliding_window"] = false; }

}  // namespace

Architecture qwen2_family() {
  return {.model_type = "qwen2",
          .class_name = "Qwen2ForCausalLM",
          .models = "Qwen2, Qwen2.5, DeepSeek-R1-Distill-Qwen",
          .layer = {.qkv_bias = true},
          .names = {},
          .default_num_key_value_heads = 32,
          .default_head_dim = 0,
          .default_max_position_embeddings = 32768,
          .read = read_qwen2,
          .write = write_qwen2,
          .gguf = {.name = "qwen2"}};
}

}  // namespace ponder::model
