#include "model/decoder_weights.h"

#include <algorithm>
#include <string>

#include "ops/embedding.h"

namespace ponder {
namespace {

std::string prefix(int64_t layer) { return "model.layers." + std::to_string(layer) + "."; }

// A packed matrix and the tensors it is stacked from.
struct Part {
  std::string tensor;
  int64_t rows;
};
struct Stack {
  const char* name;
  int64_t K;
  std::vector<Part> parts;
  int64_t N() const {
    int64_t n = 0;
    for (const Part& part : parts) n += part.rows;
    return n;
  }
};

struct LayerShapes {
  LayerShapes(const ModelConfig& config, int64_t layer) {
    const int64_t C = config.hidden_size, F = config.intermediate_size;
    const int64_t q = config.q_size(), kv = config.kv_size();
    const std::string p = prefix(layer);
    qkv = {"packed qkv_proj",
           C,
           {{p + "self_attn.q_proj.weight", q},
            {p + "self_attn.k_proj.weight", kv},
            {p + "self_attn.v_proj.weight", kv}}};
    out = {"packed o_proj", q, {{p + "self_attn.o_proj.weight", C}}};
    gate_up = {"packed gate_proj and up_proj",
               C,
               {{p + "mlp.gate_proj.weight", F}, {p + "mlp.up_proj.weight", F}}};
    down = {"packed down_proj", F, {{p + "mlp.down_proj.weight", C}}};
  }
  Stack qkv, out, gate_up, down;
};

constexpr const char* kEmbedding = "model.embed_tokens.weight";

Stack head_shape(const ModelConfig& config) {
  return {"packed lm_head",
          config.hidden_size,
          {{config.tie_word_embeddings ? kEmbedding : "lm_head.weight", config.vocab_size}}};
}

void borrow_stack(Projection& to, const Stack& stack, const Parameters& parameters) {
  to.panels = PackedMatrix();
  to.K = stack.K;
  to.parts.clear();
  for (const Part& part : stack.parts)
    to.parts.push_back({parameters.at(part.tensor).data(), part.rows});
}

// Makes room in the shape and storage asked for, once.
PackedMatrix& prepare(Projection& to, const Stack& stack, DType storage) {
  PackedMatrix& matrix = to.panels;
  to.parts.clear();
  if (matrix.N() == stack.N() && matrix.K() == stack.K && matrix.storage() == storage)
    return matrix;
  matrix = PackedMatrix();  // what is there goes first
  return matrix = PackedMatrix(stack.name, stack.K, stack.N(), storage);
}

void pack_stack(Projection& to, const Stack& stack, const Parameters& parameters, DType storage,
                ThreadPool& pool) {
  PackedMatrix& matrix = prepare(to, stack, storage);
  int64_t column = 0;
  for (const Part& part : stack.parts) {
    matrix.pack_weight(parameters.at(part.tensor).data(), part.rows, column, pool);
    column += part.rows;
  }
}

// What each thread reads and packs at a time, about.
constexpr int64_t kChunkBytes = int64_t{1} << 20;

// Reads a matrix's tensors into its panels, every thread its share of the rows.
void read_stack(Projection& to, const Stack& stack, const WeightFiles& files,
                std::vector<Buffer>& chunks, ThreadPool& pool) {
  bool narrow = true;
  for (const Part& part : stack.parts) {
    narrow = narrow && files.entry(part.tensor).dtype == DType::kBF16;
  }
  PackedMatrix& matrix = prepare(to, stack, narrow ? DType::kBF16 : DType::kF32);
  int64_t first_column = 0;
  for (const Part& part : stack.parts) {
    const DType dtype = files.entry(part.tensor).dtype;
    const int64_t row_bytes = stack.K * size_bytes(dtype), panel = PackedMatrix::kPanel;
    const int64_t step = std::max<int64_t>(kChunkBytes / (row_bytes * panel), 1) * panel;
    const int64_t steps = (part.rows + step - 1) / step, threads = pool.num_threads();
    pool.run([&](int thread) {
      Buffer& chunk = chunks[static_cast<size_t>(thread)];
      chunk.reserve((step * row_bytes + 3) / 4);
      char* bytes = reinterpret_cast<char*>(chunk.data());
      for (int64_t s = steps * thread / threads; s < steps * (thread + 1) / threads; ++s) {
        const int64_t row = s * step, rows = std::min(step, part.rows - row);
        files.read_bytes(part.tensor, static_cast<uint64_t>(row * row_bytes),
                         {bytes, static_cast<size_t>(rows * row_bytes)});
        matrix.pack_weight(bytes, dtype, rows, first_column + row);
      }
    });
    first_column += part.rows;
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
  const int64_t q = config.q_size(), kv = config.kv_size();
  if (config.tie_word_embeddings) files.check_tied_head();
  std::vector<Buffer> chunks;
  for (int t = 0; t < pool.num_threads(); ++t) chunks.emplace_back("weights being read", 0);
  vectors_.clear();
  const auto vector = [&](const std::string& tensor, int64_t size) {
    std::vector<float>& values = vectors_.emplace_back(static_cast<size_t>(size));
    read_vector(values, tensor, files);
    return values.data();
  };
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    layers[static_cast<size_t>(i)] = LayerWeights();
    LayerWeights& layer = layers[static_cast<size_t>(i)];
    const LayerShapes shapes(config, i);
    read_stack(layer.qkv, shapes.qkv, files, chunks, pool);
    read_stack(layer.out, shapes.out, files, chunks, pool);
    read_stack(layer.gate_up, shapes.gate_up, files, chunks, pool);
    read_stack(layer.down, shapes.down, files, chunks, pool);
    layer.input_norm = vector(prefix(i) + "input_layernorm.weight", config.hidden_size);
    layer.post_norm = vector(prefix(i) + "post_attention_layernorm.weight", config.hidden_size);
    if (config.qk_norm()) {
      layer.q_norm = vector(prefix(i) + "self_attn.q_norm.weight", config.head_dim);
      layer.k_norm = vector(prefix(i) + "self_attn.k_norm.weight", config.head_dim);
    }
    if (config.qkv_bias()) {
      layer.qkv_bias.resize(static_cast<size_t>(q + 2 * kv));
      const std::span<float> bias(layer.qkv_bias);
      const auto part = [&](int64_t begin, int64_t size) {
        return bias.subspan(static_cast<size_t>(begin), static_cast<size_t>(size));
      };
      read_vector(part(0, q), prefix(i) + "self_attn.q_proj.bias", files);
      read_vector(part(q, kv), prefix(i) + "self_attn.k_proj.bias", files);
      read_vector(part(q + kv, kv), prefix(i) + "self_attn.v_proj.bias", files);
    }
  }
  final_norm = vector("model.norm.weight", config.hidden_size);
  read_stack(lm_head, head_shape(config), files, chunks, pool);
  embedding = nullptr;
  if (config.tie_word_embeddings) return;
  table_dtype_ = files.entry(kEmbedding).dtype;
  const int64_t bytes = config.vocab_size * config.hidden_size * size_bytes(table_dtype_);
  table_.reserve((bytes + 3) / 4);
  files.read_bytes(kEmbedding, 0,
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

void DecoderWeights::borrow_vectors(const ModelConfig& config, const Parameters& parameters) {
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    LayerWeights& layer = layers[static_cast<size_t>(i)];
    const auto weight = [&](const char* name) { return parameters.at(prefix(i) + name).data(); };
    layer.input_norm = weight("input_layernorm.weight");
    layer.post_norm = weight("post_attention_layernorm.weight");
    if (config.qk_norm()) {
      layer.q_norm = weight("self_attn.q_norm.weight");
      layer.k_norm = weight("self_attn.k_norm.weight");
    }
    if (config.qkv_bias()) {
      layer.qkv_bias.resize(static_cast<size_t>(config.q_size() + 2 * config.kv_size()));
      float* to = layer.qkv_bias.data();
      for (const char* name :
           {"self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"}) {
        for (const float b : parameters.at(prefix(i) + name)) *to++ = b;
      }
    }
  }
  embedding = parameters.at(kEmbedding).data();
  final_norm = parameters.at("model.norm.weight").data();
}

void DecoderWeights::borrow(const ModelConfig& config, const Parameters& parameters) {
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    LayerWeights& layer = layers[static_cast<size_t>(i)];
    const LayerShapes shapes(config, i);
    borrow_stack(layer.qkv, shapes.qkv, parameters);
    borrow_stack(layer.out, shapes.out, parameters);
    borrow_stack(layer.gate_up, shapes.gate_up, parameters);
    borrow_stack(layer.down, shapes.down, parameters);
  }
  borrow_stack(lm_head, head_shape(config), parameters);
  borrow_vectors(config, parameters);
}

void DecoderWeights::pack(const ModelConfig& config, const Parameters& parameters, DType storage,
                          ThreadPool& pool) {
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    LayerWeights& layer = layers[static_cast<size_t>(i)];
    const LayerShapes shapes(config, i);
    pack_stack(layer.qkv, shapes.qkv, parameters, storage, pool);
    pack_stack(layer.out, shapes.out, parameters, storage, pool);
    pack_stack(layer.gate_up, shapes.gate_up, parameters, storage, pool);
    pack_stack(layer.down, shapes.down, parameters, storage, pool);
  }
  pack_stack(lm_head, head_shape(config), parameters, storage, pool);
  borrow_vectors(config, parameters);
}

LayerGradients::LayerGradients(Parameters& gradients, int64_t layer, const ModelConfig& config) {
  const auto at = [&](const char* name) { return gradients.at(prefix(layer) + name).data(); };
  input_norm = at("input_layernorm.weight");
  post_norm = at("post_attention_layernorm.weight");
  q_weight = at("self_attn.q_proj.weight");
  k_weight = at("self_attn.k_proj.weight");
  v_weight = at("self_attn.v_proj.weight");
  o_weight = at("self_attn.o_proj.weight");
  gate_weight = at("mlp.gate_proj.weight");
  up_weight = at("mlp.up_proj.weight");
  down_weight = at("mlp.down_proj.weight");
  if (config.qk_norm()) {
    q_norm = at("self_attn.q_norm.weight");
    k_norm = at("self_attn.k_norm.weight");
  }
  if (config.qkv_bias()) {
    q_bias = at("self_attn.q_proj.bias");
    k_bias = at("self_attn.k_proj.bias");
    v_bias = at("self_attn.v_proj.bias");
  }
}

}  // namespace ponder
