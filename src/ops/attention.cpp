#include "ops/attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <vector>

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

void check_rows(ConstRows rows, int64_t count, int64_t D) {
  check_head_dim(D);
  check_shape("attention", RowShape{count, D}, rows.stride);
}

void check_sequence(const AttentionSequence& w, int64_t D) {
  check_sizes(w.num_queries, w.group, w.window);
  if (w.first_position < 0) {
    refuse_shape("attention", fmt::format("a first position of {}", w.first_position));
  }
  check_rows("queries", w.q.stride, w.group * D);
  check_rows("outputs", w.out.stride, w.group * D);
  if (w.lse.data) check_rows("log-sum-exp", w.lse.stride, w.group);
  if (w.storage != tensor::DType::kF32 && w.storage != tensor::DType::kBF16)
    refuse_shape("attention", "keys and values of neither f32 nor bf16");
}

void check_sequence(const AttentionBackwardSequence& w, int64_t D) {
  check_sizes(w.num_tokens, w.group, w.window);
  for (const int64_t stride : {w.q.stride, w.out.stride, w.dout.stride, w.dq.stride})
    check_rows("queries, outputs or their gradients", stride, w.group * D);
  for (const int64_t stride : {w.k.stride, w.v.stride, w.dk.stride, w.dv.stride})
    check_rows("keys, values or their gradients", stride, D);
  check_rows("log-sum-exp", w.lse.stride, w.group);
}

}  // namespace

void attention(std::span<const AttentionSequence> sequences, int64_t D, ThreadPool& threads) {
  check_head_dim(D);
  // Pieces of kQueries queries: threads take the next one when they are free, sequences in order
  // (in decoding their keys follow each other in memory), the last pieces of a work, which see the
  // most keys, first. Who computes a piece changes nothing in it.
  std::vector<int64_t> end;  // of each work's pieces
  end.reserve(sequences.size());
  int64_t pieces = 0;
  for (const AttentionSequence& w : sequences) {
    check_sequence(w, D);
    pieces += (w.num_queries * w.group + kQueries - 1) / kQueries;
    end.push_back(pieces);
  }
  std::atomic<int64_t> next{0};
  threads.run([&](int) {
    for (int64_t piece; (piece = next.fetch_add(1, std::memory_order_relaxed)) < pieces;) {
      const auto i = std::upper_bound(end.begin(), end.end(), piece) - end.begin();
      const AttentionSequence& w = sequences[static_cast<size_t>(i)];
      const int64_t first = (end[static_cast<size_t>(i)] - 1 - piece) * kQueries;
      attend_queries(w, D, first, std::min(kQueries, w.num_queries * w.group - first));
    }
  });
}

void transpose_keys(float* blocks, ConstRows keys, int64_t count, int64_t D) {
  check_rows(keys, count, D);
  transpose_key_rows(blocks, keys, count, D);
}

void transpose_keys(Bf16* blocks, ConstRows keys, int64_t count, int64_t D) {
  check_rows(keys, count, D);
  transpose_key_rows(blocks, keys, count, D);
}

void copy_values(float* blocks, ConstRows values, int64_t count, int64_t D) {
  check_rows(values, count, D);
  copy_value_rows(blocks, values, count, D);
}

void copy_values(Bf16* blocks, ConstRows values, int64_t count, int64_t D) {
  check_rows(values, count, D);
  copy_value_rows(blocks, values, count, D);
}

int64_t attention_backward_scratch(int64_t max_tokens, int64_t D) {
  check_head_dim(D);
  check_shape("attention", RowShape{max_tokens, D});
  return BackwardScratch(nullptr, max_tokens, D).used;
}

void attention_backward(std::span<const AttentionBackwardSequence> sequences, int64_t D,
                        float* scratch, int64_t scratch_per_thread, ThreadPool& threads) {
  int64_t longest = 0;
  for (const AttentionBackwardSequence& w : sequences) {
    check_sequence(w, D);
    longest = std::max(longest, w.num_tokens);
  }
  if (scratch_per_thread < attention_backward_scratch(longest, D)) {
    refuse_shape("attention", fmt::format("{} floats of scratch for rows of {} tokens",
                                          scratch_per_thread, longest));
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
      attention_backward_sequence(sequences[order[i]], D, scratch + part * scratch_per_thread);
    }
  });
}

}  // namespace ponder::ops
