// Attention in bf16 arithmetic: the products are tiles of ops/bf16_task.h, whatever instructions they
// run on, and between them stands the f32 of attention_bf16_cpu.cpp. Blocks of keys and values lie as
// those tiles read their right operand.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/portable_math.h"
#include "ops/attention_bf16_task.h"
#include "ops/attention_task.h"
#include "tensor/buffer.h"

namespace ponder::ops {
namespace {

constexpr int64_t kColumns = Bf16Matrix::kPanel, kBlock = Bf16Matrix::kBlock,
                  kWords = Bf16Matrix::kWords;
constexpr int64_t kBlocksOfKeys = kKeyBlock / kBlock;

int64_t blocks_of(int64_t count) { return (count + kBlock - 1) / kBlock; }
int64_t padded(int64_t count) { return blocks_of(count) * kBlock; }
uint32_t* as_words(float* floats) { return reinterpret_cast<uint32_t*>(floats); }
float scale_of(int64_t D) { return 1.0f / std::sqrt(static_cast<float>(D)); }

// A right operand (K, N): panels of 32 columns, each of num_blocks blocks, as Bf16Matrix has them.
struct Operand {
  uint32_t* words;
  int64_t num_blocks;

  uint32_t* at(int64_t panel, int64_t block) const {
    return words + (panel * num_blocks + block) * kWords;
  }
  // B[k][n] = rows[n][k], for `count` columns from `first` on.
  void set_columns(int64_t first, ConstRows rows, int64_t count, int64_t K) const {
    for (int64_t h = first / 16; h < (first + count + 15) / 16; ++h) {
      Bf16Columns columns{{}, tensor::DType::kF32};
      for (int64_t j = 0; j < 16; ++j) {
        const int64_t row = h * 16 + j - first;
        if (row >= 0 && row < count) columns.row[j] = rows.data + row * rows.stride;
      }
      bf16_pack_columns({K, at(h / 2, 0) + h % 2 * kBf16HalfWords, kWords}, columns);
    }
  }
  // B[k][n] = rows[k][n] for K of k from block `block` on, and zeros behind them up to a whole block.
  void set_rows(int64_t block, ConstRows rows, int64_t K, int64_t N) const {
    const MatrixView view = MatrixView::rows(rows.data, K, rows.stride);
    for (int64_t h = 0; h < 2 * blocks_of(N); ++h) {
      bf16_pack_rows({K, at(h / 2, block) + h % 2 * kBf16HalfWords, kWords},
                     {&view, h * 16, std::clamp<int64_t>(N - h * 16, 0, 16)});
    }
  }
};

// B[k][n] = row[n] for one k.
void set_row(const Operand& B, int64_t k, const float* row, int64_t N) {
  for (int64_t n = 0; n < N; ++n) {
    uint32_t* words = B.at(n / kColumns, k / kBlock) + n % kColumns / 16 * kBf16HalfWords;
    auto* elements = reinterpret_cast<Bf16*>(words + k % kBlock / 2 * 16 + n % 16);
    tensor::from_f32(elements + k % 2, {row + n, 1}, tensor::DType::kBF16);
  }
}

// What one thread multiplies with. Tiles are configured once, denormals flushed in products alone.
struct Multiplier {
  Multiplier() {
    if (!kernel.flushes) kernel.start();
  }
  ~Multiplier() {
    if (!kernel.flushes) kernel.finish();
  }
  Multiplier(const Multiplier&) = delete;
  Multiplier& operator=(const Multiplier&) = delete;

  // Around products.
  void start() const {
    if (kernel.flushes) kernel.start();
  }
  void finish() const {
    if (kernel.flushes) kernel.finish();
  }

