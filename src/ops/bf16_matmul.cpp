#include "ops/bf16_matmul.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "ops/bf16_task.h"
#include "ops/matmul_task.h"

namespace ponder::ops {
namespace {

constexpr int64_t kPanel = Bf16Matrix::kPanel;
constexpr int kNotForced = -1;
std::atomic<int> forced_path = kNotForced;  // a Bf16Path

double peak_rate(const Bf16Kernel& kernel) {
  constexpr int64_t kSteps = 1000;  // about ten microseconds
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const double start = seconds(PeakTime::kClock);
    kernel.peak(kSteps);
    best = std::max(best, kernel.peak_flops * kSteps / (seconds(PeakTime::kClock) - start));
  }
  return best;
}

// Called where there is VDPBF16PS.
bool dot_is_faster() {
  static const bool faster = peak_rate(bf16_dot_kernel()) > peak_rate(bf16_fma_kernel());
  return faster;
}

// The right operand: a matrix, or its transposed, whose panels are laid out as they are needed.
struct Right {
  const Bf16Matrix* matrix;
  bool transposed = false;

  int64_t K() const { return transposed ? matrix->N() : matrix->K(); }
  int64_t N() const { return transposed ? matrix->K() : matrix->N(); }
  int64_t num_blocks() const { return transposed ? matrix->num_panels() : matrix->num_blocks(); }
  int64_t num_panels() const { return transposed ? matrix->num_blocks() : matrix->num_panels(); }
};

// Blocks that one tile of few rows asks for before it reads them (16 KiB).
constexpr int64_t kAhead = 8;

// Lays panels out as the tiles of a part read them.
struct Panels {
  const Right& B;
  const Bf16Kernel& kernel;
  bool prepared;  // for its tiles

  int64_t block_words() const { return prepared ? kernel.prepared_b_words : Bf16Matrix::kWords; }
  int64_t scratch_words(int64_t blocks) const {
    return prepared || B.transposed ? blocks * block_words() : 0;
  }
  // What a tile of panel p asks for, the i-th of n: its share of the blocks of the next panel that are
  // prepared after this one's tiles; where there is one tile, what lies some blocks ahead.
  Fetch fetch(int64_t p, int64_t block, int64_t blocks, int64_t i, int64_t n) const {
    if (B.transposed) return {};
    constexpr int64_t kBytes = Bf16Matrix::kWords * int64_t{sizeof(uint32_t)};
    if (!prepared && n == 1) {
      const auto* all = reinterpret_cast<const char*>(B.matrix->words(0, 0));
      const int64_t from = (p * B.num_blocks() + block + kAhead) * kBytes;
      const auto at = [&](int64_t offset) {
        return all + std::min(offset, B.matrix->size_bytes());
      };
      return {at(from), at(from + blocks * kBytes)};
    }
    if (p + 1 >= B.num_panels()) return {};
    const auto* from = reinterpret_cast<const char*>(B.matrix->words(p + 1, block));
    const auto at = [&](int64_t share) { return from + blocks * 32 * share / n * 64; };
    return {at(i), at(i + 1)};
  }
  // Some blocks of panel p, from `block` on.
  const uint32_t* panel(int64_t p, int64_t block, int64_t blocks, uint32_t* room) const {
    if (!B.transposed) {
      const uint32_t* words = B.matrix->words(p, block);
      if (!prepared) return words;
      kernel.prepare_b(words, blocks, room);
      return room;
    }
    for (int64_t b = 0; b < blocks; ++b) {
      const uint32_t* words = B.matrix->words(block + b, p);
      uint32_t* to = room + b * block_words();
      if (!prepared) {
        bf16_transpose_block(words, to);
        continue;
      }
      uint32_t turned[Bf16Matrix::kWords];
      bf16_transpose_block(words, turned);
      kernel.prepare_b(turned, 1, to);
    }
    return room;
  }
};

// The left one, and which of its k make a block (nullptr: 32 in turn).
struct Left {
  MatrixA A;
  const Bf16Run* runs = nullptr;
};

// What one thread does: rows [m0, m1) times panels [panel0, panel1).
struct Part {
  Rows C;
  Left A;
  Right B;
  ConstRows begin;
  int64_t m0 = 0, m1 = 0, panel0 = 0, panel1 = 0;
};

// Columns of C a row from which on the columns are shared out.
constexpr int64_t kWide = 8;

// Into how many parts of at most so many.
int64_t parts_of(int64_t count, int64_t most) {
  return std::max<int64_t>((count + most - 1) / most, 1);
}

// Of a block of a group, as the kernel reads it.
int64_t kernel_words(const Bf16Kernel& kernel) {
  return kBf16Group * (kernel.prepare ? kernel.prepared_words : kBf16RowWords);
}

// The last columns, fewer than a panel's: C and what it begins from are read and written through a buffer.
[[gnu::noinline]] void run_narrow_tile(const Bf16Kernel& kernel, Bf16Tile tile, int64_t columns,
                                       bool reads, bool writes) {
  float buffer[kBf16Group * kPanel] = {};
  const auto bytes = static_cast<size_t>(columns) * sizeof(float);
  const Rows c = tile.c;
  if (reads) {
    for (int r = 0; tile.begin.data && r < tile.rows; ++r)
      std::memcpy(buffer + r * kPanel, tile.begin.data + r * tile.begin.stride, bytes);
    tile.begin = Rows{buffer, kPanel};
  }
  if (writes) tile.c = Rows{buffer, kPanel};
  kernel.tile(tile);
  for (int r = 0; writes && r < tile.rows; ++r)
    std::memcpy(c.data + r * c.stride, buffer + r * kPanel, bytes);
}

// Where A's groups of rows lie, packed, and of which blocks of k, of B's panel too.
struct Packed {
  const uint32_t *a, *b;
  bool b_prepared;
  int64_t a_words, b_words;  // of a group, of a block of the panel
  int64_t first_group, block, blocks;
  bool alone;  // one group, whose tile of the next panel follows
};

// What is left in C's place between the parts of k that a panel passes by a batch of groups in: a tile a
// group, side by side, as C's rows may lie so far apart that few places in the caches are theirs.
struct Between {
  float* tiles;
  int64_t first, blocks;  // of those packed, this part
  bool begins, ends;

