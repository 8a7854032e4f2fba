#include "ops/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "ops/reference.h"
#include "ops/test_support.h"
#include "tensor/buffer.h"

namespace ponder::ops {
namespace {

size_t at(int64_t i) { return static_cast<size_t>(i); }

using tensor::Precision;
constexpr Precision kBoth[] = {Precision::kF32, Precision::kBf16};

// One row of tokens with `group` query heads on one key-value head, laid out as a layer does: q, k
// and v side by side.
struct Row {
  Row(int64_t tokens, int64_t heads, int64_t head_dim, double scale = 1.0, uint64_t stream = 0,
      int64_t seen = kNoWindow, Precision arithmetic = Precision::kF32)
      : precision(arithmetic),
        T(tokens),
        group(heads),
        D(head_dim),
        window(seen),
        ld((heads + 2) * head_dim + 3),
        ldo(heads * head_dim + 1) {
    qkv = random_floats(T * ld, at(T * 1000 + group * 100 + D) + 2 * stream, scale);
    if (precision == Precision::kBf16) {
      for (float& x : qkv) x = reference::to_bf16(x);
    }
    dout = random_floats(T * ldo, at(T * 1000 + group * 100 + D) + 2 * stream + 1);
    out.assign(at(T * ldo), Output::kUntouched);
    lse.assign(at(T * group), 0.0f);
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t g = 0; g < group; ++g) {
        reference::attention(out.data() + t * ldo + g * D, lse[at(t * group + g)], q(t, g),
                             seen_by(t));
      }
    }
  }
  const float* q(int64_t t, int64_t g) const { return qkv.data() + t * ld + g * D; }
  ConstRows k() const { return {qkv.data() + group * D, ld}; }
  ConstRows v() const { return {k().data + D, ld}; }
  reference::Seen seen_by(int64_t t) const { return {k(), v(), t + 1, D, window, precision}; }

  Precision precision;
  int64_t T, group, D, window, ld, ldo;
  std::vector<float> qkv, dout, out, lse;  // out and lse by the definition
};

// Key and value blocks of a row.
struct Blocks {
  // What is stored first is written over: nothing of it may be seen.
  explicit Blocks(const Row& row)
      : size(key_block_bytes(row.D, row.precision) / int64_t{sizeof(float)}),
        count((row.T + kKeyBlock - 1) / kKeyBlock),
        floats("blocks", 2 * count * size) {
    std::fill(floats.data(), floats.data() + 2 * count * size, NAN);
    for (int64_t b = 0; b < count; ++b) {
      key_blocks.push_back(floats.data() + 2 * b * size);
      value_blocks.push_back(floats.data() + (2 * b + 1) * size);
    }
    store(row, 0, row.T);
  }
  void store(const Row& row, int64_t begin, int64_t end) {
    for (int64_t t = begin, n = 0; t < end; t += n) {
      n = std::min(kKeyBlock - t % kKeyBlock, end - t);
      float* keys = floats.data() + 2 * (t / kKeyBlock) * size;
      const auto rows = [&](ConstRows all) -> ConstRows {
        return {all.data + t * all.stride, all.stride};
      };
      store_keys(keys, row.precision, t % kKeyBlock, rows(row.k()), n, row.D);
      store_values(keys + size, row.precision, t % kKeyBlock, rows(row.v()), n, row.D);
    }
  }
  // Queries [first, first + count) of heads [head, head + heads).
  AttentionSequence work(const Row& row, float* out, float* lse, int64_t first, int64_t queries,
                         int64_t head, int64_t heads) const {
    return {{row.q(first, head), row.ld},
            {out + first * row.ldo + head * row.D, row.ldo},
            {lse ? lse + first * row.group + head : nullptr, row.group},
            key_blocks.data(),
            value_blocks.data(),
            queries,
            first,
            heads,
            row.window,
            row.precision};
  }
  int64_t size, count;
  tensor::Buffer floats;
  std::vector<const void*> key_blocks, value_blocks;
};

