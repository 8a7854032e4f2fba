#include "model/decoder_weights.h"

#include <algorithm>
#include <string>
#include <utility>

#include "ops/embedding.h"

namespace ponder {
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

// The tensors a matrix is stacked from.
struct Stack {
  Stack(const ParameterLayout& layout, FusedMatrix matrix, int64_t layer = -1)
      : name(panels_name(matrix)),
        parts(layout.weights_of(matrix, layer)),
        K(parts.front()->shape[1]),
        N(parts.back()->fused_row + parts.back()->shape[0]) {}

  const char* name;
  std::vector<const ParameterInfo*> parts;
  int64_t K, N;
};

constexpr FusedMatrix kLayerMatrices[] = {FusedMatrix::kQkv, FusedMatrix::kAttentionOut,
                                          FusedMatrix::kGateUp, FusedMatrix::kMlpDown};

Projection& matrix_of(LayerWeights& layer, FusedMatrix matrix) {
  switch (matrix) {
    case FusedMatrix::kAttentionOut:
      return layer.out;
    case FusedMatrix::kGateUp:
      return layer.gate_up;
    case FusedMatrix::kMlpDown:
      return layer.down;
    default:
      return layer.qkv;
  }
}

// A layer's norms: set(where it goes, its tensor) for each that the model has.
template <class Set>
void for_each_norm(LayerWeights& weights, const ParameterLayout& layout, int64_t layer,
                   const Set& set) {
  const std::pair<const float**, TensorRole> norms[] = {
      {&weights.input_norm, TensorRole::kAttentionNorm},
      {&weights.post_norm, TensorRole::kMlpNorm},
      {&weights.q_norm, TensorRole::kQNorm},
      {&weights.k_norm, TensorRole::kKNorm}};
  for (const auto& [to, role] : norms) {
    if (const ParameterInfo* info = layout.find(role, layer)) set(*to, *info);
  }
}

// The biases of q, k and v, one below the other: set(values, tensor) for each.
template <class Set>
void for_each_bias(LayerWeights& weights, const ParameterLayout& layout, int64_t layer,
                   const Set& set) {
  const auto biases = layout.biases_of(FusedMatrix::kQkv, layer);
  if (biases.empty()) return;
  weights.qkv_bias.resize(static_cast<size_t>(biases.back()->fused_row + biases.back()->size));
  for (const ParameterInfo* info : biases) {
    set(std::span(weights.qkv_bias)
            .subspan(static_cast<size_t>(info->fused_row), static_cast<size_t>(info->size)),
        *info);
  }
}

void borrow_stack(Projection& to, const Stack& stack, const Parameters& parameters) {
  to.panels = PackedMatrix();
  to.K = stack.K;
  to.parts.clear();
  for (const ParameterInfo* part : stack.parts)
    to.parts.push_back({parameters.at(*part).data(), part->shape[0]});
}

// Makes room in the shape and storage asked for, once.
PackedMatrix& prepare(Projection& to, const Stack& stack, DType storage) {
  PackedMatrix& matrix = to.panels;
  to.parts.clear();
  if (matrix.N() == stack.N && matrix.K() == stack.K && matrix.storage() == storage) return matrix;
  matrix = PackedMatrix();  // what is there goes first
  return matrix = PackedMatrix(stack.name, stack.K, stack.N, storage);
}

void pack_stack(Projection& to, const Stack& stack, const Parameters& parameters, DType storage,
                ThreadPool& pool) {
  PackedMatrix& matrix = prepare(to, stack, storage);
  for (const ParameterInfo* part : stack.parts) {
    matrix.pack_weight(parameters.at(*part).data(), part->shape[0], part->fused_row, pool);
  }
}

// What each thread reads and packs at a time, about.
constexpr int64_t kChunkBytes = int64_t{1} << 20;

// Reads a matrix's tensors into its panels, every thread its share of the rows.
void read_stack(Projection& to, const Stack& stack, const WeightFiles& files,
                std::vector<Buffer>& chunks, ThreadPool& pool) {
  bool narrow = true;
  for (const ParameterInfo* part : stack.parts) {
    narrow = narrow && files.entry(part->name).dtype == DType::kBF16;
  }
  PackedMatrix& matrix = prepare(to, stack, narrow ? DType::kBF16 : DType::kF32);
  for (const ParameterInfo* part : stack.parts) {
    const DType dtype = files.entry(part->name).dtype;
    const int64_t row_bytes = stack.K * size_bytes(dtype), panel = PackedMatrix::kPanel;
    const int64_t step = std::max<int64_t>(kChunkBytes / (row_bytes * panel), 1) * panel;
    const int64_t part_rows = part->shape[0];
    const int64_t steps = (part_rows + step - 1) / step, threads = pool.num_threads();
    pool.run([&](int thread) {
      Buffer& chunk = chunks[static_cast<size_t>(thread)];
      chunk.reserve((step * row_bytes + 3) / 4);
      char* bytes = reinterpret_cast<char*>(chunk.data());
      for (int64_t s = steps * thread / threads; s < steps * (thread + 1) / threads; ++s) {
        const int64_t row = s * step, rows = std::min(step, part_rows - row);
        files.read_bytes(part->name, static_cast<uint64_t>(row * row_bytes),
                         {bytes, static_cast<size_t>(rows * row_bytes)});
        matrix.pack_weight(bytes, dtype, rows, part->fused_row + row);
      }
    });
  }
}

void read_vector(std::span<float> to, const std::string& tensor, const WeightFiles& files) {
  const DType dtype = files.entry(tensor).dtype;
  std::vector<char> bytes(to.size() * static_cast<size_t>(size_bytes(dtype)));
  files.read_bytes(tensor, 0, bytes);
  to_f32(to, bytes.data(), dtype);
}

}  // namespace

