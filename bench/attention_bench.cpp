// Speed of attention against this machine's f32 peak (in bf16 too), measured in the same process in turn with it;
// what is printed are medians.
//   attention_bench [--kind forward,backward,decode,prefill] [--head-dim 32,64,128] [--group 2,7]
//                   [--length 128,512,2048] [--sequences 1,16,64] [--chunk 256] [--threads N]
//                   [--precision f32|bf16] [--bf16-path FMA|AVX512_BF16|AMX] [--avx2]
// forward and backward: one row of `length` tokens, laid out as a layer lays it out (4 key-value
// heads for groups of 2, 2 for 7, of which long rows compute only one); forward includes laying out
// keys and values in blocks. decode: one query for each of several sequences with `length` tokens
// in a cache larger than L2 where that is so in practice. prefill: `chunk` queries at the end of
// `length`. FLOPs are the useful ones, as `ponder bench` counts them: the causal half, 4 D a pair
// of query and key forward and 8 D backward (which has to compute 10 D).
#include <fmt/format.h>
#include <hwy/targets.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/philox.h"
#include "base/thread_pool.h"
#include "ops/attention.h"
#include "ops/bf16_matmul.h"
#include "ops/peak.h"
#include "tensor/buffer.h"

using namespace ponder;

namespace {

size_t at(int64_t i) { return static_cast<size_t>(i); }

tensor::Buffer random_values(const char* name, int64_t count, uint64_t stream) {
  const Random random(7, stream);
  tensor::Buffer buffer(name, count);
  for (int64_t i = 0; i < count; ++i) {
    buffer.data()[i] = static_cast<float>(2 * random.uniform(static_cast<uint64_t>(i)) - 1);
  }
  return buffer;
}

// Seconds of this thread, or of the clock when several threads share the work.
double now(int threads) {
  timespec t;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Setting {
  int64_t D, group, length;
  int64_t kv_heads() const { return group >= 7 ? 2 : 4; }           // that the layout has
  int64_t used() const { return length >= 8192 ? 1 : kv_heads(); }  // that are computed
  int64_t Q() const { return kv_heads() * group * D; }
  int64_t W() const { return Q() + 2 * kv_heads() * D; }
  // Pairs of a query and a key it sees, of all heads computed.
  double pairs(int64_t queries) const {
    const auto t = static_cast<double>(length), before = static_cast<double>(length - queries);
    return 0.5 * (t * (t + 1) - before * (before + 1)) * static_cast<double>(used() * group);
  }
};

// A row of tokens and what attention makes of it.
struct Row {
  Row(const Setting& setting, tensor::Precision arithmetic)
      : s(setting),
        precision(arithmetic),
        block_floats(ops::key_block_bytes(s.D, precision) / int64_t{sizeof(float)}),
        blocks((s.length + ops::kKeyBlock - 1) / ops::kKeyBlock),
        qkv(random_values("qkv", s.length * s.W(), 1)),
        dout(random_values("dout", s.length * s.Q(), 2)),
        out("out", s.length * s.Q()),
        lse("lse", s.length * s.kv_heads() * s.group),
        dqkv("dqkv", s.length * s.W()),
        keys("keys", blocks * block_floats * s.used()),
        values("values", blocks * block_floats * s.used()) {}

  void lay_out(ThreadPool& pool) {
    key_blocks.resize(at(blocks * s.used()));
    value_blocks.resize(key_blocks.size());
    pool.parallel_for(s.used(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t kv = begin; kv < end; ++kv) {
        const int64_t slot = kv * blocks;
        const float* k = qkv.data() + s.Q() + kv * s.D;
        const float* v = k + s.kv_heads() * s.D;
        for (int64_t b = 0; b < blocks; ++b) {
          const int64_t first = b * ops::kKeyBlock, n = std::min(ops::kKeyBlock, s.length - first);
          float* to[] = {keys.data() + (slot + b) * block_floats,
                         values.data() + (slot + b) * block_floats};
          ops::store_keys(to[0], precision, 0, {k + first * s.W(), s.W()}, n, s.D);
          ops::store_values(to[1], precision, 0, {v + first * s.W(), s.W()}, n, s.D);
          key_blocks[at(slot + b)] = to[0];
          value_blocks[at(slot + b)] = to[1];
        }
      }
    });
  }

  void forward(int64_t first, bool with_lse, ThreadPool& pool) {
    const int64_t heads = s.kv_heads() * s.group;
    std::vector<ops::AttentionSequence> sequences;
    for (int64_t kv = 0; kv < s.used(); ++kv) {
      const int64_t h = kv * s.group, slot = kv * blocks;
      sequences.push_back({{qkv.data() + first * s.W() + h * s.D, s.W()},
                           {out.data() + first * s.Q() + h * s.D, s.Q()},
                           {with_lse ? lse.data() + first * heads + h : nullptr, heads},
                           key_blocks.data() + slot,
                           value_blocks.data() + slot,
                           s.length - first,
                           first,
                           s.group,
                           ops::kNoWindow,
                           precision});
    }
    ops::attention(sequences, s.D, pool);
  }

  void backward(ThreadPool& pool) {
    const int64_t heads = s.kv_heads() * s.group;
    std::vector<ops::AttentionBackwardSequence> sequences;
    for (int64_t kv = 0; kv < s.used(); ++kv) {
      const int64_t q = kv * s.group * s.D, k = s.Q() + kv * s.D, v = k + s.kv_heads() * s.D;
      sequences.push_back({{qkv.data() + q, s.W()},
                           {qkv.data() + k, s.W()},
                           {qkv.data() + v, s.W()},
                           {out.data() + q, s.Q()},
                           {dout.data() + q, s.Q()},
                           {lse.data() + kv * s.group, heads},
                           {dqkv.data() + q, s.W()},
                           {dqkv.data() + k, s.W()},
                           {dqkv.data() + v, s.W()},
                           s.length,
                           s.group,
                           ops::kNoWindow,
                           precision});
    }
    const int64_t size = ops::attention_backward_scratch(s.length, s.D, precision);
    scratch.reserve(size * pool.num_threads());
    ops::attention_backward(sequences, s.D, scratch.data(), size, pool);
  }

  Setting s;
  tensor::Precision precision;
  int64_t block_floats, blocks;
  tensor::Buffer qkv, dout, out, lse, dqkv, keys, values;
  tensor::Buffer scratch{"scratch", 0};
  std::vector<const void*> key_blocks, value_blocks;
};

// Sequences that share nothing, one query each, their pages spread over a cache.
struct Decoding {
  Decoding(const Setting& setting, int64_t sequences, tensor::Precision of)
      : s(setting),
        precision(of),
        num(sequences),
        blocks((s.length + ops::kKeyBlock - 1) / ops::kKeyBlock),
        copies(std::max<int64_t>(1, kCacheFloats / (num * blocks * page() * s.kv_heads()))),
        cache(random_values("cache", copies * num * blocks * page() * s.kv_heads(), 1)),
        q(random_values("q", num * s.W(), 2)),
        out("out", num * s.Q()) {
    const int64_t heads = s.kv_heads();
    for (int64_t c = 0; c < copies; ++c) {
      for (int64_t i = 0; i < num * heads; ++i) {
        for (int64_t b = 0; b < blocks; ++b) {
          // Heads of a page side by side; pages of the sequences in turn, as they were taken.
          const int64_t place = ((c * blocks + b) * num + i / heads) * heads + i % heads;
          const char* keys = reinterpret_cast<const char*>(cache.data()) + place * page_bytes();
          key_blocks.push_back(keys);
          value_blocks.push_back(keys + page_bytes() / 2);
        }
      }
    }
  }
  int64_t page() const { return 2 * s.D * ops::kKeyBlock; }
  int64_t page_bytes() const { return 2 * ops::key_block_bytes(s.D, precision); }