// Sizes around the borders of tiles (6 queries, 16 to 64 keys), of pieces of 48 queries counted
// over heads, and of blocks of 64.
std::vector<Row> rows(Precision precision) {
  std::vector<Row> all;
  const auto add = [&](int64_t T, int64_t group, int64_t D, double scale = 1.0) {
    all.emplace_back(T, group, D, scale, 0, kNoWindow, precision);
  };
  const int64_t head_dims[] = {16, 32, 48, 64, 80, 128};
  size_t i = 0;
  for (const int64_t T : {1,  2,  3,  4,  5,  6,  7,  8,  9,  11, 12, 13,  14,  15,  16,  17,
                          23, 24, 25, 31, 33, 48, 63, 64, 65, 66, 70, 127, 128, 129, 130, 131}) {
    // With 16 every size, with the others every size that a tile of queries meets.
    add(T, T % 3 + 1, 16);
    if (T <= 25 || T % 64 <= 1) add(T, T < 64 ? i % 8 + 1 : i % 2 + 1, head_dims[i % 6]);
    ++i;
  }
  for (const int64_t D : {16, 32, 48, 64, 80, 96, 112, 128}) add(6, D / 16, D);
  add(70, 2, 80);
  add(67, 1, 16,
      6.0);  // scores so large that most weights vanish and the maximum moves far
  // So small that products are denormal (float32's backward may then differ in the sign of a zero).
  if (precision == Precision::kBf16) add(67, 1, 16, 1e-20);
  // Scores that become denormal when they are scaled, which is no product: the first query's lse is its score.
  add(1, 8, 16, 1.2e-19);
  return all;
}

// Windows around the borders of vectors and blocks: queries of a tile that see other blocks, and
// windows that hold all there is.
std::vector<Row> windowed_rows(Precision precision) {
  std::vector<Row> all;
  for (const int64_t window : {1, 2, 15, 16, 17, 31, 62, 63, 64, 65, 66, 100, 128, 129}) {
    for (const int64_t T : {1, 65, 150}) {
      all.emplace_back(T, T % 3 + 1, window == 63 ? 48 : 16, window == 31 ? 6.0 : 1.0, 0, window,
                       precision);
    }
  }
  return all;
}

std::vector<Row> all_rows() {
  std::vector<Row> all;
  for (const Precision precision : kBoth) {
    for (Row& row : rows(precision)) all.push_back(std::move(row));
    for (Row& row : windowed_rows(precision)) all.push_back(std::move(row));
  }
  return all;
}

::testing::Message described(const Row& row) {
  return ::testing::Message() << to_string(row.precision) << ", T " << row.T << ", group "
                              << row.group << ", D " << row.D << ", window " << row.window;
}

TEST(Attention, EqualsTheDefinitionOnEveryMachine) {
  for (const Row& row : all_rows()) {
    SCOPED_TRACE(described(row));
    const Blocks blocks(row);
    on_every_machine(row.precision, row.T == 66, [&](ThreadPool& pool) {
      // A layer's way: one work per head. And all heads in one work.
      for (const bool together : {false, true}) {
        Output out(row.T * row.ldo), lse(std::vector<float>(row.lse.size(), 0.0f));
        std::vector<AttentionSequence> sequences;
        for (int64_t g = 0; g < row.group; g += together ? row.group : 1) {
          sequences.push_back(
              blocks.work(row, out.data(), lse.data(), 0, row.T, g, together ? row.group : 1));
        }
        attention(sequences, row.D, pool);
        ASSERT_TRUE(same_bits(row.out, out)) << (together ? "heads together" : "heads apart");
        ASSERT_TRUE(same_bits(row.lse, lse));
      }
    });
    if (HasFatalFailure()) return;
  }
}

// Keys and values that come one by one, or some at a time, lie as those that come together.
TEST(Attention, PiecesOfKeysAndValuesMakeTheSameBlocks) {
  for (const Row& row : all_rows()) {
    SCOPED_TRACE(described(row));
    const Blocks whole(row);
    on_every_machine(false, [&](ThreadPool&) {
      for (const int64_t step : {1, 3, 32, 33}) {
        Blocks pieces(row);
        std::fill(pieces.floats.data(), pieces.floats.data() + 2 * pieces.count * pieces.size, NAN);
        for (int64_t t = 0; t < row.T; t += step) pieces.store(row, t, std::min(row.T, t + step));
        // In f32 what stands behind the last value is not written.
        const int64_t written =
            row.precision == Precision::kBf16
                ? 2 * whole.count * whole.size
                : (2 * whole.count - 1) * whole.size + ((row.T - 1) % kKeyBlock + 1) * row.D;
        ASSERT_EQ(
            0, std::memcmp(whole.floats.data(), pieces.floats.data(), at(written) * sizeof(float)))
            << step << " at a time";
      }
    });
    if (HasFatalFailure()) return;
  }
}