  Rows of(int64_t g) const { return {tiles + g * kBf16Group * kPanel, kPanel}; }
};

// Group g's tile of panel p; `next` is the group whose tile follows.
void run_tile(const Part& t, const Bf16Kernel& kernel, const Packed& packed, const Between& part,
              int64_t p, int64_t g, int64_t next, const Fetch& fetch) {
  const int64_t m = t.m0 + g * kBf16Group, column = p * kPanel, i = g - packed.first_group;
  const Rows c{t.C.data + m * t.C.stride + column, t.C.stride};
  ConstRows begin = c;
  if (packed.block == 0) {
    begin = t.begin;
    if (begin.data) begin.data += m * begin.stride + column;
  }
  Bf16Tile tile{packed.a + i * packed.a_words + part.first * kernel_words(kernel),
                packed.b + part.first * packed.b_words,
                packed.b_prepared,
                part.blocks,
                static_cast<int>(std::min(kBf16Group, t.m1 - m)),
                part.begins ? begin : ConstRows(part.of(i)),
                part.ends ? c : part.of(i),
                c.data + (next - g) * kBf16Group * c.stride,
                fetch};
  if (packed.alone) tile.next = c.data + kPanel;
  if (!part.ends) tile.next = part.of(next - packed.first_group).data;
  const int64_t columns = t.B.N() - column;
  columns >= kPanel ? kernel.tile(tile)
                    : run_narrow_tile(kernel, tile, columns, part.begins, part.ends);
}

// Few rows take a panel's whole k before the next, in the order in which B lies in memory.
void run_part(const Part& t, const Bf16Kernel& kernel) {
  const int64_t all = t.B.num_blocks(), groups = (t.m1 - t.m0 + kBf16Group - 1) / kBf16Group;
  const Panels panels{t.B, kernel, kernel.prepare_b && t.m1 - t.m0 > kFewRows};
  const bool at_once = groups == 1 && !t.B.transposed && !panels.prepared;
  const int64_t cuts = at_once ? 1 : parts_of(all, kernel.blocks_packed);
  const int64_t group_rows = (all + cuts - 1) / cuts * kBf16Group;
  const int64_t words = group_rows / kBf16Group * kernel_words(kernel);
  const int64_t together =
      std::clamp<int64_t>(kernel.packed_words / std::max<int64_t>(words, 1), 1, 16);
  thread_local tensor::Buffer scratch("matmul scratch", 0);
  const int64_t raw_words = group_rows * kBf16RowWords,
                a_words = std::min(groups, together) * words,
                c_words = std::min(groups, together) * kBf16Group * kPanel;
  scratch.reserve(raw_words + a_words + c_words + panels.scratch_words(group_rows / kBf16Group));
  auto* raw = reinterpret_cast<uint32_t*>(scratch.data());
  uint32_t *a = raw + raw_words, *b = a + a_words + c_words;
  auto* between = reinterpret_cast<float*>(a + a_words);
  kernel.start();
  for (int64_t cut = 0; cut < cuts; ++cut) {
    const int64_t b0 = all * cut / cuts, blocks = all * (cut + 1) / cuts - b0;
    const int64_t parts = at_once ? 1 : parts_of(blocks, kernel.blocks_at_once);
    for (int64_t g0 = 0; g0 < groups; g0 += together) {
      const int64_t g1 = std::min(g0 + together, groups);
      for (int64_t g = g0; g < g1; ++g) {
        const int64_t m = t.m0 + g * kBf16Group;
        uint32_t* to = a + (g - g0) * words;
        bf16_pack_a({t.A.A, m, std::min(kBf16Group, t.m1 - m), t.B.K(), b0, blocks, t.A.runs},
                    kernel.prepare ? raw : to);
        if (kernel.prepare) kernel.prepare(raw, blocks * kBf16Group, to);
      }
      for (int64_t p = t.panel0; p < t.panel1; ++p) {
        const Packed packed{a,
                            panels.panel(p, b0, blocks, b),
                            panels.prepared,
                            words,
                            panels.block_words(),
                            g0,
                            b0,
                            blocks,
                            groups == 1};
        for (int64_t part = 0; part < parts; ++part) {
          const int64_t first = blocks * part / parts;
          const Between here{between, first, blocks * (part + 1) / parts - first, part == 0,
                             part + 1 == parts};
          for (int64_t g = g0; g < g1; ++g) {
            run_tile(t, kernel, packed, here, p, g, g + 1 < g1 ? g + 1 : g,
                     panels.fetch(p, b0, blocks, part * (g1 - g0) + g - g0, parts * (g1 - g0)));
          }
        }
      }
    }
  }
  kernel.finish();
}

void run(Rows C, Left A, Right B, ConstRows begin, int64_t M, ThreadPool& threads) {
  check_product(C, A.A, M, B.K(), B.N());
  const int64_t panels = B.num_panels(), groups = (M + kBf16Group - 1) / kBf16Group;
  if (M == 0 || panels == 0) return;
  const Bf16Kernel kernel = bf16_kernel();
  // Rows are shared out where there are enough, as each thread then rounds its own; not where B is by far the
  // larger (a head's over its vocabulary), which each thread would read all of.
  const int64_t n = threads.num_threads();
  const int64_t rows = B.N() > kWide * M ? 1 : std::clamp<int64_t>(groups / 2, 1, n);
  const int64_t columns = n / rows;
  threads.run([&](int part) {
    const int64_t row = part / columns, column = part % columns;
    if (row >= rows) return;
    Part mine{C, A, B, begin};
    mine.m0 = groups * row / rows * kBf16Group;
    mine.m1 = std::min(groups * (row + 1) / rows * kBf16Group, M);
    mine.panel0 = panels * column / columns;
    mine.panel1 = panels * (column + 1) / columns;
    if (mine.m0 < mine.m1 && mine.panel0 < mine.panel1) run_part(mine, kernel);
  });
}

void check_columns(const Bf16Matrix& B, int64_t rows, int64_t first_column) {
  if (rows >= 0 && first_column >= 0 && first_column + rows <= B.N()) return;
  refuse_shape("bf16 matmul",
               fmt::format("{} weights from column {} on of {}", rows, first_column, B.N()));
}

}  // namespace

