// Llama 3 (arXiv 2407.21783) and SmolLM2 (arXiv 2502.02737): the plain layer.
#include "model/config.h"
#include "model/config_reader.h"
#include "model/families/families.h"

namespace ponder::model {
namespace {

void read_llama(const ConfigReader& reader, ModelConfig&) {
  refuse_attention_bias(reader);
  refuse_windows_in_use(reader);
  if (reader.find("sliding_window")) {
    reader.fail("sliding_window", "sliding-window attention is not supported");
  }
}

void write_llama(const ModelConfig&, Json& json) { json["attention_bias"] = false; }

}  // namespace

Architecture llama_family() {
  return {.model_type = "llama",
          .class_name = "LlamaForCausalLM",
          .models = "Llama 3.x, SmolLM2, DeepSeek-R1-Distill-Llama",
          .layer = {},
          .names = {},
          .default_num_key_value_heads = 0,
          .default_head_dim = 0,
          .default_max_position_embeddings = 2048,
          .read = read_llama,
          .write = write_llama,
          .gguf = {.name = "llama",
                   .interleaved_rope = true,
                   .writes_vocab_size = true,
                   .writes_rope_dimension_count = true,
                   .reads_rope_factors = true}};
}

}  // namespace ponder::model