// Decoding is attention of one query, or of a few, at the end of what is there.
TEST(Attention, QueriesAtATimeChangeNoBitOnEveryMachine) {
  for (const Precision precision : kBoth) {
    for (const int64_t window : {kNoWindow, int64_t{5}, int64_t{64}, int64_t{90}}) {
      const Row row(131, 3, 16, 1.0, 0, window, precision);
      const Blocks blocks(row);
      SCOPED_TRACE(described(row));
      on_every_machine(precision, true, [&](ThreadPool& pool) {
        for (const int64_t step : {1, 2, 5, 64, 100}) {
          Output out(row.T * row.ldo);
          std::vector<AttentionSequence> sequences;
          for (int64_t t = 0; t < row.T; t += step) {
            sequences.push_back(
                blocks.work(row, out.data(), nullptr, t, std::min(step, row.T - t), 0, row.group));
          }
          attention(sequences, row.D, pool);
          ASSERT_TRUE(same_bits(row.out, out)) << step << " tokens at a time";
        }
      });
    }
  }
}

TEST(Attention, AWindowThatHoldsAllChangesNoBit) {
  for (const Precision precision : kBoth) {
    const auto out = [&](int64_t window) { return Row(131, 2, 16, 1.0, 0, window, precision).out; };
    for (const int64_t window : {131, 132, 1000})
      ASSERT_TRUE(testing::same_bits(out(kNoWindow), out(window)));
    ASSERT_FALSE(testing::same_bits(out(kNoWindow), out(130)));
  }
}

// Blocks before all windows are not looked at: their pages may be gone.
TEST(Attention, BlocksBeforeTheWindowNeedNotExist) {
  for (const Precision precision : kBoth) {
    const Row row(200, 2, 16, 1.0, 0, 70, precision);
    Blocks blocks(row);
    blocks.key_blocks[0] = blocks.value_blocks[0] =
        nullptr;  // queries from 133 on see keys from 64 on
    on_every_machine(precision, false, [&](ThreadPool& pool) {
      Output out(row.T * row.ldo);
      const AttentionSequence work = blocks.work(row, out.data(), nullptr, 133, 67, 0, row.group);
      attention({&work, 1}, row.D, pool);
      const auto from = at(133 * row.ldo);
      ASSERT_TRUE(testing::same_bits(std::span(row.out).subspan(from), out.values().subspan(from)));
    });
  }
}

// What stands behind the last key, in a page of a cache, is not looked at: here the row's later tokens,
// whose values are so large that no weight but zero would hide them.
TEST(Attention, KeysAfterTheQueryDoNotExist) {
  for (const Precision precision : kBoth) {
    const Row row(70, 2, 16, 1.0, 0, kNoWindow, precision);
    for (const int64_t last : {0, 5, 16, 31, 32, 63, 64, 68}) {
      Row later = row;
      for (int64_t t = last + 1; t < row.T; ++t) {
        for (int64_t i = row.group * row.D; i < (row.group + 2) * row.D; ++i)
          later.qkv[at(t * row.ld + i)] = 1e30f;
      }
      Blocks blocks(later);
      const int64_t begin = last * row.ldo, size = row.group * row.D;
      on_every_machine(precision, false, [&](ThreadPool& pool) {
        Output out(row.T * row.ldo);
        const AttentionSequence work = blocks.work(row, out.data(), nullptr, last, 1, 0, row.group);
        attention({&work, 1}, row.D, pool);
        ASSERT_TRUE(testing::same_bits(std::span(row.out).subspan(at(begin), at(size)),
                                       out.values().subspan(at(begin), at(size))))
            << "last key " << last;
      });
    }
  }
}

