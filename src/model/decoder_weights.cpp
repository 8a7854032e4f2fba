#include "model/decoder_weights.h"

#include <algorithm>
#include <string>
#include <utility>

#include "ops/embedding.h"

namespace ponder::model {
namespace {

const char* panels_name(FusedMatrix matrix) {
  switch (matrix) {
    case FusedMatrix::kQkv:
      return "packed qkv_proj";
    case FusedMatrix::kAttentionOut:
      return "packed o_proj";
    case FusedMatrix::kGateUp:
      return "packed gate_proj and up_proj";
    case FusedMatrix::kMlpDown:
      return "packed down_proj";
    case FusedMatrix::kHead:
    case FusedMatrix::kNone:
      break;
  }
  return "packed lm_head";
}

// Where every tensor of a layer goes: matrix(linear, its tensors) and norm(pointer, its role).
template <class Layer, class Matrix, class Norm>
void for_each_place(Layer& layer, const Matrix& matrix, const Norm& norm) {
  matrix(layer.qkv, FusedMatrix::kQkv);
  matrix(layer.out, FusedMatrix::kAttentionOut);
  matrix(layer.gate_up, FusedMatrix::kGateUp);
  matrix(layer.down, FusedMatrix::kMlpDown);
  norm(layer.attention_norm, TensorRole::kAttentionNorm);
  norm(layer.mlp_norm, TensorRole::kMlpNorm);
  norm(layer.q_norm, TensorRole::kQNorm);
  norm(layer.k_norm, TensorRole::kKNorm);
}

// The tensors of a matrix.
struct Stack {
  Stack(const ParameterLayout& layout, FusedMatrix matrix, int64_t layer)
      : name(panels_name(matrix)),
        weights(layout.weights_of(matrix, layer)),
        biases(layout.biases_of(matrix, layer)),
        K(weights.front()->shape[1]),
        N(weights.back()->fused_row + weights.back()->shape[0]) {}

  const char* name;
  std::vector<const ParameterInfo*> weights, biases;
  int64_t K, N;
};

// fill(values, tensor) for each bias.
template <class Fill>
void fill_bias(Linear& linear, const Stack& stack, const Fill& fill) {
  linear.drop_bias();
  if (stack.biases.empty()) return;
  const std::span<float> bias = linear.make_bias();
  for (const ParameterInfo* info : stack.biases) {
    fill(bias.subspan(static_cast<size_t>(info->fused_row), static_cast<size_t>(info->size)),
         *info);
  }
}

void borrow_matrix(Linear& linear, const Stack& stack, const Parameters& parameters) {
  std::vector<ops::MatrixView::Part> parts;
  for (const ParameterInfo* info : stack.weights)
    parts.push_back({parameters.at(*info).data(), info->shape[0]});
  linear.borrow(parts, stack.K);
}

void pack_matrix(Linear& linear, const Stack& stack, const Parameters& parameters,
                 tensor::DType storage, ThreadPool& threads) {
  ops::PackedMatrix& panels = linear.panels(stack.name, stack.K, stack.N, storage);
  for (const ParameterInfo* info : stack.weights)
    panels.pack_weight(parameters.at(*info).data(), info->shape[0], info->fused_row, threads);
}

// What each thread reads and packs at a time, about.
constexpr int64_t kChunkBytes = int64_t{1} << 20;

// Reads a matrix's tensors into its panels, every thread its share of the rows.
void read_matrix(Linear& linear, const Stack& stack, const WeightFiles& files,
                 std::vector<tensor::Buffer>& chunks, ThreadPool& threads) {
  bool narrow = true;
  for (const ParameterInfo* info : stack.weights) {
    narrow = narrow && files.entry(info->name).dtype == tensor::DType::kBF16;
  }
  ops::PackedMatrix& panels = linear.panels(stack.name, stack.K, stack.N,
                                            narrow ? tensor::DType::kBF16 : tensor::DType::kF32);
  for (const ParameterInfo* info : stack.weights) {
    const tensor::DType dtype = files.entry(info->name).dtype;
    const int64_t row_bytes = stack.K * tensor::size_bytes(dtype),
                  panel = ops::PackedMatrix::kPanel;
    const int64_t step = std::max<int64_t>(kChunkBytes / (row_bytes * panel), 1) * panel;
    const int64_t all_rows = info->shape[0], steps = (all_rows + step - 1) / step;
    const int64_t count = threads.num_threads();
    threads.run([&](int thread) {
      tensor::Buffer& chunk = chunks[static_cast<size_t>(thread)];
      chunk.reserve((step * row_bytes + 3) / 4);
      char* bytes = reinterpret_cast<char*>(chunk.data());
      for (int64_t s = steps * thread / count; s < steps * (thread + 1) / count; ++s) {
        const int64_t row = s * step, rows = std::min(step, all_rows - row);
        files.read_bytes(info->name, static_cast<uint64_t>(row * row_bytes),
                         {bytes, static_cast<size_t>(rows * row_bytes)});
        panels.pack_weight(bytes, dtype, rows, info->fused_row + row);
      }
    });
  }
}

void read_vector(std::span<float> to, const ParameterInfo& info, const WeightFiles& files) {
  const tensor::DType dtype = files.entry(info.name).dtype;
  std::vector<char> bytes(to.size() * static_cast<size_t>(tensor::size_bytes(dtype)));
  files.read_bytes(info.name, 0, bytes);
  tensor::to_f32(to, bytes.data(), dtype);
}

}  // namespace

DecoderWeights::DecoderWeights(const ModelConfig& config)
    : layers(static_cast<size_t>(config.num_hidden_layers)) {}

void DecoderWeights::load(const ModelConfig& config, const WeightFiles& files,
                          ThreadPool& threads) {
  if (config.tie_word_embeddings) files.check_tied_head();
  const ParameterLayout layout(config);
  std::vector<tensor::Buffer> chunks;
  for (int t = 0; t < threads.num_threads(); ++t) chunks.emplace_back("weights being read", 0);
  vectors_.clear();
  const auto read_matrix_of = [&](Linear& linear, FusedMatrix matrix, int64_t layer) {
    const Stack stack(layout, matrix, layer);
    read_matrix(linear, stack, files, chunks, threads);
    fill_bias(linear, stack, [&](std::span<float> to, const ParameterInfo& info) {
      read_vector(to, info, files);
    });
  };
  const auto read_norm = [&](const float*& norm, TensorRole role, int64_t layer) {
    norm = nullptr;
    const ParameterInfo* info = layout.find(role, layer);
    if (!info) return;
    std::vector<float>& values = vectors_.emplace_back(static_cast<size_t>(info->size));
    read_vector(values, *info, files);
    norm = values.data();
  };
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto layer = static_cast<int64_t>(i);
    for_each_place(
        layers[i],
        [&](Linear& linear, FusedMatrix matrix) { read_matrix_of(linear, matrix, layer); },
        [&](const float*& norm, TensorRole role) { read_norm(norm, role, layer); });
  }
  read_norm(final_norm, TensorRole::kFinalNorm, -1);
  read_matrix_of(lm_head, FusedMatrix::kHead, -1);
  embedding = nullptr;
  if (config.tie_word_embeddings) return;
  const ParameterInfo& info = *layout.find(TensorRole::kEmbedding);
  table_dtype_ = files.entry(info.name).dtype;
  const int64_t bytes = info.size * tensor::size_bytes(table_dtype_);
  table_.reserve((bytes + 3) / 4);
  files.read_bytes(info.name, 0,
                   {reinterpret_cast<char*>(table_.data()), static_cast<size_t>(bytes)});
}

