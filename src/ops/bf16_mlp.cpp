#include "ops/bf16_mlp.h"

#include <algorithm>

#include "ops/bf16_task.h"
#include "ops/swiglu_task.h"
#include "tensor/buffer.h"

namespace ponder::ops {
namespace {

// What passes by the weights together: of sixteen groups the left operand of the first product (36 KiB each
// at K = 576), of the second (48), and their tiles of gate, up and y (8, and 72 at N = 576), which is what L2
// holds. Gate and up come 768 columns at a time, or more where there are fewer groups: y is read and written
// once for each.
constexpr int64_t kGroupsAtOnce = 16, kActBlocks = kGroupsAtOnce * 24;
constexpr int64_t kTileFloats = kBf16Group * Bf16Matrix::kPanel;

// Part i of n of some blocks, which are read next.
Fetch share_of(const uint32_t* words, int64_t blocks, int64_t i, int64_t n) {
  const auto* from = reinterpret_cast<const char*>(words);
  return Fetch{from, from + blocks * Bf16Matrix::kWords * int64_t{sizeof(uint32_t)}}.share(i, n);
}

// One thread's rows.
class MlpRows {
 public:
  MlpRows(Rows y, tensor::Bf16* kept, ConstRows x, const Bf16Mlp& mlp, const Bf16Kernel& kernel)
      : y_(y),
        kept_(kept),
        x_(x),
        mlp_(mlp),
        kernel_(kernel),
        K_(mlp.gate_up->K()),
        F_(mlp.down->K()),
        blocks_(mlp.gate_up->num_blocks()),
        panels_(F_ / Bf16Matrix::kPanel) {
    thread_local tensor::Buffer scratch("MLP scratch", 0);
    const int64_t inputs = kGroupsAtOnce * input_words(),
                  acts = kActBlocks * kBf16Group * kBf16RowWords;
    scratch.reserve(inputs + acts + 2 * kGroupsAtOnce * kTileFloats);
    inputs_ = reinterpret_cast<uint32_t*>(scratch.data());
    acts_ = inputs_ + inputs;
    tiles_ = scratch.data() + inputs + acts;
  }

  // Rows [m0, m1), at most kGroupsAtOnce groups.
  void run(int64_t m0, int64_t m1) {
    m0_ = m0;
    m1_ = m1;
    groups_ = (m1 - m0 + kBf16Group - 1) / kBf16Group;
    for (int64_t g = 0; g < groups_; ++g) {
      bf16_pack_a({MatrixA{x_.data, x_.stride, 1}, row(g), rows(g), K_, 0, blocks_},
                  inputs_ + g * input_words());
    }
    const int64_t most = kActBlocks / groups_, chunks = (panels_ + most - 1) / most;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const int64_t first = panels_ * chunk / chunks, end = panels_ * (chunk + 1) / chunks;
      count_ = end - first;
      for (int64_t p = first; p < end; ++p) {
        multiply_inputs(p, mlp_.gate_up->words(panels_ + p, 0));
        multiply_inputs(panels_ + p,
                        p + 1 < end ? mlp_.gate_up->words(p + 1, 0) : mlp_.down->words(0, first));
        activate(p, p - first);
      }
      multiply_acts(first);
    }
  }

 private:
  int64_t input_words() const { return blocks_ * kBf16Group * kBf16RowWords; }
  int64_t act_words() const { return count_ * kBf16Group * kBf16RowWords; }
  int64_t row(int64_t g) const { return m0_ + g * kBf16Group; }
  int64_t rows(int64_t g) const { return std::min(kBf16Group, m1_ - row(g)); }
  // Of a group, of gate (0) or up (1).
  float* tile(int64_t g, int64_t side) const { return tiles_ + (2 * g + side) * kTileFloats; }

  // Panel p of gate and up, for all groups; what is read then begins at `next`.
  void multiply_inputs(int64_t p, const uint32_t* next) const {
    const int64_t side = p / panels_;
    const float* bias = mlp_.gate_up_bias ? mlp_.gate_up_bias + p * Bf16Matrix::kPanel : nullptr;
    const int64_t parts = (blocks_ + kernel_.blocks_at_once - 1) / kernel_.blocks_at_once;
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t begin = blocks_ * part / parts, end = blocks_ * (part + 1) / parts;
      const uint32_t* ahead = part + 1 < parts ? mlp_.gate_up->words(p, end) : next;
      for (int64_t g = 0; g < groups_; ++g) {
        const Rows c{tile(g, side), Bf16Matrix::kPanel};
        kernel_.tile({inputs_ + g * input_words() + begin * kBf16Group * kBf16RowWords,
                      mlp_.gate_up->words(p, begin), false, end - begin, kBf16Group,
                      part == 0 ? ConstRows(bias, 0) : ConstRows(c), c,
                      tile(std::min(g + 1, groups_ - 1), side),
                      share_of(ahead, end - begin, g, groups_)});
      }
    }
  }