// The gradient of qkv by the definition.
std::vector<float> backward(const Row& row) {
  std::vector<float> gradient(row.qkv.size(), Output::kUntouched);
  float *dk = gradient.data() + row.group * row.D, *dv = dk + row.D;
  for (int64_t t = 0; t < row.T; ++t) {
    for (int64_t d = 0; d < row.D; ++d) dk[t * row.ld + d] = dv[t * row.ld + d] = 0.0f;
  }
  for (int64_t g = 0; g < row.group; ++g) {
    if (row.precision == Precision::kBf16) {
      reference::bf16_attention_backward(
          {{gradient.data() + g * row.D, row.ld}, {dk, row.ld}, {dv, row.ld}},
          {row.dout.data() + g * row.D, row.ldo}, {row.out.data() + g * row.D, row.ldo},
          {row.lse.data() + g, row.group}, {row.q(0, g), row.ld}, row.seen_by(row.T - 1));
      continue;
    }
    for (int64_t t = 0; t < row.T; ++t) {
      const int64_t o = t * row.ldo + g * row.D;
      reference::attention_backward(gradient.data() + t * row.ld + g * row.D, dk, dv,
                                    row.dout.data() + o, row.out.data() + o,
                                    row.lse[at(t * row.group + g)], row.q(t, g), row.seen_by(t));
    }
  }
  return gradient;
}

AttentionBackwardSequence backward_work(const Row& row, float* gradient) {
  return {{row.q(0, 0), row.ld},
          row.k(),
          row.v(),
          {row.out.data(), row.ldo},
          {row.dout.data(), row.ldo},
          {row.lse.data(), row.group},
          {gradient, row.ld},
          {gradient + row.group * row.D, row.ld},
          {gradient + (row.group + 1) * row.D, row.ld},
          row.T,
          row.group,
          row.window,
          row.precision};
}

// Not of every window and length: bf16's plain loops take long, a minute with sanitizers.
bool is_left_out(const Row& row) {
  if (row.precision == Precision::kF32) return false;
  const bool windowed = row.window != kNoWindow && row.window != 31 && row.window != 64;
  return windowed || (row.T > 66 && row.T % 2 == 0 && row.window == kNoWindow);
}

TEST(Attention, BackwardEqualsTheDefinitionOnEveryMachine) {
  for (const Row& row : all_rows()) {
    if (is_left_out(row)) continue;
    SCOPED_TRACE(described(row));
    // Other rows beside it, so that threads share the work and must not share their scratch.
    const Row other(row.T, row.group, row.D, 1.0, 500, row.window, row.precision);
    const std::vector<float> expected[] = {backward(row), backward(other)};
    const bool threads = row.T == 66 || (row.D == 48 && row.precision == Precision::kF32);
    on_every_machine(row.precision, threads, [&](ThreadPool& pool) {
      const int64_t scratch_size = attention_backward_scratch(row.T, row.D, row.precision);
      std::vector<float> scratch(at(scratch_size * pool.num_threads()), NAN);
      std::vector<Output> gradients(pool.num_threads() > 1 ? 20 : 2,
                                    Output(static_cast<int64_t>(row.qkv.size())));
      std::vector<AttentionBackwardSequence> sequences;
      for (size_t i = 0; i < gradients.size(); ++i) {
        sequences.push_back(backward_work(i % 2 ? other : row, gradients[i].data()));
      }
      attention_backward(sequences, row.D, scratch.data(), scratch_size, pool);
      for (size_t i = 0; i < gradients.size(); ++i)
        ASSERT_TRUE(same_bits(expected[i % 2], gradients[i]));
    });
    if (HasFatalFailure()) return;
  }
}