int64_t DecoderWeights::matrix_bytes() const {
  int64_t bytes = lm_head.size_bytes();
  for (const LayerWeights& layer : layers) {
    for (const Linear* matrix : {&layer.qkv, &layer.out, &layer.gate_up, &layer.down}) {
      bytes += matrix->size_bytes();
    }
  }
  return bytes;
}

void DecoderWeights::embed(float* x, std::span<const int32_t> tokens, ThreadPool& threads) const {
  const int64_t C = lm_head.K(), T = static_cast<int64_t>(tokens.size());
  if (embedding) return ponder::ops::embedding(x, tokens.data(), embedding, {T, C}, threads);
  const int64_t row_bytes = C * tensor::size_bytes(table_dtype_);
  const auto* table = reinterpret_cast<const char*>(table_.data());
  threads.parallel_for(T, 4, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t token = tokens[static_cast<size_t>(t)];
      if (table_.size() == 0) {
        lm_head.read_row(token, x + t * C);
      } else {
        tensor::to_f32({x + t * C, static_cast<size_t>(C)}, table + token * row_bytes,
                       table_dtype_);
      }
    }
  });
}

// set(linear, stack) lays out each matrix; vectors are borrowed, biases copied.
template <class Set>
void DecoderWeights::set(const Parameters& parameters, const Set& set_matrix) {
  const ParameterLayout& layout = parameters.layout();
  const auto matrix_of = [&](Linear& linear, FusedMatrix matrix, int64_t layer) {
    const Stack stack(layout, matrix, layer);
    set_matrix(linear, stack);
    fill_bias(linear, stack, [&](std::span<float> to, const ParameterInfo& info) {
      std::copy_n(parameters.at(info).begin(), to.size(), to.begin());
    });
  };
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto layer = static_cast<int64_t>(i);
    for_each_place(
        layers[i], [&](Linear& linear, FusedMatrix matrix) { matrix_of(linear, matrix, layer); },
        [&](const float*& norm, TensorRole role) { norm = parameters.find(role, layer); });
  }
  matrix_of(lm_head, FusedMatrix::kHead, -1);
  embedding = parameters.find(TensorRole::kEmbedding);
  final_norm = parameters.find(TensorRole::kFinalNorm);
}

void DecoderWeights::borrow(const Parameters& parameters) {
  set(parameters,
      [&](Linear& linear, const Stack& stack) { borrow_matrix(linear, stack, parameters); });
}

void DecoderWeights::pack(const Parameters& parameters, tensor::DType storage,
                          ThreadPool& threads) {
  set(parameters, [&](Linear& linear, const Stack& stack) {
    pack_matrix(linear, stack, parameters, storage, threads);
  });
}

LinearGradients gradients_of(Parameters& gradients, FusedMatrix matrix, int64_t layer) {
  const auto weights = gradients.layout().weights_of(matrix, layer);
  const auto biases = gradients.layout().biases_of(matrix, layer);
  LinearGradients result;
  for (size_t i = 0; i < weights.size(); ++i) {
    result.parts.push_back({gradients.at(*weights[i]).data(),
                            biases.empty() ? nullptr : gradients.at(*biases[i]).data(),
                            weights[i]->shape[0]});
  }
  return result;
}

LayerGradients::LayerGradients(Parameters& gradients, int64_t layer) {
  for_each_place(
      *this,
      [&](LinearGradients& linear, FusedMatrix matrix) {
        linear = gradients_of(gradients, matrix, layer);
      },
      [&](float*& norm, TensorRole role) { norm = gradients.find(role, layer); });
}

}  // namespace ponder::model