  // Words of a group's row of a block as a tile reads it.
  int64_t row_words() const { return kernel.prepare ? kernel.prepared_words : kBf16RowWords; }
  // A group of `blocks` blocks as the tiles read it: `packed` itself, or `room` (blocks, 32, row_words()).
  const uint32_t* prepared(const uint32_t* packed, int64_t blocks, uint32_t* room) const {
    if (!kernel.prepare) return packed;
    kernel.prepare(packed, blocks * kGroup, room);
    return room;
  }
  // C (rows, 32 panels) = A B, or C + A B, over blocks [block, block + blocks) of B. C has room for
  // whole_rows(rows).
  struct Product {
    const uint32_t* a;
    Operand B;
    int64_t panels, block, blocks, rows;
    Rows C;
    bool goes_on;
    Fetch fetch = {};
  };
  void multiply(const Product& t) const {
    const bool prepares = kernel.prepare_b && t.rows > kFewRows;
    thread_local tensor::Buffer room("attention scratch", 0);
    if (prepares) room.reserve(t.blocks * kernel.prepared_b_words);
    for (int64_t p = 0; p < t.panels; ++p) {
      const uint32_t* b = t.B.at(p, t.block);
      if (prepares) {
        kernel.prepare_b(b, t.blocks, as_words(room.data()));
        b = as_words(room.data());
      }
      const Rows c{t.C.data + p * kColumns, t.C.stride};
      kernel.tile({t.a, b, prepares, t.blocks, static_cast<int>(whole_rows(t.rows)),
                   t.goes_on ? ConstRows(c) : ConstRows(), c, c.data, t.fetch.share(p, t.panels)});
    }
  }
  // Rows that a tile computes for so many.
  int64_t whole_rows(int64_t rows) const {
    return (rows + kernel.rows_at_once - 1) / kernel.rows_at_once * kernel.rows_at_once;
  }

  const Bf16Kernel kernel = bf16_kernel();
};

// Up to 32 queries of a work that pass by its blocks.
class Passing {
 public:
  Passing(const AttentionSequence& work, int64_t head_dim, int64_t first, int64_t count)
      : w_(work), D_(head_dim), N_(padded(head_dim)), first_(first), count_(count) {
    thread_local tensor::Buffer scratch("attention scratch", 0);
    const int64_t q_words = blocks_of(D_) * kGroup * multiplier_.row_words(),
                  raw_words = blocks_of(D_) * kGroup * kBf16RowWords,
                  p_words = kBlocksOfKeys * kGroup * multiplier_.row_words();
    scratch.reserve(kGroup * (kKeyBlock + N_) + raw_words + q_words + kWeightWords + p_words);
    s_ = scratch.data();
    out_ = s_ + kGroup * kKeyBlock;
    auto* raw = as_words(out_ + kGroup * N_);
    uint32_t* room = raw + raw_words;
    p_ = room + q_words;
    p_room_ = p_ + kWeightWords;
    Bf16GroupRows rows{{}, count, D_};
    for (int64_t i = 0; i < count; ++i) {
      rows.row[i] = w_.q.data + token(i) * w_.q.stride + head(i) * D_;
      visible_[i] = w_.first_position + token(i) + 1;
      hidden_[i] = std::max<int64_t>(0, visible_[i] - w_.window);
    }
    bf16_group_rows(rows, raw);
    q_ = multiplier_.prepared(raw, blocks_of(D_), room);
    // m begins from the lowest number, as in attention_cpu.cpp.
    std::fill(m_, m_ + kGroup, std::numeric_limits<float>::lowest());
    std::fill(l_, l_ + kGroup, 0.0f);
    std::fill(out_, out_ + kGroup * N_, 0.0f);
    std::fill(p_, p_ + kWeightWords, 0u);
  }

  void pass_all() {
    const int64_t end = visible_[count_ - 1];
    for (int64_t begin = hidden_[0] / kKeyBlock * kKeyBlock; begin < end; begin += kKeyBlock) {
      // Few queries compute less than they wait: the next block is on its way meanwhile.
      const bool fetches = count_ <= 16 && begin + kKeyBlock < end;
      const auto block = [&](const void* const* blocks, int64_t at) {
        return static_cast<const char*>(blocks[at / kKeyBlock]);
      };
      const auto next = [&](const void* const* blocks) -> Fetch {
        if (!fetches) return {};
        const char* from = block(blocks, begin + kKeyBlock);
        return {from, from + key_block_bytes(D_, tensor::Precision::kBf16)};
      };
      pass(begin, block(w_.key_blocks, begin), block(w_.value_blocks, begin), next(w_.key_blocks),
           next(w_.value_blocks));
    }
  }

  void finish() const {
    for (int64_t i = 0; i < count_; ++i) {
      const float inverse = 1.0f / l_[i];
      float* to = w_.out.data + token(i) * w_.out.stride + head(i) * D_;
      for (int64_t d = 0; d < D_; ++d) to[d] = out_[i * N_ + d] * inverse;
      if (!w_.lse.data) continue;
      w_.lse.data[token(i) * w_.lse.stride + head(i)] =
          static_cast<float>(static_cast<double>(m_[i]) + portable_log(static_cast<double>(l_[i])));
    }
  }

