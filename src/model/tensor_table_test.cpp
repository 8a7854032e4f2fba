#include "model/tensor_table.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "model/parameters.h"
#include "tensor/safetensors.h"
#include "testing/folders.h"
#include "testing/tiny_config.h"

namespace ponder::model {
namespace {

namespace fs = std::filesystem;

ModelConfig tiny(const std::string& model_type, bool tied) {
  ModelConfig config = testing::tiny_config(300);
  config.model_type = model_type;
  config.hidden_size = 36;
  config.intermediate_size = 50;
  config.num_hidden_layers = 3;
  config.num_attention_heads = 6;
  config.tie_word_embeddings = tied;
  return config;
}

// The golden checkpoints were written by transformers' names and shapes.
TEST(TensorTable, EqualsTheTensorsOfEveryGoldenCheckpoint) {
  size_t checkpoints = 0;
  for (const auto& folder : fs::directory_iterator(testing::source_dir() / "tests/golden")) {
    const fs::path config_path = folder.path() / "config.json",
                   weights_path = folder.path() / "model.safetensors";
    if (!fs::exists(config_path) || !fs::exists(weights_path)) continue;
    SCOPED_TRACE(folder.path().string());
    const ModelConfig config =
        ModelConfig::from_json(read_json_file(config_path), config_path.string());
    const tensor::SafetensorsFile file(weights_path);
    std::map<std::string, std::vector<int64_t>> stored, expected;
    for (const tensor::TensorEntry& entry : file.tensors()) stored.emplace(entry.name, entry.shape);
    for (const TensorSpec& tensor : tensor_table(config)) {
      EXPECT_TRUE(expected.emplace(tensor.name, tensor.shape).second) << tensor.name;
    }
    EXPECT_EQ(stored, expected);
    ++checkpoints;
  }
  EXPECT_GE(checkpoints, architectures().size());
}

TEST(TensorTable, RowsSayWhatBecomesOfThem) {
  for (const Architecture& architecture : architectures()) {
    for (const bool tied : {true, false}) {
      const ModelConfig config = tiny(std::string(architecture.model_type), tied);
      SCOPED_TRACE(config.model_type);
      int64_t elements = 0, multiplied = 0;
      std::set<std::string> gguf_names;
      for (const TensorSpec& tensor : tensor_table(config)) {
        SCOPED_TRACE(tensor.name);
        elements += tensor.num_elements();
        EXPECT_TRUE(gguf_names.insert(tensor.gguf_name).second);
        EXPECT_EQ(tensor.decays, tensor.is_matrix());
        const bool bias = tensor.name.ends_with(".bias");
        EXPECT_EQ(tensor.init, tensor.is_matrix() ? TensorInit::kNormal
                               : bias             ? TensorInit::kZeros
                                                  : TensorInit::kOnes);
        const bool looked_up = tensor.role == TensorRole::kEmbedding && !tied;
        EXPECT_EQ(tensor.fused != FusedMatrix::kNone, (tensor.is_matrix() || bias) && !looked_up);
        if (tensor.is_matrix() && !looked_up) multiplied += tensor.num_elements();
      }
      EXPECT_EQ(elements, config.num_parameters());
      EXPECT_EQ(multiplied, config.num_matrix_elements());
    }
  }
}

// What is stacked lies below each other without a gap, a bias beside its weight.
TEST(TensorTable, FusedMatricesAreWhole) {
  for (const Architecture& architecture : architectures()) {
    for (const bool tied : {true, false}) {
      const ModelConfig config = tiny(std::string(architecture.model_type), tied);
      SCOPED_TRACE(config.model_type);
      const ParameterLayout layout(config);
      const auto rows_of = [&](FusedMatrix matrix, int64_t layer, int64_t columns) {
        int64_t rows = 0;
        for (const ParameterInfo* info : layout.weights_of(matrix, layer)) {
          EXPECT_EQ(info->fused_row, rows) << info->name;
          EXPECT_EQ(info->shape.at(1), columns) << info->name;
          rows += info->shape[0];
        }
        const auto weights = layout.weights_of(matrix, layer),
                   biases = layout.biases_of(matrix, layer);
        for (size_t i = 0; i < biases.size(); ++i) {
          EXPECT_EQ(biases[i]->fused_row, weights.at(i)->fused_row) << biases[i]->name;
          EXPECT_EQ(biases[i]->size, weights.at(i)->shape[0]) << biases[i]->name;
        }
        return rows;
      };
      for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
        EXPECT_EQ(rows_of(FusedMatrix::kQkv, layer, 36), 96 + 2 * 32);
        EXPECT_EQ(rows_of(FusedMatrix::kAttentionOut, layer, 96), 36);
        EXPECT_EQ(rows_of(FusedMatrix::kGateUp, layer, 36), 100);
        EXPECT_EQ(rows_of(FusedMatrix::kMlpDown, layer, 50), 36);
      }
      EXPECT_EQ(rows_of(FusedMatrix::kHead, -1, 36), 300);
      const TensorRole head = tied ? TensorRole::kEmbedding : TensorRole::kHead;
      EXPECT_EQ(layout.weights_of(FusedMatrix::kHead).front()->role, head);
    }
  }
}

TEST(TensorTable, NamesOfLlamaCpp) {
  std::map<std::string, std::string> expected = {
      {"model.embed_tokens.weight", "token_embd.weight"},
      {"model.norm.weight", "output_norm.weight"},
      {"lm_head.weight", "output.weight"},
      {"model.layers.2.input_layernorm.weight", "blk.2.attn_norm.weight"},
      {"model.layers.2.self_attn.q_proj.bias", "blk.2.attn_q.bias"},
      {"model.layers.2.self_attn.k_proj.bias", "blk.2.attn_k.bias"},
      {"model.layers.2.self_attn.v_proj.bias", "blk.2.attn_v.bias"},
      {"model.layers.2.self_attn.q_proj.weight", "blk.2.attn_q.weight"},
      {"model.layers.2.self_attn.k_proj.weight", "blk.2.attn_k.weight"},
      {"model.layers.2.self_attn.v_proj.weight", "blk.2.attn_v.weight"},
      {"model.layers.2.self_attn.q_norm.weight", "blk.2.attn_q_norm.weight"},
      {"model.layers.2.self_attn.k_norm.weight", "blk.2.attn_k_norm.weight"},
      {"model.layers.2.self_attn.o_proj.weight", "blk.2.attn_output.weight"},
      {"model.layers.2.post_attention_layernorm.weight", "blk.2.ffn_norm.weight"},
      {"model.layers.2.mlp.gate_proj.weight", "blk.2.ffn_gate.weight"},
      {"model.layers.2.mlp.up_proj.weight", "blk.2.ffn_up.weight"},
      {"model.layers.2.mlp.down_proj.weight", "blk.2.ffn_down.weight"},
  };
  std::map<std::string, std::string> found;
  for (const char* model_type : {"qwen2", "qwen3"}) {
    for (const TensorSpec& tensor : tensor_table(tiny(model_type, false))) {
      if (tensor.layer == -1 || tensor.layer == 2) found.emplace(tensor.name, tensor.gguf_name);
    }
  }
  EXPECT_EQ(found, expected);
}

TEST(TensorTable, OnlyTensorsOfTheWholeModelHaveANameByThemselves) {
  EXPECT_EQ(tensor_name(TensorRole::kHead), "lm_head.weight");
  EXPECT_THROW(tensor_name(TensorRole::kQ), Error);
}

}  // namespace
}  // namespace ponder::model
