// Matrix products in bf16 arithmetic: operands rounded to bf16 (to nearest, ties to even), products
// and sums in f32 with denormals flushed, in the order in which AMX adds. Every element of the
// result is defined to the bit (docs/arithmetic.md, reference::bf16_chain): blocking, row count,
// threads and the instructions used cannot change a bit; only a NaN's payload is not defined.
// B takes half of the memory that f32's takes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/thread_pool.h"
#include "ops/matmul.h"
#include "ops/peak.h"
#include "ops/view.h"
#include "tensor/buffer.h"
#include "tensor/dtype.h"

namespace ponder::ops {

// The instructions that multiply.
enum class Bf16Path {
  kFma,         // f32 multiply-adds of AVX-512, AVX2 or the baseline, as for f32 products
  kAvx512Bf16,  // VDPBF16PS
  kAmx,         // TDPBF16PS
};

struct Bf16Support {
  Bf16Path path;       // the one that runs
  bool amx_announced;  // by the processor
  bool amx_permitted;  // by the kernel; a virtual machine may announce it and yet refuse
};
// AMX where it is permitted; VDPBF16PS where it is faster than multiply-adds, which the first call
// measures in some microseconds (on Sapphire Rapids it is half as fast). Any thread may call.
Bf16Support bf16_support();
// "AMX", "AVX512_BF16" or "FMA".
std::string_view bf16_path_name(Bf16Path path);
// Runs this path from now on wherever the machine has it; nullopt: its own choice again. For tests
// and benchmarks, while no product runs.
void force_bf16_path(std::optional<Bf16Path> path);
// As measured_peak_gflops (ops/peak.h), of the instruction that multiplies bf16 here.
double measured_bf16_peak_gflops(ThreadPool& threads, PeakTime time = PeakTime::kClock);

// Consecutive k that make one block of a reduction, 1 to 32 of them; zeros fill it up. A gradient over
// tokens has blocks that begin anew with each row of tokens.
struct Bf16Run {
  int64_t begin, count;
};
using Bf16Runs = std::span<const Bf16Run>;

// B (K, N) of bf16 as all paths read it: panels of 32 columns, each of blocks of 32 k, each of two
// halves (16 columns), each of 16 rows of 16 words: word (p, j) holds elements k = 2p (low half)
// and 2p + 1 of column j. What lies beyond K and N is zero.
class Bf16Matrix {
 public:
  static constexpr int64_t kPanel = 32, kBlock = 32;

  Bf16Matrix() = default;
  Bf16Matrix(const char* name, int64_t K, int64_t N);
  // In memory that is borrowed: `storage` has storage_floats(K, N), aligned to 64 bytes.
  Bf16Matrix(float* storage, int64_t K, int64_t N);
  static int64_t storage_floats(int64_t K, int64_t N) {
    return (N + kPanel - 1) / kPanel * ((K + kBlock - 1) / kBlock) * kWords;
  }
  // Columns [first_column, first_column + rows) from a weight W (rows, K), row-major, any
  // alignment: B[k][n] = W[n][k]. Exact from bf16.
  void pack_weight(const void* W, tensor::DType dtype, int64_t rows, int64_t first_column,
                   ThreadPool& threads);
  // The same on the calling thread alone; threads may pack different columns at once.
  void pack_weight(const void* W, tensor::DType dtype, int64_t rows, int64_t first_column);
  // All of it from a view of the same shape (Error otherwise).
  void pack(const MatrixView& view, ThreadPool& threads);
  // Block i of K = 32 * runs.size(): the rows of X (…, N) that runs[i] names.
  void pack_runs(const float* X, Bf16Runs runs, ThreadPool& threads);
  // to (K) = column n of B, widened: a weight's row back.
  void read_column(int64_t n, float* to) const;

  int64_t K() const { return K_; }
  int64_t N() const { return N_; }
  int64_t num_blocks() const { return (K_ + kBlock - 1) / kBlock; }
  int64_t num_panels() const { return (N_ + kPanel - 1) / kPanel; }
  int64_t size_bytes() const {
    return storage_floats(K_, N_) * static_cast<int64_t>(sizeof(float));
  }
  // Blocks of panel p from `block` on.
  const uint32_t* words(int64_t p, int64_t block) const {
    return reinterpret_cast<const uint32_t*>(at_) + (p * num_blocks() + block) * kWords;
  }
  static constexpr int64_t kWords = kPanel * kBlock / 2;  // of a block of a panel

 private:
  uint32_t* words(int64_t p, int64_t block) {
    return reinterpret_cast<uint32_t*>(at_) + (p * num_blocks() + block) * kWords;
  }
  void pack_half(int64_t half, const void* W, tensor::DType dtype, int64_t rows,
                 int64_t first_column);

  int64_t K_ = 0, N_ = 0;
  tensor::Buffer data_;  // empty where the memory is borrowed
  float* at_ = nullptr;
};

// C (M, N), overwritten; bias (N) or nullptr for zero is what the blocks' sums are added to. A is
// f32 and rounded here. Impossible shapes are an Error.
void bf16_matmul(Rows C, MatrixA A, const Bf16Matrix& B, const float* bias, int64_t M,
                 ThreadPool& threads);
// C (M, N) goes on from what it holds; blocks begin anew.
void bf16_matmul_continue(Rows C, MatrixA A, const Bf16Matrix& B, int64_t M, ThreadPool& threads);

// C (M, N) goes on from what it holds, a block for each run of A's k: B is as pack_runs left it.
void bf16_matmul_continue(Rows C, MatrixA A, Bf16Runs runs, const Bf16Matrix& B, int64_t M,
                          ThreadPool& threads);
// C (M, K of B) = A (M, N of B) B^T, overwritten: the blocks are of B's columns, 32 from the first on.
// The same copy of a weight serves both directions.
void bf16_matmul_transposed(Rows C, MatrixA A, const Bf16Matrix& B, int64_t M, ThreadPool& threads);

}  // namespace ponder::ops
