#include "export/gguf_names.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ponder {
namespace {

constexpr GgufArchitecture kArchitectures[] = {
    {"qwen2", "qwen2", false, false, false, false},
    {"qwen3", "qwen3", false, false, false, false},
    {"llama", "llama", true, true, true, true},
};

struct Name {
  std::string_view ours, theirs;
};
constexpr Name kTopNames[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
};
// Below model.layers.N, which becomes blk.N.
constexpr Name kLayerNames[] = {
    {"input_layernorm", "attn_norm"},    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},      {"self_attn.v_proj", "attn_v"},
    {"self_attn.q_norm", "attn_q_norm"}, {"self_attn.k_norm", "attn_k_norm"},
    {"self_attn.o_proj", "attn_output"}, {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},       {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
};

constexpr std::string_view kLayers = "model.layers.";

std::string_view look_up(std::span<const Name> names, std::string_view stem) {
  for (const Name& name : names) {
    if (name.ours == stem) return name.theirs;
  }
  return "";
}

}  // namespace

std::span<const GgufArchitecture> gguf_architectures() { return kArchitectures; }

const GgufArchitecture& gguf_architecture(std::string_view model_type) {
  std::string known;
  for (const GgufArchitecture& architecture : kArchitectures) {
    if (architecture.model_type == model_type) return architecture;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", architecture.model_type);
  }
  throw Error("config.json, key \"model_type\"",
              fmt::format("\"{}\" cannot be written as GGUF", excerpt(model_type)),
              "known: " + known);
}

std::string gguf_name(std::string_view name) {
  const size_t dot = name.rfind('.');
  const std::string_view stem = name.substr(0, dot);
  const std::string_view kind = dot == name.npos ? "" : name.substr(dot);
  std::string result;
  if (stem.starts_with(kLayers)) {
    const std::string_view rest = stem.substr(kLayers.size());
    const size_t end = rest.find('.');
    const std::string_view theirs =
        end == rest.npos ? "" : look_up(kLayerNames, rest.substr(end + 1));
    if (!theirs.empty()) result = fmt::format("blk.{}.{}{}", rest.substr(0, end), theirs, kind);
  } else if (const std::string_view theirs = look_up(kTopNames, stem); !theirs.empty()) {
    result = fmt::format("{}{}", theirs, kind);
  }
  if (result.empty())
    throw Error(fmt::format("tensor \"{}\"", excerpt(name, 120)), "has no name in GGUF");
  return result;
}

std::vector<int64_t> gguf_row_order(const GgufArchitecture& architecture, const ModelConfig& config,
                                    std::string_view name) {
  std::vector<int64_t> order;
  if (!architecture.interleaved_rope) return order;
  const bool query = name.find(".self_attn.q_proj.") != name.npos;
  if (!query && name.find(".self_attn.k_proj.") == name.npos) return order;
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

}  // namespace ponder