Bf16Kernel bf16_kernel() {
  switch (bf16_support().path) {
    case Bf16Path::kAmx:
      return bf16_amx_kernel();
    case Bf16Path::kAvx512Bf16:
      return bf16_dot_kernel();
    case Bf16Path::kFma:
      break;
  }
  return bf16_fma_kernel();
}

Bf16Support bf16_support() {
  // What the processor says is asked for once: on a virtual machine an answer takes microseconds.
  static const bool announced = amx_announced(), permitted = amx_permitted(),
                    has_dot = dot_announced();
  // The registers are AVX-512's, which a test may have taken away.
  const bool wide = bf16_registers_of_512_bits();
  const bool amx = wide && permitted, dot = wide && has_dot;
  Bf16Path path = Bf16Path::kFma;
  if (dot && dot_is_faster()) path = Bf16Path::kAvx512Bf16;
  if (amx) path = Bf16Path::kAmx;
  if (const int value = forced_path; value != kNotForced) {
    const auto forced = static_cast<Bf16Path>(value);
    if (forced == Bf16Path::kFma || (forced == Bf16Path::kAvx512Bf16 && dot) ||
        (forced == Bf16Path::kAmx && amx))
      path = forced;
  }
  return {path, announced, permitted};
}

std::string_view bf16_path_name(Bf16Path path) {
  switch (path) {
    case Bf16Path::kAmx:
      return "AMX";
    case Bf16Path::kAvx512Bf16:
      return "AVX512_BF16";
    case Bf16Path::kFma:
      break;
  }
  return "FMA";
}

