#include "model/decoder_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "base/error.h"
#include "ops/bf16_matmul.h"
#include "ops/bf16_rounding.h"
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

using tensor::DType;
using tensor::Precision;

// Finite numbers that rounding to bf16 makes infinite.
int64_t count_overflowing(std::span<const float> values) {
  return std::count_if(values.begin(), values.end(), [](float x) {
    return std::abs(x) >= 0x1.ffp127f && std::abs(x) <= std::numeric_limits<float>::max();
  });
}

void refuse_overflow(const ParameterInfo& info, int64_t count) {
  if (count == 0) return;
  throw Error(fmt::format("tensor \"{}\"", info.name),
              fmt::format("{} of its {} weights are beyond the largest bf16 number (3.39e38)",
                          count, info.size),
              "compute in f32, or look at the weights with `ponder inspect`");
}

void check_overflow(const ParameterInfo& info, std::span<const float> values, ThreadPool& threads) {
  std::atomic<int64_t> count = 0;
  threads.parallel_for(
      static_cast<int64_t>(values.size()), 1 << 16, [&](int64_t begin, int64_t end) {
        count += count_overflowing(
            values.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
      });
  refuse_overflow(info, count);
}

// fill(panels): of the stack, for the arithmetic; in f32 they are of `storage`.
template <class Fill>
void fill_panels(Linear& linear, const Stack& stack, Precision precision, DType storage,
                 const Fill& fill) {
  precision == Precision::kBf16 ? fill(linear.bf16_panels(stack.name, stack.K, stack.N))
                                : fill(linear.panels(stack.name, stack.K, stack.N, storage));
}

// What each thread reads and packs at a time, about.
constexpr int64_t kChunkBytes = int64_t{1} << 20;

// Where to read to: a chunk a thread.
class Chunks {
 public:
  explicit Chunks(ThreadPool& threads) : threads_(threads) {
    for (int t = 0; t < threads.num_threads(); ++t) buffers_.emplace_back("weights being read", 0);
  }
  // take(bytes, first row, rows) for all rows of a tensor, some at a time, a multiple of `multiple`
  // rows but for the last; on every thread its share of them. How many finite numbers bf16 would not
  // hold comes back.
  template <class Take>
  int64_t for_each(const ParameterInfo& info, const WeightFiles& files, int64_t multiple,
                   const Take& take) {
    const DType dtype = files.entry(info.name).dtype;
    const int64_t row_bytes = info.shape[1] * tensor::size_bytes(dtype);
    const int64_t step = std::max<int64_t>(kChunkBytes / (row_bytes * multiple), 1) * multiple;
    const int64_t all_rows = info.shape[0], steps = (all_rows + step - 1) / step;
    const int64_t count = threads_.num_threads();
    std::atomic<int64_t> overflowing = 0;
    threads_.run([&](int thread) {
      tensor::Buffer& chunk = buffers_[static_cast<size_t>(thread)];
      chunk.reserve((step * row_bytes + 3) / 4);
      char* bytes = reinterpret_cast<char*>(chunk.data());
      for (int64_t s = steps * thread / count; s < steps * (thread + 1) / count; ++s) {
        const int64_t row = s * step, rows = std::min(step, all_rows - row);
        const auto size = static_cast<size_t>(rows * row_bytes);
        files.read_bytes(info.name, static_cast<uint64_t>(row * row_bytes), {bytes, size});
        if (dtype == DType::kF32)
          overflowing += count_overflowing({chunk.data(), size / sizeof(float)});
        take(bytes, row, rows);
      }
    });
    return overflowing;
  }

 private:
  ThreadPool& threads_;
  std::vector<tensor::Buffer> buffers_;
};

// Reads a matrix's tensors into its panels, every thread its share of the rows.
void read_matrix(Linear& linear, const Stack& stack, Precision precision, const WeightFiles& files,
                 Chunks& chunks) {
  bool narrow = true;
  for (const ParameterInfo* info : stack.weights)
    narrow = narrow && files.entry(info->name).dtype == DType::kBF16;
  fill_panels(linear, stack, precision, narrow ? DType::kBF16 : DType::kF32, [&](auto& panels) {
    for (const ParameterInfo* info : stack.weights) {
      const DType dtype = files.entry(info->name).dtype;
      const int64_t overflowing = chunks.for_each(
          *info, files, panels.kPanel, [&](const char* bytes, int64_t row, int64_t rows) {
            panels.pack_weight(bytes, dtype, rows, info->fused_row + row);
          });
      if (precision == Precision::kBf16) refuse_overflow(*info, overflowing);
    }
  });
}

// Into `table`, of `to` in place of the file's dtype; returns how many bf16 would not hold.
int64_t read_table(tensor::Buffer& table, DType to, const ParameterInfo& info,
                   const WeightFiles& files, Chunks& chunks) {
  const DType from = files.entry(info.name).dtype;
  const int64_t row_bytes = info.shape[1] * tensor::size_bytes(to);
  return chunks.for_each(info, files, 1, [&](const char* bytes, int64_t row, int64_t rows) {
    char* place = reinterpret_cast<char*>(table.data()) + row * row_bytes;
    if (from == to) {
      std::memcpy(place, bytes, static_cast<size_t>(rows * row_bytes));
      return;
    }
    std::vector<float> wide(static_cast<size_t>(rows * info.shape[1]));
    tensor::to_f32(wide, bytes, from);
    tensor::from_f32(place, wide, to);
  });
}

// In bf16 arithmetic, of all that is rounded.
void check_matrices(const Parameters& parameters, ThreadPool& threads) {
  for (const ParameterInfo& info : parameters.layout().entries()) {
    if (info.is_matrix()) check_overflow(info, parameters.at(info), threads);
  }
}

// Lays a matrix out in its arithmetic's panels; in f32 they are of `storage`.
void pack_stack(Linear& linear, const Stack& stack, Precision precision, DType storage,
                const Parameters& parameters, ThreadPool& threads) {
  fill_panels(linear, stack, precision, storage, [&](auto& panels) {
    for (const ParameterInfo* info : stack.weights) {
      panels.pack_weight(parameters.at(*info).data(), DType::kF32, info->shape[0], info->fused_row,
                         threads);
    }
  });
}

// The matrix by set_matrix(linear, stack), and a copy of its bias.
template <class Set>
void set_stack(Linear& linear, const Stack& stack, const Parameters& parameters,
               const Set& set_matrix) {
  set_matrix(linear, stack);
  fill_bias(linear, stack, [&](std::span<float> to, const ParameterInfo& info) {
    std::copy_n(parameters.at(info).begin(), to.size(), to.begin());
  });
}

void read_vector(std::span<float> to, const ParameterInfo& info, const WeightFiles& files) {
  const DType dtype = files.entry(info.name).dtype;
  std::vector<char> bytes(to.size() * static_cast<size_t>(tensor::size_bytes(dtype)));
  files.read_bytes(info.name, 0, bytes);
  tensor::to_f32(to, bytes.data(), dtype);
}

}  // namespace