// Queries, keys and values in two bytes are what they are rounded.
TEST(Attention, BackwardOfBf16RowsChangesNoBitOnEveryMachine) {
  const auto row_of = [](int64_t T, int64_t group, int64_t D) {
    return Row(T, group, D, 1.0, 0, kNoWindow, Precision::kBf16);
  };
  for (const Row& row : {row_of(5, 2, 16), row_of(70, 3, 32), row_of(131, 1, 80)}) {
    std::vector<Bf16> halves;
    for (const float x : row.qkv)
      halves.push_back({static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16)});
    const int64_t scratch_size = attention_backward_scratch(row.T, row.D, row.precision);
    on_every_bf16_path(false, [&](ThreadPool& pool) {
      const auto size = static_cast<int64_t>(row.qkv.size());
      Output gradients[2] = {Output(size), Output(size)};
      for (const bool bf16 : {false, true}) {
        std::vector<float> scratch(at(scratch_size), NAN);
        AttentionBackwardSequence work = backward_work(row, gradients[bf16].data());
        for (StoredRows AttentionBackwardSequence::*rows :
             {&AttentionBackwardSequence::q, &AttentionBackwardSequence::k,
              &AttentionBackwardSequence::v}) {
          if (bf16) work.*rows = {halves.data() + ((work.*rows).f32 - row.qkv.data()), row.ld};
        }
        attention_backward({&work, 1}, row.D, scratch.data(), scratch_size, pool);
      }
      ASSERT_TRUE(same_bits(gradients[0].values(), gradients[1]));
    });
    if (HasFatalFailure()) return;
  }
}

// Rows of a packed batch: sequences of any length in one call, threads taking the next one.
void expect_rows_together(Precision precision) {
  std::vector<Row> all;
  std::vector<std::vector<float>> gradients;
  std::vector<Blocks> blocks;
  for (const int64_t T : {5, 130, 1, 64, 17, 71, 3}) {
    all.emplace_back(T, 2, 32, 1.0, 0, kNoWindow, precision);
    gradients.push_back(backward(all.back()));
    blocks.emplace_back(all.back());
  }
  on_every_machine(precision, true, [&](ThreadPool& pool) {
    std::vector<Output> outs, lses, found;
    for (const Row& row : all) {
      outs.emplace_back(row.T * row.ldo);
      lses.emplace_back(std::vector<float>(row.lse.size(), 0.0f));
      found.emplace_back(static_cast<int64_t>(row.qkv.size()));
    }
    std::vector<AttentionSequence> sequences;
    std::vector<AttentionBackwardSequence> backward_sequences;
    for (size_t i = 0; i < all.size(); ++i) {
      sequences.push_back(
          blocks[i].work(all[i], outs[i].data(), lses[i].data(), 0, all[i].T, 0, 2));
      backward_sequences.push_back(backward_work(all[i], found[i].data()));
    }
    const int64_t scratch_size = attention_backward_scratch(130, 32, precision);
    std::vector<float> scratch(at(scratch_size * pool.num_threads()), NAN);
    attention(sequences, 32, pool);
    attention_backward(backward_sequences, 32, scratch.data(), scratch_size, pool);
    for (size_t i = 0; i < all.size(); ++i) {
      ASSERT_TRUE(same_bits(all[i].out, outs[i])) << "row " << i;
      ASSERT_TRUE(same_bits(all[i].lse, lses[i])) << "row " << i;
      ASSERT_TRUE(same_bits(gradients[i], found[i])) << "row " << i;
    }
  });
}

TEST(Attention, RowsOfAnyLengthTogetherOnEveryMachine) {
  for (const Precision precision : kBoth) expect_rows_together(precision);
}