void force_bf16_path(std::optional<Bf16Path> path) {
  forced_path = path ? static_cast<int>(*path) : kNotForced;
}

double measured_bf16_peak_gflops(ThreadPool& threads, PeakTime time) {
  const Bf16Kernel kernel = bf16_kernel();
  constexpr int64_t kSteps = 300'000;
  double best = 0;
  for (int repeat = 0; repeat < 7; ++repeat) {
    const double start = seconds(time);
    threads.run([&](int) {
      kernel.start();
      kernel.peak(kSteps);
      kernel.finish();
    });
    const double flops = kernel.peak_flops * kSteps * threads.num_threads();
    best = std::max(best, flops / (seconds(time) - start) * 1e-9);
  }
  return best;
}

Bf16Matrix::Bf16Matrix(const char* name, int64_t K, int64_t N) : K_(K), N_(N) {
  data_ = tensor::Buffer(name, storage_floats(K, N));
  at_ = data_.data();
}

Bf16Matrix::Bf16Matrix(float* storage, int64_t K, int64_t N) : K_(K), N_(N), at_(storage) {}

void Bf16Matrix::pack_half(int64_t half, const void* W, tensor::DType dtype, int64_t rows,
                           int64_t first_column) {
  const auto* source = static_cast<const char*>(W);
  const int64_t row_bytes = K_ * ponder::tensor::size_bytes(dtype);
  Bf16Columns columns{{}, dtype};
  for (int64_t j = 0; j < 16; ++j) {
    const int64_t row = half * 16 + j - first_column;
    if (row >= 0 && row < rows) columns.row[j] = source + row * row_bytes;
  }
  bf16_pack_columns({K_, words(half / 2, 0) + half % 2 * kBf16HalfWords, kWords}, columns);
}

void Bf16Matrix::pack_weight(const void* W, tensor::DType dtype, int64_t rows, int64_t first_column,
                             ThreadPool& threads) {
  check_columns(*this, rows, first_column);
  if (rows == 0 || K_ == 0) return;
  const int64_t half0 = first_column / 16, halves = (first_column + rows + 15) / 16 - half0;
  threads.parallel_for(halves, 1, [&](int64_t begin, int64_t end) {
    for (int64_t h = begin; h < end; ++h) pack_half(half0 + h, W, dtype, rows, first_column);
  });
}

void Bf16Matrix::pack_weight(const void* W, tensor::DType dtype, int64_t rows,
                             int64_t first_column) {
  check_columns(*this, rows, first_column);
  if (rows == 0 || K_ == 0) return;
  for (int64_t h = first_column / 16; h < (first_column + rows + 15) / 16; ++h)
    pack_half(h, W, dtype, rows, first_column);
}

