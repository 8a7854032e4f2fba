#include "model/parameters.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/philox.h"

namespace ponder {
namespace {

constexpr int64_t kAlignment = 16;  // elements: one cache line

}  // namespace

ParameterLayout::ParameterLayout(const ModelConfig& config) {
  const int64_t c = config.hidden_size, q = config.q_size(), kv = config.kv_size();
  const int64_t h = config.intermediate_size;
  const bool qkv_bias = config.qkv_bias(), qk_norm = config.qk_norm();
  add("model.embed_tokens.weight", {config.vocab_size, c});
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    add(prefix + "input_layernorm.weight", {c});
    const auto projection = [&](const char* name, int64_t rows) {
      add(fmt::format("{}self_attn.{}.weight", prefix, name), {rows, c});
      if (qkv_bias) add(fmt::format("{}self_attn.{}.bias", prefix, name), {rows});
    };
    projection("q_proj", q);
    projection("k_proj", kv);
    projection("v_proj", kv);
    if (qk_norm) {
      add(prefix + "self_attn.q_norm.weight", {config.head_dim});
      add(prefix + "self_attn.k_norm.weight", {config.head_dim});
    }
    add(prefix + "self_attn.o_proj.weight", {c, q});
    add(prefix + "post_attention_layernorm.weight", {c});
    add(prefix + "mlp.gate_proj.weight", {h, c});
    add(prefix + "mlp.up_proj.weight", {h, c});
    add(prefix + "mlp.down_proj.weight", {c, h});
  }
  add("model.norm.weight", {c});
  if (!config.tie_word_embeddings) add("lm_head.weight", {config.vocab_size, c});
}

void ParameterLayout::add(std::string name, std::vector<int64_t> shape) {
  ParameterInfo info;
  info.name = std::move(name);
  info.size = 1;
  for (const int64_t n : shape) info.size *= n;
  info.shape = std::move(shape);
  info.offset = total_;
  total_ += (info.size + kAlignment - 1) / kAlignment * kAlignment;
  index_.emplace(info.name, entries_.size());
  entries_.push_back(std::move(info));
}

const ParameterInfo& ParameterLayout::at(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) throw Error(name, "the model has no parameter of this name");
  return entries_[found->second];
}

Parameters::Parameters(const ModelConfig& config, std::string buffer_name)
    : layout_(config), buffer_(std::move(buffer_name), layout_.total()) {}

std::span<float> Parameters::at(const std::string& name) {
  const ParameterInfo& info = layout_.at(name);
  return buffer_.slice(info.offset, info.size);
}

std::span<const float> Parameters::at(const std::string& name) const {
  const ParameterInfo& info = layout_.at(name);
  return buffer_.slice(info.offset, info.size);
}

void initialise(Parameters& parameters, const ModelConfig& config, uint64_t seed,
                ThreadPool* pool) {
  for (const ParameterInfo& info : parameters.layout().entries()) {
    const std::span<float> values =
        parameters.flat().subspan(static_cast<size_t>(info.offset), static_cast<size_t>(info.size));
    if (!info.is_matrix()) {
      std::fill(values.begin(), values.end(), info.name.ends_with(".bias") ? 0.0f : 1.0f);
      continue;
    }
    const Random random(seed, stable_hash64(info.name));
    const auto fill = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const double normal = random.normal(static_cast<uint64_t>(i));
        values[static_cast<size_t>(i)] = static_cast<float>(config.initializer_range * normal);
      }
    };
    if (pool) {
      pool->parallel_for(info.size, 4096, fill);
    } else {
      fill(0, info.size);
    }
  }
}

}  // namespace ponder