TEST(Attention, ImpossibleShapesAreRefused) {
  const Row row(5, 2, 16);
  const Blocks blocks(row);
  ThreadPool pool(1);
  std::vector<float> out(row.out.size()), lse(row.lse.size());
  const AttentionSequence work = blocks.work(row, out.data(), lse.data(), 0, 5, 0, 2);
  attention({&work, 1}, 16, pool);
  const auto forward_refused = [&](int64_t D, auto&& change) {
    AttentionSequence bad = work;
    change(bad);
    return refused([&] { attention({&bad, 1}, D, pool); });
  };
  const auto nothing = [](auto&) {};
  for (const int64_t D : {-16, 0, 15}) EXPECT_TRUE(forward_refused(D, nothing)) << D;
  EXPECT_TRUE(forward_refused(16, [](AttentionSequence& w) { w.num_queries = -1; }));
  EXPECT_TRUE(forward_refused(16, [](AttentionSequence& w) { w.group = 0; }));
  EXPECT_TRUE(forward_refused(16, [](AttentionSequence& w) { w.window = 0; }));
  EXPECT_TRUE(forward_refused(16, [](AttentionSequence& w) { w.first_position = -1; }));
  EXPECT_TRUE(forward_refused(16, [](AttentionSequence& w) { w.q.stride = 31; }));
  EXPECT_TRUE(forward_refused(16, [](AttentionSequence& w) { w.out.stride = 31; }));
  EXPECT_TRUE(forward_refused(16, [](AttentionSequence& w) { w.lse.stride = 1; }));

  std::vector<float> gradient(row.qkv.size());
  const int64_t scratch_size = attention_backward_scratch(5, 16);
  std::vector<float> scratch(at(scratch_size));
  const AttentionBackwardSequence backward = backward_work(row, gradient.data());
  const auto backward_refused = [&](int64_t D, int64_t size, auto&& change) {
    AttentionBackwardSequence bad = backward;
    change(bad);
    return refused([&] { attention_backward({&bad, 1}, D, scratch.data(), size, pool); });
  };
  attention_backward({&backward, 1}, 16, scratch.data(), scratch_size, pool);
  EXPECT_TRUE(backward_refused(8, scratch_size, nothing));
  EXPECT_TRUE(backward_refused(16, scratch_size - 1, nothing));
  using Work = AttentionBackwardSequence;
  for (int64_t Work::*size : {&Work::num_tokens, &Work::group, &Work::window}) {
    EXPECT_TRUE(backward_refused(16, scratch_size, [&](Work& w) { w.*size = -1; }));
  }
  for (ConstRows Work::*rows : {&Work::out, &Work::dout}) {
    EXPECT_TRUE(backward_refused(16, scratch_size, [&](Work& w) { (w.*rows).stride = 31; }));
  }
  EXPECT_TRUE(backward_refused(16, scratch_size, [](Work& w) { w.q.stride = 31; }));
  for (StoredRows Work::*rows : {&Work::k, &Work::v}) {
    EXPECT_TRUE(backward_refused(16, scratch_size, [&](Work& w) { (w.*rows).stride = 15; }));
  }
  EXPECT_TRUE(backward_refused(16, scratch_size, [](Work& w) { w.lse.stride = 1; }));
  EXPECT_TRUE(backward_refused(16, scratch_size, [](Work& w) { w.dq.stride = 31; }));
  EXPECT_TRUE(backward_refused(16, scratch_size, [](Work& w) { w.dk.stride = 15; }));
  EXPECT_TRUE(backward_refused(16, scratch_size, [](Work& w) { w.dv.stride = 15; }));
  EXPECT_TRUE(refused([&] { attention_backward_scratch(-1, 16); }));
  EXPECT_TRUE(refused([&] { attention_backward_scratch(5, 8); }));

  EXPECT_TRUE(
      forward_refused(16, [](AttentionSequence& w) { w.precision = Precision::kBf16First; }));
  EXPECT_TRUE(
      backward_refused(16, scratch_size, [](Work& w) { w.precision = Precision::kBf16First; }));
  EXPECT_TRUE(refused([&] { key_block_bytes(15, Precision::kBf16); }));
  std::vector<float> block(at(kKeyBlock * 32));
  for (const Precision precision : kBoth) {
    for (const auto store : {store_keys, store_values}) {
      const auto storing_refused = [&](int64_t first, ConstRows rows, int64_t count, int64_t D) {
        return refused([&] { store(block.data(), precision, first, rows, count, D); });
      };
      EXPECT_TRUE(storing_refused(0, row.k(), 5, 15));
      EXPECT_TRUE(storing_refused(0, row.k(), -1, 16));
      EXPECT_TRUE(storing_refused(0, {row.k().data, 15}, 5, 16));
      EXPECT_TRUE(storing_refused(-1, row.k(), 5, 16));
      EXPECT_TRUE(storing_refused(60, row.k(), 5, 16));
    }
  }
}