void Bf16Matrix::pack(const MatrixView& view, ThreadPool& threads) {
  if (view.K() != K_ || view.N() != N_) {
    refuse_shape("bf16 matmul",
                 fmt::format("a view ({}, {}) for ({}, {})", view.K(), view.N(), K_, N_));
  }
  if (K_ == 0) return;
  threads.parallel_for((N_ + 15) / 16, 1, [&](int64_t h0, int64_t h1) {
    for (int64_t h = h0; h < h1; ++h) {
      const Bf16Half half{K_, words(h / 2, 0) + h % 2 * kBf16HalfWords, kWords};
      const int64_t count = std::min<int64_t>(16, N_ - h * 16);
      if (!view.transposed()) {
        bf16_pack_rows(half, {&view, h * 16, count});
        continue;
      }
      Bf16Columns columns{{}, tensor::DType::kF32};
      for (int64_t j = 0; j < count; ++j) columns.row[j] = view.row(h * 16 + j);
      bf16_pack_columns(half, columns);
    }
  });
}

void Bf16Matrix::pack_runs(const float* X, Bf16Runs runs, ThreadPool& threads) {
  const auto blocks = static_cast<int64_t>(runs.size());
  int64_t rows = 0;
  for (const Bf16Run& run : runs) {
    if (run.begin < 0 || run.count < 1 || run.count > kBlock)
      refuse_shape("bf16 matmul", fmt::format("a run of {} from {} on", run.count, run.begin));
    rows = std::max(rows, run.begin + run.count);
  }
  if (blocks * kBlock != K_)
    refuse_shape("bf16 matmul", fmt::format("{} runs for a K of {}", blocks, K_));
  if (K_ == 0) return;
  const MatrixView view = MatrixView::rows(X, rows, N_);
  threads.parallel_for(blocks, 1, [&](int64_t b0, int64_t b1) {
    for (int64_t b = b0; b < b1; ++b) {
      // Halves that are not there are zeroed too: memory that is borrowed is of any content.
      for (int64_t h = 0; h < 2 * num_panels(); ++h) {
        const int64_t count = std::clamp<int64_t>(N_ - h * 16, 0, 16);
        bf16_pack_rows({kBlock, words(h / 2, b) + h % 2 * kBf16HalfWords, kWords},
                       {&view, h * 16, count, runs.subspan(static_cast<size_t>(b), 1)});
      }
    }
  });
}

void Bf16Matrix::read_column(int64_t n, float* to) const {
  if (n < 0 || n >= N_) refuse_shape("bf16 matmul", fmt::format("column {} of {}", n, N_));
  for (int64_t k = 0; k < K_; ++k) {
    const uint32_t word = words(
        n / kPanel, k / kBlock)[n % kPanel / 16 * kBf16HalfWords + k % kBlock / 2 * 16 + n % 16];
    to[k] = std::bit_cast<float>(k % 2 == 0 ? word << 16 : word & 0xFFFF0000u);
  }
}

void bf16_matmul(Rows C, MatrixA A, const Bf16Matrix& B, const float* bias, int64_t M,
                 ThreadPool& threads) {
  run(C, {A}, {&B}, {bias, 0}, M, threads);
}

void bf16_matmul_continue(Rows C, MatrixA A, const Bf16Matrix& B, int64_t M, ThreadPool& threads) {
  run(C, {A}, {&B}, C, M, threads);
}

void bf16_matmul_continue(Rows C, MatrixA A, Bf16Runs runs, const Bf16Matrix& B, int64_t M,
                          ThreadPool& threads) {
  if (static_cast<int64_t>(runs.size()) != B.num_blocks())
    refuse_shape("bf16 matmul", fmt::format("{} runs for {} blocks", runs.size(), B.num_blocks()));
  run(C, {A, runs.data()}, {&B}, C, M, threads);
}

void bf16_matmul_transposed(Rows C, MatrixA A, const Bf16Matrix& B, int64_t M,
                            ThreadPool& threads) {
  run(C, {A}, {&B, true}, {}, M, threads);
}

}  // namespace ponder::ops
