#include "gguf/gguf_names.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ponder::gguf {

const model::GgufLayout& gguf_layout(const model::ModelConfig& config) {
  const model::GgufLayout& layout = config.architecture().gguf;
  for (const model::LayerSpec& layer : config.layers) {
    if (layer.window > 0 && !layout.name.empty()) {
      throw Error("config.json, key \"sliding_window\"",
                  fmt::format("llama.cpp's {} has no windows: it would read long texts otherwise",
                              layout.name));
    }
  }
  if (!layout.name.empty()) return layout;
  std::string known;
  for (const model::Architecture& architecture : model::architectures()) {
    if (architecture.gguf.name.empty()) continue;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", architecture.model_type);
  }
  throw Error("config.json, key \"model_type\"",
              fmt::format("\"{}\" cannot be written as GGUF", config.model_type),
              "known: " + known);
}

std::vector<int64_t> gguf_row_order(const model::GgufLayout& layout,
                                    const model::ModelConfig& config, model::TensorRole role) {
  std::vector<int64_t> order;
  if (!layout.interleaved_rope) return order;
  const bool query = role == model::TensorRole::kQ || role == model::TensorRole::kQBias;
  if (!query && role != model::TensorRole::kK && role != model::TensorRole::kKBias) return order;
  const int64_t heads = query ? config.num_attention_heads : config.num_key_value_heads;
  const int64_t half = config.head_dim / 2;
  for (int64_t head = 0; head < heads; ++head) {
    for (int64_t pair = 0; pair < half; ++pair) {
      for (int64_t part = 0; part < 2; ++part)
        order.push_back(head * config.head_dim + part * half + pair);
    }
  }
  return order;
}

}  // namespace ponder::gguf