DecoderWeights::DecoderWeights(const ModelConfig& config)
    : layers(static_cast<size_t>(config.num_hidden_layers)) {}

void DecoderWeights::load(const ModelConfig& config, const WeightFiles& files, ThreadPool& pool) {
  if (config.tie_word_embeddings) files.check_tied_head();
  const ParameterLayout layout(config);
  std::vector<Buffer> chunks;
  for (int t = 0; t < pool.num_threads(); ++t) chunks.emplace_back("weights being read", 0);
  vectors_.clear();
  const auto read_norm = [&](const float*& to, const ParameterInfo& info) {
    std::vector<float>& values = vectors_.emplace_back(static_cast<size_t>(info.size));
    read_vector(values, info.name, files);
    to = values.data();
  };
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    layers[static_cast<size_t>(i)] = LayerWeights();
    LayerWeights& layer = layers[static_cast<size_t>(i)];
    for (const FusedMatrix matrix : kLayerMatrices) {
      read_stack(matrix_of(layer, matrix), Stack(layout, matrix, i), files, chunks, pool);
    }
    for_each_norm(layer, layout, i, read_norm);
    for_each_bias(layer, layout, i, [&](std::span<float> to, const ParameterInfo& info) {
      read_vector(to, info.name, files);
    });
  }
  read_norm(final_norm, *layout.find(TensorRole::kFinalNorm));
  read_stack(lm_head, Stack(layout, FusedMatrix::kHead), files, chunks, pool);
  embedding = nullptr;
  if (config.tie_word_embeddings) return;
  const ParameterInfo& info = *layout.find(TensorRole::kEmbedding);
  table_dtype_ = files.entry(info.name).dtype;
  const int64_t bytes = info.size * size_bytes(table_dtype_);
  table_.reserve((bytes + 3) / 4);
  files.read_bytes(info.name, 0,
                   {reinterpret_cast<char*>(table_.data()), static_cast<size_t>(bytes)});
}

int64_t DecoderWeights::matrix_bytes() const {
  int64_t bytes = lm_head.size_bytes();
  for (const LayerWeights& layer : layers) {
    for (const Projection* matrix : {&layer.qkv, &layer.out, &layer.gate_up, &layer.down}) {
      bytes += matrix->size_bytes();
    }
  }
  return bytes;
}

void DecoderWeights::embed(float* x, std::span<const int32_t> tokens, ThreadPool& pool) const {
  const PackedMatrix& head = lm_head.panels;
  const int64_t C = lm_head.forward().K(), T = static_cast<int64_t>(tokens.size());
  if (embedding) return ponder::embedding(x, tokens.data(), embedding, T, C, pool);
  const int64_t row_bytes = C * size_bytes(table_dtype_);
  const auto* table = reinterpret_cast<const char*>(table_.data());
  pool.parallel_for(T, 4, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t token = tokens[static_cast<size_t>(t)];
      if (table_.size() == 0) {
        head.read_column(token, x + t * C);
      } else {
        to_f32({x + t * C, static_cast<size_t>(C)}, table + token * row_bytes, table_dtype_);
      }
    }
  });
}

void DecoderWeights::borrow_vectors(const Parameters& parameters) {
  const ParameterLayout& layout = parameters.layout();
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto layer = static_cast<int64_t>(i);
    for_each_norm(layers[i], layout, layer, [&](const float*& to, const ParameterInfo& info) {
      to = parameters.at(info).data();
    });
    for_each_bias(layers[i], layout, layer, [&](std::span<float> to, const ParameterInfo& info) {
      std::copy_n(parameters.at(info).begin(), to.size(), to.begin());
    });
  }
  embedding = parameters.find(TensorRole::kEmbedding);
  final_norm = parameters.find(TensorRole::kFinalNorm);
}

void DecoderWeights::borrow(const Parameters& parameters) {
  const ParameterLayout& layout = parameters.layout();
  for (size_t i = 0; i < layers.size(); ++i) {
    for (const FusedMatrix matrix : kLayerMatrices) {
      borrow_stack(matrix_of(layers[i], matrix), Stack(layout, matrix, static_cast<int64_t>(i)),
                   parameters);
    }
  }
  borrow_stack(lm_head, Stack(layout, FusedMatrix::kHead), parameters);
  borrow_vectors(parameters);
}

void DecoderWeights::pack(const Parameters& parameters, DType storage, ThreadPool& pool) {
  const ParameterLayout& layout = parameters.layout();
  for (size_t i = 0; i < layers.size(); ++i) {
    for (const FusedMatrix matrix : kLayerMatrices) {
      pack_stack(matrix_of(layers[i], matrix), Stack(layout, matrix, static_cast<int64_t>(i)),
                 parameters, storage, pool);
    }
  }
  pack_stack(lm_head, Stack(layout, FusedMatrix::kHead), parameters, storage, pool);
  borrow_vectors(parameters);
}

LayerGradients::LayerGradients(Parameters& gradients, int64_t layer) {
  const auto at = [&](TensorRole role) { return gradients.find(role, layer); };
  input_norm = at(TensorRole::kAttentionNorm);
  post_norm = at(TensorRole::kMlpNorm);
  q_norm = at(TensorRole::kQNorm);
  k_norm = at(TensorRole::kKNorm);
  q_weight = at(TensorRole::kQ);
  k_weight = at(TensorRole::kK);
  v_weight = at(TensorRole::kV);
  o_weight = at(TensorRole::kO);
  gate_weight = at(TensorRole::kGate);
  up_weight = at(TensorRole::kUp);
  down_weight = at(TensorRole::kDown);
  q_bias = at(TensorRole::kQBias);
  k_bias = at(TensorRole::kKBias);
  v_bias = at(TensorRole::kVBias);
}

}  // namespace ponder