  void step(int64_t copy, ThreadPool& pool) {
    std::vector<ops::AttentionSequence> sequences;
    for (int64_t i = 0; i < num * s.kv_heads(); ++i) {
      const int64_t n = i / s.kv_heads(), h = i % s.kv_heads();
      const size_t slot = at((copy * num * s.kv_heads() + i) * blocks);
      sequences.push_back({{q.data() + n * s.W() + h * s.group * s.D, s.W()},
                           {out.data() + n * s.Q() + h * s.group * s.D, s.Q()},
                           {},
                           key_blocks.data() + slot,
                           value_blocks.data() + slot,
                           1,
                           s.length - 1,
                           s.group,
                           ops::kNoWindow,
                           precision});
    }
    ops::attention(sequences, s.D, pool);
  }

  static constexpr int64_t kCacheFloats = 8 << 20;  // as many layers' caches in turn as fit
  Setting s;
  tensor::Precision precision;
  int64_t num, blocks, copies;
  tensor::Buffer cache, q, out;
  std::vector<const void*> key_blocks, value_blocks;
};

struct Timer {
  int threads;
  double sample_ms;
  int repeats;
  ThreadPool& pool;

  template <class Body>
  void line(const std::string& what, double flops, double bytes, const Body& body) {
    body();
    double start = now(threads);
    body();
    const double once = now(threads) - start;
    const int times = std::max(1, static_cast<int>(sample_ms * 1e-3 / once));
    std::vector<double> seconds, peaks;
    for (int r = 0; r < repeats; ++r) {
      start = now(threads);
      for (int t = 0; t < times; ++t) body();
      seconds.push_back((now(threads) - start) / times);
      if (r % 2 == 0) {
        peaks.push_back(ops::measured_peak_gflops(
            pool, threads == 1 ? ops::PeakTime::kThread : ops::PeakTime::kClock));
      }
    }
    const double gflops = flops / median(seconds) * 1e-9, peak = median(peaks);
    fmt::print("{} {:>8.1f} {:>8.1f} {:>6.2f}", what, gflops, peak, gflops / peak);
    if (bytes > 0) fmt::print(" {:>6.1f} GB/s", bytes / median(seconds) * 1e-9);
    fmt::print("\n");
    std::fflush(stdout);
  }
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("speed of attention against this machine's f32 peak");
  std::vector<std::string> kinds = {"forward", "backward"};
  std::vector<int64_t> head_dims = {32, 64, 128}, groups = {2, 7}, lengths = {128, 512, 2048};
  std::vector<int64_t> sequences = {1, 16, 64};
  int64_t chunk = 256;
  int threads = 1, repeats = 5;
  double sample_ms = 60;
  std::string of = "f32";
  app.add_option("--kind", kinds)->delimiter(',');
  app.add_option("--head-dim", head_dims)->delimiter(',');
  app.add_option("--group", groups)->delimiter(',');
  app.add_option("--length", lengths)->delimiter(',');
  app.add_option("--sequences", sequences)->delimiter(',');
  app.add_option("--chunk", chunk);
  std::string bf16_path;
  bool avx2 = false;
  app.add_option("--bf16-path", bf16_path, "FMA, AVX512_BF16 or AMX in place of its own choice")
      ->check(CLI::IsMember({"FMA", "AVX512_BF16", "AMX"}));
  app.add_flag("--avx2", avx2, "without AVX-512");
  app.add_option("--precision", of)->check(CLI::IsMember({"f32", "bf16"}));
  app.add_option("--threads", threads);
  app.add_option("--repeats", repeats);
  app.add_option("--sample-ms", sample_ms);
  CLI11_PARSE(app, argc, argv);
  try {
    for (const auto path : {ops::Bf16Path::kFma, ops::Bf16Path::kAvx512Bf16, ops::Bf16Path::kAmx}) {
      if (ops::bf16_path_name(path) == bf16_path) ops::force_bf16_path(path);
    }
    if (avx2) hwy::SetSupportedTargetsForTest(hwy::SupportedTargets() & ~(HWY_AVX2 - 1));
    ThreadPool pool(threads);
    const tensor::Precision precision = *tensor::precision_from_string(of);
    Timer timer{threads, sample_ms, repeats, pool};
    fmt::print("{:>8} {:>5} {:>5} {:>7} {:>6} {:>8} {:>8} {:>6}\n", "kind", "D", "group", "length",
               "seqs", "GFLOP/s", "peak", "share");
    for (const std::string& kind : kinds) {
      for (const int64_t D : head_dims) {
        for (const int64_t group : groups) {
          for (const int64_t length : lengths) {
            const Setting s{D, group, length};
            const auto name = [&](int64_t count) {
              return fmt::format("{:>8} {:>5} {:>5} {:>7} {:>6}", kind, D, group, length, count);
            };
            const auto d = static_cast<double>(D);
            if (kind == "decode") {
              for (const int64_t count : sequences) {
                Decoding decoding(s, count, precision);
                int64_t copy = 0;
                const auto n = static_cast<double>(count * s.kv_heads() * length);
                timer.line(name(count), 4 * d * n * static_cast<double>(group),
                           n / ops::kKeyBlock * static_cast<double>(decoding.page_bytes()), [&] {
                             decoding.step(copy, pool);
                             copy = (copy + 1) % decoding.copies;
                           });
              }
              continue;
            }
            Row row(s, precision);
            row.lay_out(pool);
            if (kind == "forward") {
              timer.line(name(1), 4 * d * s.pairs(length), 0, [&] {
                row.lay_out(pool);
                row.forward(0, true, pool);
              });
            } else if (kind == "prefill") {
              const int64_t first = std::max<int64_t>(0, length - chunk);
              timer.line(name(1), 4 * d * s.pairs(length - first), 0,
                         [&] { row.forward(first, false, pool); });
            } else if (kind == "backward") {
              row.forward(0, true, pool);
              timer.line(name(1), 8 * d * s.pairs(length), 0, [&] { row.backward(pool); });
            } else {
              throw std::runtime_error("--kind: forward, backward, decode or prefill");
            }
          }
        }
      }
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "attention_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
