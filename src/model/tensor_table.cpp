#include "model/tensor_table.h"

#include <fmt/format.h>

#include <map>
#include <span>
#include <tuple>

#include "base/error.h"

namespace ponder::model {
namespace {

// Sizes of a config, by what they count.
enum class Dim { kNone, kHidden, kQ, kKv, kIntermediate, kVocab, kQNorm, kKNorm };

int64_t value_of(Dim dim, const ModelConfig& config, const LayerSpec& spec) {
  const bool whole = spec.qk_norm == QkNorm::kWhole;
  switch (dim) {
    case Dim::kNone:
      return 0;
    case Dim::kHidden:
      return config.hidden_size;
    case Dim::kQ:
      return config.q_size();
    case Dim::kKv:
      return config.kv_size();
    case Dim::kIntermediate:
      return config.intermediate_size;
    case Dim::kVocab:
      return config.vocab_size;
    case Dim::kQNorm:
      return whole ? config.q_size() : config.head_dim;
    case Dim::kKNorm:
      return whole ? config.kv_size() : config.head_dim;
  }
  return 0;
}

// Matrices are drawn at random and decay; norms begin as ones, biases as zeros, and neither decays.
enum class Kind { kMatrix, kNorm, kBias };
enum class When { kAlways, kQkvBias, kQkNorm, kUntied };

struct TensorRow {
  TensorRole role;
  std::string_view name, gguf;  // below the layer's prefix, where it is of a layer
  Kind kind;
  Dim rows, columns;
  FusedMatrix fused = FusedMatrix::kNone;
  When when = When::kAlways;
};

constexpr TensorRow kEmbeddingRow = {TensorRole::kEmbedding,
                                     "model.embed_tokens.weight",
                                     "token_embd.weight",
                                     Kind::kMatrix,
                                     Dim::kVocab,
                                     Dim::kHidden};

std::span<const TensorRow> layer_rows() {
  using enum TensorRole;
  using enum Kind;
  using M = FusedMatrix;
  static constexpr TensorRow kRows[] = {
      {kAttentionNorm, "input_layernorm.weight", "attn_norm.weight", kNorm, Dim::kHidden,
       Dim::kNone},
      {kQ, "self_attn.q_proj.weight", "attn_q.weight", kMatrix, Dim::kQ, Dim::kHidden, M::kQkv},
      {kQBias, "self_attn.q_proj.bias", "attn_q.bias", kBias, Dim::kQ, Dim::kNone, M::kQkv,
       When::kQkvBias},
      {kK, "self_attn.k_proj.weight", "attn_k.weight", kMatrix, Dim::kKv, Dim::kHidden, M::kQkv},
      {kKBias, "self_attn.k_proj.bias", "attn_k.bias", kBias, Dim::kKv, Dim::kNone, M::kQkv,
       When::kQkvBias},
      {kV, "self_attn.v_proj.weight", "attn_v.weight", kMatrix, Dim::kKv, Dim::kHidden, M::kQkv},
      {kVBias, "self_attn.v_proj.bias", "attn_v.bias", kBias, Dim::kKv, Dim::kNone, M::kQkv,
       When::kQkvBias},
      {kQNorm, "self_attn.q_norm.weight", "attn_q_norm.weight", kNorm, Dim::kQNorm, Dim::kNone,
       M::kNone, When::kQkNorm},
      {kKNorm, "self_attn.k_norm.weight", "attn_k_norm.weight", kNorm, Dim::kKNorm, Dim::kNone,
       M::kNone, When::kQkNorm},
      {kO, "self_attn.o_proj.weight", "attn_output.weight", kMatrix, Dim::kHidden, Dim::kQ,
       M::kAttentionOut},
      {kMlpNorm, "post_attention_layernorm.weight", "ffn_norm.weight", kNorm, Dim::kHidden,
       Dim::kNone},
      {kGate, "mlp.gate_proj.weight", "ffn_gate.weight", kMatrix, Dim::kIntermediate, Dim::kHidden,
       M::kGateUp},
      {kUp, "mlp.up_proj.weight", "ffn_up.weight", kMatrix, Dim::kIntermediate, Dim::kHidden,
       M::kGateUp},
      {kDown, "mlp.down_proj.weight", "ffn_down.weight", kMatrix, Dim::kHidden, Dim::kIntermediate,
       M::kMlpDown},
  };
  return kRows;
}

constexpr TensorRow kFinalRows[] = {
    {TensorRole::kFinalNorm, "model.norm.weight", "output_norm.weight", Kind::kNorm, Dim::kHidden,
     Dim::kNone},
    {TensorRole::kHead, "lm_head.weight", "output.weight", Kind::kMatrix, Dim::kVocab, Dim::kHidden,
     FusedMatrix::kHead, When::kUntied},
};

bool is_there(When when, const ModelConfig& config, const LayerSpec& spec) {
  switch (when) {
    case When::kAlways:
      return true;
    case When::kQkvBias:
      return spec.qkv_bias;
    case When::kQkNorm:
      return spec.qk_norm != QkNorm::kNone;
    case When::kUntied:
      return !config.tie_word_embeddings;
  }
  return false;
}

// Adds rows, stacking those of one fused matrix below each other; biases beside their weights.
class TableBuilder {
 public:
  explicit TableBuilder(const ModelConfig& config) : config_(config) {}