DecoderWeights::DecoderWeights(const ModelConfig& config, Precision precision)
    : precision_(precision), layers_(static_cast<size_t>(config.num_hidden_layers)) {}

void DecoderWeights::forget_followed() {
  followed_ = nullptr;
  reached_ = {};
  reached_layer_ = -1;
}

void DecoderWeights::load(const ModelConfig& config, const WeightFiles& files,
                          ThreadPool& threads) {
  if (config.tie_word_embeddings) files.check_tied_head();
  const ParameterLayout layout(config);
  Chunks chunks(threads);
  vectors_.clear();
  forget_followed();
  const auto read_matrix_of = [&](Linear& linear, FusedMatrix matrix, int64_t layer) {
    const Stack stack(layout, matrix, layer);
    read_matrix(linear, stack, precision_, files, chunks);
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
  for (size_t i = 0; i < layers_.size(); ++i) {
    const auto layer = static_cast<int64_t>(i);
    for_each_place(
        layers_[i],
        [&](Linear& linear, FusedMatrix matrix) { read_matrix_of(linear, matrix, layer); },
        [&](const float*& norm, TensorRole role) { read_norm(norm, role, layer); });
  }
  read_norm(final_norm, TensorRole::kFinalNorm, -1);
  read_matrix_of(lm_head, FusedMatrix::kHead, -1);
  embedding = nullptr;
  if (config.tie_word_embeddings) return;
  const ParameterInfo& info = *layout.find(TensorRole::kEmbedding);
  table_dtype_ = precision_ == Precision::kBf16 ? DType::kBF16 : files.entry(info.name).dtype;
  table_.reserve((info.size * tensor::size_bytes(table_dtype_) + 3) / 4);
  const int64_t overflowing = read_table(table_, table_dtype_, info, files, chunks);
  if (precision_ == Precision::kBf16) refuse_overflow(info, overflowing);
}

int64_t DecoderWeights::matrix_bytes() const {
  int64_t bytes = lm_head.size_bytes();
  for (const LayerWeights& layer : layers_) {
    for (const Linear* matrix : {&layer.qkv, &layer.out, &layer.gate_up, &layer.down}) {
      bytes += matrix->size_bytes();
    }
  }
  return bytes;
}

void DecoderWeights::embed(float* x, std::span<const int32_t> tokens, ThreadPool& threads) const {
  const int64_t C = lm_head.K(), T = static_cast<int64_t>(tokens.size());
  if (embedding) {
    ponder::ops::embedding(x, tokens.data(), embedding, {T, C}, threads);
    if (precision_ == Precision::kBf16) ops::round_to_bf16({x, C}, nullptr, {T, C}, threads);
    return;
  }
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

// set_matrix(linear, stack) lays out each matrix; vectors are borrowed, biases copied.
template <class Set>
void DecoderWeights::set_layer(LayerWeights& weights, int64_t layer, const Parameters& parameters,
                               const Set& set_matrix) {
  for_each_place(
      weights,
      [&](Linear& linear, FusedMatrix matrix) {
        set_stack(linear, Stack(parameters.layout(), matrix, layer), parameters, set_matrix);
      },
      [&](const float*& norm, TensorRole role) { norm = parameters.find(role, layer); });
}

template <class Set>
void DecoderWeights::set_others(const Parameters& parameters, const Set& set_matrix) {
  set_stack(lm_head, Stack(parameters.layout(), FusedMatrix::kHead, -1), parameters, set_matrix);
  embedding = parameters.find(TensorRole::kEmbedding);
  final_norm = parameters.find(TensorRole::kFinalNorm);
}

void DecoderWeights::borrow(const Parameters& parameters) {
  forget_followed();
  const auto borrowed = [&](Linear& linear, const Stack& stack) {
    borrow_matrix(linear, stack, parameters);
  };
  for (size_t i = 0; i < layers_.size(); ++i)
    set_layer(layers_[i], static_cast<int64_t>(i), parameters, borrowed);
  set_others(parameters, borrowed);
}

void DecoderWeights::pack(const Parameters& parameters, DType storage, ThreadPool& threads) {
  forget_followed();
  if (precision_ == Precision::kBf16) check_matrices(parameters, threads);
  const auto packed = [&](Linear& linear, const Stack& stack) {
    pack_stack(linear, stack, precision_, storage, parameters, threads);
  };
  for (size_t i = 0; i < layers_.size(); ++i)
    set_layer(layers_[i], static_cast<int64_t>(i), parameters, packed);
  set_others(parameters, packed);
}

void DecoderWeights::round_as_reached(const Parameters& parameters, ThreadPool& threads) {
  check_matrices(parameters, threads);
  if (!followed_) {
    for (LayerWeights& layer : layers_) layer = {};
  }
  followed_ = &parameters;
  reached_layer_ = -1;
  set_others(parameters, [&](Linear& linear, const Stack& stack) {
    pack_stack(linear, stack, precision_, DType::kBF16, parameters, threads);
  });
}

const LayerWeights& DecoderWeights::layer(int64_t index, ThreadPool& threads) {
  if (!followed_) return layers_[static_cast<size_t>(index)];
  if (reached_layer_ != index) {
    set_layer(reached_, index, *followed_, [&](Linear& linear, const Stack& stack) {
      pack_stack(linear, stack, precision_, DType::kBF16, *followed_, threads);
    });
    reached_layer_ = index;
  }
  return reached_;
}

int64_t rounded_copy_bytes(const ModelConfig& config) {
  const ParameterLayout layout(config);
  const auto floats_of = [&](FusedMatrix matrix, int64_t layer) {
    const Stack stack(layout, matrix, layer);
    return ops::Bf16Matrix::storage_floats(stack.K, stack.N);
  };
  int64_t largest = 0;
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    int64_t floats = 0;
    for (const FusedMatrix matrix : {FusedMatrix::kQkv, FusedMatrix::kAttentionOut,
                                     FusedMatrix::kGateUp, FusedMatrix::kMlpDown})
      floats += floats_of(matrix, layer);
    largest = std::max(largest, floats);
  }
  return (floats_of(FusedMatrix::kHead, -1) + largest) * static_cast<int64_t>(sizeof(float));
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