 private:
  int64_t token(int64_t i) const { return (first_ + i) / w_.group; }
  int64_t head(int64_t i) const { return (first_ + i) % w_.group; }

  void pass(int64_t begin, const char* keys, const char* values, const Fetch& next_keys,
            const Fetch& next_values) {
    int64_t visible[kGroup], hidden[kGroup];
    const bool masked = visible_[0]<begin + kKeyBlock, windowed = hidden_[count_ - 1]> begin;
    for (int64_t i = 0; masked && i < count_; ++i) visible[i] = visible_[i] - begin;
    for (int64_t i = 0; windowed && i < count_; ++i)
      hidden[i] = std::clamp<int64_t>(hidden_[i] - begin, 0, kKeyBlock);
    const int64_t seen = std::min(kKeyBlock, visible_[count_ - 1] - begin);
    const auto panels = [](const char* block, int64_t num_blocks) -> Operand {
      return {const_cast<uint32_t*>(reinterpret_cast<const uint32_t*>(block)), num_blocks};
    };
    multiplier_.start();
    multiplier_.multiply({q_,
                          panels(keys, blocks_of(D_)),
                          blocks_of(seen),
                          0,
                          blocks_of(D_),
                          count_,
                          {s_, kKeyBlock},
                          false,
                          next_keys});
    multiplier_.finish();
    bf16_softmax({s_, p_, m_, l_, out_, masked ? visible : nullptr, windowed ? hidden : nullptr,
                  count_, seen, N_, scale_of(D_)});
    const uint32_t* p = multiplier_.prepared(p_, blocks_of(seen), p_room_);
    multiplier_.start();
    multiplier_.multiply({p,
                          panels(values, kBlocksOfKeys),
                          blocks_of(D_),
                          0,
                          blocks_of(seen),
                          count_,
                          {out_, N_},
                          true,
                          next_values});
    multiplier_.finish();
  }

  const AttentionSequence& w_;
  const Multiplier multiplier_;
  const int64_t D_, N_, first_, count_;
  const uint32_t* q_;
  float *s_, *out_;
  uint32_t *p_, *p_room_;
  alignas(64) float m_[kGroup], l_[kGroup];
  int64_t visible_[kGroup], hidden_[kGroup];  // the keys [hidden, visible)
};

// Of one row, in a thread's scratch; a null scratch only counts. Rows of queries and of keys are
// rounded up to whole blocks of 64.
struct Backward {
  Backward(float* scratch, int64_t tokens, int64_t head_dim)
      : T(tokens), D(head_dim), N(padded(head_dim)) {
    const auto take = [&](int64_t floats) {
      float* piece = scratch ? scratch + used : nullptr;
      used += (floats + 15) / 16 * 16;
      return piece;
    };
    const int64_t rows = (T + kKeyBlock - 1) / kKeyBlock * kKeyBlock, half = rows * N / 2;
    for (float** piece : {&q, &dout, &kv}) *piece = take(T * D);
    for (float** piece : {&lse, &delta}) *piece = take(T);
    for (float** piece : {&dq, &dk, &dv}) *piece = take(rows * N);
    for (float** piece : {&s, &dp}) *piece = take(kKeyBlock * kKeyBlock);
    for (uint32_t** piece : {&q_groups, &dout_groups}) *piece = as_words(take(2 * half));
    for (uint32_t** piece : {&queries, &douts, &keys_by_d, &values_by_d, &keys})
      *piece = as_words(take(half));
    raw = as_words(take(std::max(kWeightWords, N / 2 * kGroup)));
    for (uint32_t** piece : {&ds, &turned}) *piece = as_words(take(2 * kWeightWords));
  }
  int64_t T, D, N;
  float *q, *dout, *kv;               // (T, D)
  float *lse, *delta;                 // (T)
  float *dq, *dk, *dv;                // (rows, N)
  float *s, *dp;                      // (64, 64)
  uint32_t *q_groups, *dout_groups;   // left operands: queries by D
  uint32_t *queries, *douts, *keys;   // right operands: queries or keys by D
  uint32_t *keys_by_d, *values_by_d;  // right operands: D by keys
  uint32_t *raw, *ds, *turned;
  int64_t used = 0;
};

class BackwardPass {
 public:
  BackwardPass(const AttentionBackwardSequence& work, int64_t D, float* scratch)
      : w_(work), m_(scratch, work.num_tokens, D), scale_(scale_of(D)) {}

