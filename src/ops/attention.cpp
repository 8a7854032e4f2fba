#include "ops/attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>
#include <vector>

#include "ops/attention_bf16_task.h"
#include "ops/attention_task.h"

namespace ponder::ops {
namespace {

void check_head_dim(int64_t D) {
  if (D > 0 && D % 16 == 0) return;
  refuse_shape("attention", fmt::format("heads of {} elements, which is no multiple of 16", D));
}

void check_sizes(int64_t num_tokens, int64_t group, int64_t window) {
  if (num_tokens >= 0 && group > 0 && window > 0) return;
  refuse_shape("attention", fmt::format("{} tokens of {} heads with a window of {} are impossible",
                                        num_tokens, group, window));
}

void check_rows(const char* what, int64_t stride, int64_t width) {
  if (stride >= width) return;
  refuse_shape("attention", fmt::format("rows of {} elements of {}, {} apart, are impossible",
                                        width, what, stride));
}

bool is_bf16(tensor::Precision precision) { return precision == tensor::Precision::kBf16; }

void check_precision(tensor::Precision precision) {
  if (is_bf16(precision) || precision == tensor::Precision::kF32) return;
  refuse_shape("attention", "an arithmetic in which nothing computes");
}

void check_stored(tensor::Precision precision, int64_t first, ConstRows rows, int64_t count,
                  int64_t D) {
  check_precision(precision);
  check_head_dim(D);
  check_shape("attention", RowShape{count, D}, rows.stride);
  if (first >= 0 && first + count <= kKeyBlock) return;
  refuse_shape("attention",
               fmt::format("{} rows from {} on of a block of {}", count, first, kKeyBlock));
}

void check_sequence(const AttentionSequence& w, int64_t D) {
  check_sizes(w.num_queries, w.group, w.window);
  if (w.first_position < 0) {
    refuse_shape("attention", fmt::format("a first position of {}", w.first_position));
  }
  check_rows("queries", w.q.stride, w.group * D);
  check_rows("outputs", w.out.stride, w.group * D);
  if (w.lse.data) check_rows("log-sum-exp", w.lse.stride, w.group);
  check_precision(w.precision);
}

void check_sequence(const AttentionBackwardSequence& w, int64_t D) {
  check_sizes(w.num_tokens, w.group, w.window);
  for (const int64_t stride : {w.q.stride, w.out.stride, w.dout.stride, w.dq.stride})
    check_rows("queries, outputs or their gradients", stride, w.group * D);
  for (const int64_t stride : {w.k.stride, w.v.stride, w.dk.stride, w.dv.stride})
    check_rows("keys, values or their gradients", stride, D);
  check_rows("log-sum-exp", w.lse.stride, w.group);
  check_precision(w.precision);
}

int64_t piece_queries(const AttentionSequence& w) {
  return is_bf16(w.precision) ? kGroup : kQueries;
}

}  // namespace

void attention(std::span<const AttentionSequence> sequences, int64_t D, ThreadPool& threads) {
  check_head_dim(D);
  // Pieces of some queries: threads take the next one when they are free, sequences in order
  // (in decoding their keys follow each other in memory), the last pieces of a work, which see the
  // most keys, first. Who computes a piece changes nothing in it.
  std::vector<int64_t> end;  // of each work's pieces
  end.reserve(sequences.size());
  int64_t pieces = 0;
  for (const AttentionSequence& w : sequences) {
    check_sequence(w, D);
    pieces += (w.num_queries * w.group + piece_queries(w) - 1) / piece_queries(w);
    end.push_back(pieces);
  }
  std::atomic<int64_t> next{0};
  threads.run([&](int) {
    for (int64_t piece; (piece = next.fetch_add(1, std::memory_order_relaxed)) < pieces;) {
      const auto i = std::upper_bound(end.begin(), end.end(), piece) - end.begin();
      const AttentionSequence& w = sequences[static_cast<size_t>(i)];
      const int64_t most = piece_queries(w),
                    first = (end[static_cast<size_t>(i)] - 1 - piece) * most;
      const auto attend = is_bf16(w.precision) ? attend_queries_bf16 : attend_queries;
      attend(w, D, first, std::min(most, w.num_queries * w.group - first));
    }
  });
}

int64_t key_block_bytes(int64_t D, tensor::Precision precision) {
  check_precision(precision);
  check_head_dim(D);
  return is_bf16(precision) ? Bf16Matrix::storage_floats(D, kKeyBlock) * int64_t{sizeof(float)}
                            : kKeyBlock * D * int64_t{sizeof(float)};
}

void store_keys(void* block, tensor::Precision precision, int64_t first, ConstRows rows,
                int64_t count, int64_t D) {
  check_stored(precision, first, rows, count, D);
  if (is_bf16(precision))
    return store_bf16_keys(static_cast<uint32_t*>(block), first, rows, count, D);
  auto* keys = static_cast<float*>(block);
  if (first == 0) return transpose_key_rows(keys, rows, count, D);
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t d = 0; d < D; ++d)
      keys[d * kKeyBlock + first + i] = rows.data[i * rows.stride + d];
  }
}

void store_values(void* block, tensor::Precision precision, int64_t first, ConstRows rows,
                  int64_t count, int64_t D) {
  check_stored(precision, first, rows, count, D);
  if (is_bf16(precision))
    return store_bf16_values(static_cast<uint32_t*>(block), first, rows, count, D);
  auto* values = static_cast<float*>(block);
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(values + (first + i) * D, rows.data + i * rows.stride,
                static_cast<size_t>(D) * sizeof(float));
  }
}

int64_t attention_backward_scratch(int64_t max_tokens, int64_t D, tensor::Precision precision) {
  check_precision(precision);
  check_head_dim(D);
  check_shape("attention", RowShape{max_tokens, D});
  return is_bf16(precision) ? bf16_attention_backward_scratch(max_tokens, D)
                            : BackwardScratch(nullptr, max_tokens, D).used;
}

void attention_backward(std::span<const AttentionBackwardSequence> sequences, int64_t D,
                        float* scratch, int64_t scratch_per_thread, ThreadPool& threads) {
  for (const AttentionBackwardSequence& w : sequences) {
    check_sequence(w, D);
    if (scratch_per_thread >= attention_backward_scratch(w.num_tokens, D, w.precision)) continue;
    refuse_shape("attention", fmt::format("{} floats of scratch for rows of {} tokens",
                                          scratch_per_thread, w.num_tokens));
  }
  // Threads take the next work when they are free, the longest first.
  std::vector<size_t> order(sequences.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return sequences[a].num_tokens > sequences[b].num_tokens;
  });
  std::atomic<size_t> next{0};
  threads.run([&](int part) {
    for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < sequences.size();) {
      const AttentionBackwardSequence& w = sequences[order[i]];
      const auto backward =
          is_bf16(w.precision) ? attention_backward_bf16 : attention_backward_sequence;
      backward(w, D, scratch + part * scratch_per_thread);
    }
  });
}

}  // namespace ponder::ops
