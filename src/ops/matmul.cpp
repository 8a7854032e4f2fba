#include "ops/matmul.h"

#include <fmt/format.h>

#include "ops/matmul_task.h"

namespace ponder::ops {
namespace {

// How threads share out C: rows of it, panels, or both; never k.
struct Grid {
  int64_t rows = 1, columns = 1;
};

// The grid whose largest piece costs least. In units of one row times one panel: reading a panel
// costs about what a dozen rows do, packing a row of A about a quarter.
Grid grid_for(int64_t M, int64_t panels, int64_t threads) {
  Grid best;
  int64_t least = -1;
  for (int64_t rows = 1; rows <= threads; ++rows) {
    const Grid grid{rows, threads / rows};
    const int64_t m = (M + grid.rows - 1) / grid.rows;
    const int64_t p = (panels + grid.columns - 1) / grid.columns;
    const int64_t cost = 4 * (m + 12) * p + m;
    if (least >= 0 && cost >= least) continue;
    least = cost;
    best = grid;
  }
  return best;
}

void run(Rows C, MatrixA A, const MatrixB& B, ConstRows begin, int64_t M, ThreadPool& threads) {
  check_product(C, A, M, B.K(), B.N());
  const MatmulTask task{C, A, B.panels(), B.panels() ? nullptr : &B.view(), B.K(), B.N(), begin};
  const int64_t panels = (task.N + PackedMatrix::kPanel - 1) / PackedMatrix::kPanel;
  if (M == 0 || panels == 0) return;
  const Grid grid = grid_for(M, panels, threads.num_threads());
  threads.run([&](int part) {
    const int64_t row = part / grid.columns, column = part % grid.columns;
    if (row >= grid.rows) return;
    MatmulTask mine = task;
    mine.m0 = M * row / grid.rows;
    mine.m1 = M * (row + 1) / grid.rows;
    mine.panel0 = panels * column / grid.columns;
    mine.panel1 = panels * (column + 1) / grid.columns;
    if (mine.m0 < mine.m1 && mine.panel0 < mine.panel1) {
      mine.panels ? run_on_panels(mine) : run_on_view(mine);
    }
  });
}

}  // namespace

void check_product(Rows C, MatrixA A, int64_t M, int64_t K, int64_t N) {
  if (M < 0) refuse_shape("matmul", fmt::format("{} rows", M));
  if (M > 1 && C.stride < N) {
    refuse_shape("matmul", fmt::format("a result of {} columns in rows {} apart", N, C.stride));
  }
  // A's rows lie side by side, or its columns do.
  if (M > 1 && K > 1 && A.row_stride < K * A.column_stride && A.column_stride < M * A.row_stride) {
    refuse_shape("matmul", fmt::format("a left operand ({}, {}) with strides {} and {}", M, K,
                                       A.row_stride, A.column_stride));
  }
}

MatrixView::MatrixView(Direction direction, std::span<const Part> parts, int64_t width)
    : direction_(direction), width_(width) {
  if (parts.size() > kMaxParts) refuse_shape("matmul", "a view of too many matrices");
  for (const Part& part : parts) {
    parts_[num_parts_++] = part;
    rows_ += part.rows;
  }
}

void matmul(Rows C, MatrixA A, const MatrixB& B, const float* bias, int64_t M,
            ThreadPool& threads) {
  run(C, A, B, {bias, 0}, M, threads);
}

void matmul_continue(Rows C, MatrixA A, const MatrixB& B, int64_t M, ThreadPool& threads) {
  run(C, A, B, C, M, threads);
}

}  // namespace ponder::ops