  void run() {
    lay_out_keys();
    for (int64_t head = 0; head < w_.group; ++head) {
      gather(head);
      for (int64_t first = 0; first < m_.T; first += kKeyBlock) {
        const int64_t last = std::min(m_.T, first + kKeyBlock) - 1;
        const int64_t from =
            w_.window > first ? 0 : (first + 1 - w_.window) / kKeyBlock * kKeyBlock;
        for (int64_t begin = from; begin <= last; begin += kKeyBlock)
          pass(first, last + 1 - first, begin);
      }
      copy(m_.dq, {w_.dq.data + head * m_.D, w_.dq.stride});
    }
    copy(m_.dk, w_.dk);
    copy(m_.dv, w_.dv);
  }

 private:
  Operand by_tokens(uint32_t* words) const {
    return {words, (m_.T + kKeyBlock - 1) / kKeyBlock * kBlocksOfKeys};
  }
  Operand by_d(uint32_t* words) const { return {words, blocks_of(m_.D)}; }
  int64_t group_words() const { return blocks_of(m_.D) * kGroup * multiplier_.row_words(); }

  void copy(const float* from, Rows to) const {
    for (int64_t t = 0; t < m_.T; ++t)
      std::memcpy(to.data + t * to.stride, from + t * m_.N,
                  static_cast<size_t>(m_.D) * sizeof(float));
  }
  void clear(float* rows) const {
    std::fill(rows, rows + by_tokens(nullptr).num_blocks * kBlock * m_.N, 0.0f);
  }

  void lay_out_keys() {
    clear(m_.dk);
    clear(m_.dv);
    const int64_t words = by_tokens(nullptr).num_blocks * kBlock * m_.N / 2;
    for (uint32_t* operand : {m_.queries, m_.douts, m_.keys, m_.keys_by_d, m_.values_by_d})
      std::fill(operand, operand + words, 0u);
    for (const bool values : {false, true}) {
      bf16_widen_rows(m_.kv, values ? w_.v : w_.k, 0, {m_.T, m_.D});
      by_d(values ? m_.values_by_d : m_.keys_by_d).set_columns(0, {m_.kv, m_.D}, m_.T, m_.D);
      if (!values) by_tokens(m_.keys).set_rows(0, {m_.kv, m_.D}, m_.T, m_.D);
    }
  }

  // One head's queries and what comes back to them.
  void gather(int64_t head) {
    bf16_widen_rows(m_.q, w_.q, head * m_.D, {m_.T, m_.D});
    bf16_output_gradients(m_.dout, m_.delta, {w_.out.data + head * m_.D, w_.out.stride},
                          {w_.dout.data + head * m_.D, w_.dout.stride}, {m_.T, m_.D});
    for (int64_t t = 0; t < m_.T; ++t) m_.lse[t] = w_.lse.data[t * w_.lse.stride + head];
    clear(m_.dq);
    by_tokens(m_.queries).set_rows(0, {m_.q, m_.D}, m_.T, m_.D);
    by_tokens(m_.douts).set_rows(0, {m_.dout, m_.D}, m_.T, m_.D);
    for (int64_t t = 0, i = 0; t < m_.T; t += kGroup, ++i) {
      group(m_.q + t * m_.D, std::min(kGroup, m_.T - t), m_.q_groups + i * group_words());
      group(m_.dout + t * m_.D, std::min(kGroup, m_.T - t), m_.dout_groups + i * group_words());
    }
  }

  void group(const float* rows, int64_t count, uint32_t* to) {
    Bf16GroupRows from{{}, count, m_.D};
    for (int64_t r = 0; r < count; ++r) from.row[r] = rows + r * m_.D;
    bf16_group_rows(from, multiplier_.kernel.prepare ? m_.raw : to);
    if (multiplier_.kernel.prepare) multiplier_.prepared(m_.raw, blocks_of(m_.D), to);
  }