  void add(const TensorRow& row, int64_t layer = -1) {
    const LayerSpec own = layer < 0 ? LayerSpec() : config_.layer(layer);
    if (!is_there(row.when, config_, own)) return;
    std::string_view name = row.name, gguf_name = row.gguf;
    for (const TensorNames& names : config_.architecture().names) {
      if (layer < 0 || names.role != row.role) continue;
      name = names.name;
      gguf_name = names.gguf_name;
    }
    TensorSpec spec;
    spec.role = row.role;
    spec.layer = layer;
    spec.name = layer < 0 ? std::string(name) : fmt::format("model.layers.{}.{}", layer, name);
    spec.gguf_name =
        layer < 0 ? std::string(gguf_name) : fmt::format("blk.{}.{}", layer, gguf_name);
    spec.shape = {value_of(row.rows, config_, own)};
    if (row.kind == Kind::kMatrix) spec.shape.push_back(value_of(row.columns, config_, own));
    spec.init = row.kind == Kind::kMatrix ? TensorInit::kNormal
                : row.kind == Kind::kNorm ? TensorInit::kOnes
                                          : TensorInit::kZeros;
    spec.decays = row.kind == Kind::kMatrix;
    const bool is_head = row.role == TensorRole::kEmbedding && config_.tie_word_embeddings;
    spec.fused = is_head ? FusedMatrix::kHead : row.fused;
    spec.fused_row = 0;
    if (spec.fused != FusedMatrix::kNone) {
      int64_t& next = next_row_[{layer, spec.fused, row.kind}];
      spec.fused_row = next;
      next += spec.shape[0];
    }
    rows_.push_back(std::move(spec));
  }
  std::vector<TensorSpec> take() { return std::move(rows_); }

 private:
  const ModelConfig& config_;
  std::vector<TensorSpec> rows_;
  std::map<std::tuple<int64_t, FusedMatrix, Kind>, int64_t> next_row_;
};

}  // namespace

int64_t TensorSpec::num_elements() const {
  int64_t count = 1;
  for (const int64_t n : shape) count *= n;
  return count;
}

std::vector<TensorSpec> tensor_table(const ModelConfig& config) {
  TableBuilder table(config);
  table.add(kEmbeddingRow);
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    for (const TensorRow& row : layer_rows()) table.add(row, layer);
  }
  for (const TensorRow& row : kFinalRows) table.add(row);
  return table.take();
}

std::string_view tensor_name(TensorRole role) {
  if (role == TensorRole::kEmbedding) return kEmbeddingRow.name;
  for (const TensorRow& row : kFinalRows) {
    if (row.role == role) return row.name;
  }
  throw Error("tensor table", "a layer's tensor has a name only with its layer");
}

}  // namespace ponder::model