// A row so long that backward lays out its keys again for every head.
TEST(SlowAttention, LongRowsBackwardEqualsTheDefinitionOnEveryMachine) {
  const Row row(32 * kKeyBlock + 1, 2, 16);
  const std::vector<float> expected = backward(row);
  on_every_machine(false, [&](ThreadPool& pool) {
    Output gradient(static_cast<int64_t>(row.qkv.size()));
    const int64_t scratch_size = attention_backward_scratch(row.T, row.D);
    std::vector<float> scratch(at(scratch_size), NAN);
    const AttentionBackwardSequence work = backward_work(row, gradient.data());
    attention_backward({&work, 1}, row.D, scratch.data(), scratch_size, pool);
    ASSERT_TRUE(same_bits(expected, gradient));
  });
}

// Attention in double precision, of a row's q, k and v, as they lie in qkv.
std::vector<double> attention_double(const Row& row, const std::vector<double>& qkv) {
  std::vector<double> out(row.out.size(), Output::kUntouched);
  const int64_t k = row.group * row.D, v = k + row.D;
  for (int64_t t = 0; t < row.T; ++t) {
    for (int64_t g = 0; g < row.group; ++g) {
      std::vector<double> p;
      double sum = 0;
      const int64_t first = reference::first_seen(t + 1, row.window);
      for (int64_t j = first; j <= t; ++j) {
        double s = 0;
        for (int64_t d = 0; d < row.D; ++d)
          s += qkv[at(t * row.ld + g * row.D + d)] * qkv[at(j * row.ld + k + d)];
        p.push_back(std::exp(s / std::sqrt(static_cast<double>(row.D))));
        sum += p.back();
      }
      for (int64_t d = 0; d < row.D; ++d) {
        double o = 0;
        for (int64_t j = first; j <= t; ++j)
          o += p[at(j - first)] / sum * qkv[at(j * row.ld + v + d)];
        out[at(t * row.ldo + g * row.D + d)] = o;
      }
    }
  }
  return out;
}

TEST(Attention, DefinitionIsCloseToDoublePrecision) {
  for (const Precision precision : kBoth) {
    // Of weights rounded to bf16 the error is up to 2^-9 of a value.
    const double tolerance = precision == Precision::kBf16 ? 1e-2 : 2e-6;
    const auto row_of = [&](int64_t T, int64_t group, int64_t D, int64_t window = kNoWindow) {
      return Row(T, group, D, 1.0, 0, window, precision);
    };
    for (const Row& row :
         {row_of(131, 2, 16), row_of(5, 1, 128), row_of(70, 1, 64), row_of(131, 2, 16, 70)}) {
      const auto expected = attention_double(row, doubles(row.qkv));
      for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(row.out[i], expected[i], tolerance);
    }
  }
}

void expect_finite_differences(const Row& row) {
  std::vector<double> qkv = doubles(row.qkv);
  const auto loss = [&] {
    const auto out = attention_double(row, qkv);
    double sum = 0;
    for (int64_t t = 0; t < row.T; ++t) {
      for (int64_t i = 0; i < row.group * row.D; ++i)
        sum += row.dout[at(t * row.ldo + i)] * out[at(t * row.ldo + i)];
    }
    return sum;
  };
  const auto expected = numeric_gradient(qkv, loss);
  ThreadPool pool(1);
  const int64_t scratch_size = attention_backward_scratch(row.T, row.D, row.precision);
  std::vector<float> scratch(at(scratch_size));
  Output gradient(std::vector<float>(row.qkv.size(), 0.0f));
  const AttentionBackwardSequence work = backward_work(row, gradient.data());
  attention_backward({&work, 1}, row.D, scratch.data(), scratch_size, pool);
  EXPECT_TRUE(
      all_near(expected, gradient.values(), row.precision == Precision::kBf16 ? 1e-2 : 1e-6));
}

TEST(Attention, BackwardEqualsFiniteDifferences) {
  for (const Precision precision : kBoth) {
    expect_finite_differences(Row(9, 2, 16, 1.0, 0, kNoWindow, precision));
    expect_finite_differences(Row(9, 2, 16, 1.0, 0, 4, precision));
  }
}

}  // namespace
}  // namespace ponder::ops