  // Panel p, which is block `at` of the left operand of the second product.
  void activate(int64_t p, int64_t at) const {
    for (int64_t g = 0; g < groups_; ++g) {
      Bf16* kept = kept_ ? kept_ + row(g) * 2 * F_ + p * Bf16Matrix::kPanel : nullptr;
      bf16_swiglu_tile({tile(g, 0), tile(g, 1),
                        acts_ + g * act_words() + at * kBf16Group * kBf16RowWords, kept, F_,
                        rows(g)});
    }
  }

  // y goes on by the blocks of the activation from `first` on.
  void multiply_acts(int64_t first) const {
    const int64_t outputs = mlp_.down->num_panels();
    for (int64_t n = 0; n < outputs; ++n) {
      const int64_t column = n * Bf16Matrix::kPanel;
      const float* bias = mlp_.down_bias ? mlp_.down_bias + column : nullptr;
      const uint32_t* ahead = n + 1 < outputs ? mlp_.down->words(n + 1, first)
                                              : mlp_.gate_up->words((first + count_) % panels_, 0);
      for (int64_t g = 0; g < groups_; ++g) {
        const Rows c{y_.data + row(g) * y_.stride + column, y_.stride};
        kernel_.tile({acts_ + g * act_words(), mlp_.down->words(n, first), false, count_,
                      static_cast<int>(rows(g)), first == 0 ? ConstRows(bias, 0) : ConstRows(c), c,
                      g + 1 < groups_ ? c.data + kBf16Group * c.stride : c.data,
                      share_of(ahead, count_, g, groups_)});
      }
    }
  }

  const Rows y_;
  Bf16* const kept_;
  const ConstRows x_;
  const Bf16Mlp& mlp_;
  const Bf16Kernel& kernel_;
  const int64_t K_, F_, blocks_, panels_;
  uint32_t *inputs_, *acts_;
  float* tiles_;
  int64_t m0_ = 0, m1_ = 0, groups_ = 0, count_ = 0;  // rows; blocks of the activation at a time
};

}  // namespace

bool has_bf16_mlp(const Bf16Mlp& mlp, int64_t M, const ThreadPool& threads) {
  const int64_t F = mlp.down->K(), K = mlp.gate_up->K(), N = mlp.down->N(),
                n = threads.num_threads();
  if (bf16_support().path != Bf16Path::kAmx || F % Bf16Matrix::kPanel != 0 ||
      N % Bf16Matrix::kPanel != 0 || M < kBf16Group * n)
    return false;
  // Of one column of the activation: each further thread reads 2 K + N weights, two bytes each, and of each
  // row its gate, up and activation, float32, are not written and read again: 32 bytes.
  return M * 32 >= (n - 1) * 2 * (2 * K + N);
}

void bf16_mlp(Rows y, Bf16* kept, ConstRows x, const Bf16Mlp& mlp, int64_t M, ThreadPool& threads) {
  check_shape("bf16 MLP", RowShape{M, mlp.gate_up->K()}, x.stride);
  check_shape("bf16 MLP", RowShape{M, mlp.down->N()}, y.stride);
  if (mlp.gate_up->N() != 2 * mlp.down->K() || !has_bf16_mlp(mlp, M, threads))
    refuse_shape("bf16 MLP", "shapes or a machine for which there is none");
  const Bf16Kernel kernel = bf16_kernel();
  const int64_t groups = (M + kBf16Group - 1) / kBf16Group, n = threads.num_threads();
  threads.run([&](int thread) {
    kernel.start();
    MlpRows work(y, kept, x, mlp, kernel);
    const int64_t end = groups * (thread + 1) / n;
    for (int64_t g = groups * thread / n; g < end; g += kGroupsAtOnce) {
      work.run(g * kBf16Group, std::min(M, std::min(g + kGroupsAtOnce, end) * kBf16Group));
    }
    kernel.finish();
  });
}

}  // namespace ponder::ops