  // Up to 64 queries from `first` on meet the keys of a block.
  void pass(int64_t first, int64_t count, int64_t begin) {
    const int64_t panels = blocks_of(m_.D), key_block = begin / kBlock;
    for (int64_t i = 0; i < count; i += kGroup) {
      const int64_t rows = std::min(kGroup, count - i), at = (first + i) / kGroup * group_words();
      float *s = m_.s + i * kKeyBlock, *dp = m_.dp + i * kKeyBlock;
      const auto block_of = [&](uint32_t* words) -> Operand {
        const Operand all = by_d(words);
        return {all.at(begin / kColumns, 0), all.num_blocks};
      };
      multiplier_.start();
      multiplier_.multiply({m_.q_groups + at,
                            block_of(m_.keys_by_d),
                            kBlocksOfKeys,
                            0,
                            panels,
                            rows,
                            {s, kKeyBlock},
                            false});
      multiplier_.multiply({m_.dout_groups + at,
                            block_of(m_.values_by_d),
                            kBlocksOfKeys,
                            0,
                            panels,
                            rows,
                            {dp, kKeyBlock},
                            false});
      multiplier_.finish();
      const int64_t before = first + i - begin;
      bf16_weight_gradients({s, dp, m_.raw, m_.lse + first + i, m_.delta + first + i, rows,
                             before + 1, before + 1 - std::min(w_.window, m_.T), scale_});
      const uint32_t* ds = multiplier_.prepared(m_.raw, kBlocksOfKeys, m_.ds);
      multiplier_.start();
      multiplier_.multiply({ds,
                            by_tokens(m_.keys),
                            panels,
                            key_block,
                            kBlocksOfKeys,
                            rows,
                            {m_.dq + (first + i) * m_.N, m_.N},
                            true});
      multiplier_.finish();
    }
    const int64_t query_block = first / kBlock, blocks = blocks_of(count);
    for (int64_t j = 0; j < kKeyBlock; j += kGroup) {
      add_turned(m_.dp + j, count, by_tokens(m_.queries), m_.dk + (begin + j) * m_.N, query_block,
                 blocks);
      add_turned(m_.s + j, count, by_tokens(m_.douts), m_.dv + (begin + j) * m_.N, query_block,
                 blocks);
    }
  }

  // to (32, N) goes on by the product of weights (count, 32 of 64), transposed, with rows of B.
  void add_turned(const float* weights, int64_t count, const Operand& B, float* to, int64_t block,
                  int64_t blocks) {
    bf16_pack_a({MatrixA{weights, 1, kKeyBlock}, 0, kGroup, count, 0, blocks}, m_.raw);
    const uint32_t* a = multiplier_.prepared(m_.raw, blocks, m_.turned);
    multiplier_.start();
    multiplier_.multiply({a, B, blocks_of(m_.D), block, blocks, kGroup, {to, m_.N}, true});
    multiplier_.finish();
  }

  const AttentionBackwardSequence& w_;
  const Multiplier multiplier_;
  const Backward m_;
  const float scale_;
};

}  // namespace

void attend_queries_bf16(const AttentionSequence& work, int64_t D, int64_t first, int64_t count) {
  Passing queries(work, D, first, count);
  queries.pass_all();
  queries.finish();
}

void store_bf16_keys(uint32_t* block, int64_t first, ConstRows rows, int64_t count, int64_t D) {
  Operand{block, blocks_of(D)}.set_columns(first, rows, count, D);
}

void store_bf16_values(uint32_t* block, int64_t first, ConstRows rows, int64_t count, int64_t D) {
  const Operand panels{block, kBlocksOfKeys};
  for (int64_t i = 0; i < count;) {
    const int64_t key = first + i, n = std::min(count - i, kBlock - key % kBlock);
    const float* from = rows.data + i * rows.stride;
    if (key % kBlock == 0) {
      panels.set_rows(key / kBlock, {from, rows.stride}, n, D);
    } else {
      for (int64_t r = 0; r < n; ++r) set_row(panels, key + r, from + r * rows.stride, D);
    }
    i += n;
  }
}

int64_t bf16_attention_backward_scratch(int64_t max_tokens, int64_t D) {
  return Backward(nullptr, max_tokens, D).used;
}

void attention_backward_bf16(const AttentionBackwardSequence& work, int64_t D, float* scratch) {
  BackwardPass(work, D, scratch).run();
}

}  // namespace ponder::ops
