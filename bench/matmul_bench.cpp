// Speed of the matrix products of one layer, in f32 and in bf16 arithmetic, against this machine's
// peaks and, where built with PONDER_BENCH_PEERS, against oneDNN. Every sample of a line is timed in turn with the others, so
// that a change of clock or a busy neighbour falls on all of them; what is printed are medians.
//   matmul_bench [--model T|S|Q|SmolLM2] [--kind forward|dx|dw] [--rows 1,4,16] [--threads N]
//                [--bf16-path FMA|AVX512_BF16|AMX] [--check]
// forward: C (M, out) = X (M, in) W^T, W packed before; dx: dY (M, out) W with W packed each time (in
// bf16 arithmetic before, as for forward); dw: dW (out, in) += dY^T X with X packed each time. oneDNN gets its weights packed before in
// forward, plain operands in dx and dw.
#include <fmt/format.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/philox.h"
#include "base/thread_pool.h"
#include "ops/bf16_matmul.h"
#include "ops/matmul.h"
#include "ops/peak.h"

#ifdef PONDER_BENCH_PEERS
#include <omp.h>

#include <dnnl.hpp>
#endif

using namespace ponder;

namespace {

struct Shape {
  const char* name;
  int64_t out, in;
};

std::vector<Shape> shapes_of(const std::string& model) {
  const auto layer = [](int64_t hidden, int64_t qkv, int64_t ffn) -> std::vector<Shape> {
    return {{"qkv", qkv, hidden},
            {"o", hidden, hidden},
            {"gate_up", 2 * ffn, hidden},
            {"down", hidden, ffn}};
  };
  if (model == "T") return layer(256, 512, 704);
  if (model == "S") return layer(512, 1024, 1408);
  if (model == "Q") return layer(896, 1152, 4864);
  if (model == "SmolLM2") return layer(576, 960, 1536);
  throw std::runtime_error("--model: T, S, Q or SmolLM2");
}

// As the model holds them: in huge pages.
tensor::Buffer random_values(int64_t count, uint64_t stream) {
  const Random random(7, stream);
  tensor::Buffer values("operand", count);
  // Coarse values would do; a real distribution costs little.
  for (int64_t i = 0; i < count; ++i) {
    values.data()[i] =
        static_cast<float>(0.02 * (2 * random.uniform(static_cast<uint64_t>(i)) - 1));
  }
  return values;
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

// One way of computing one product; `copy` walks over copies of the weights, so that a model larger
// than the cache is read from memory as in decoding.
using Body = std::function<void(int copy)>;

struct Case {
  double flops = 0;
  std::vector<Body> ways;  // beside the columns
};

#ifdef PONDER_BENCH_PEERS
dnnl::engine& peer_engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}
dnnl::stream& peer_stream() {
  static dnnl::stream stream(peer_engine());
  return stream;
}
using Tag = dnnl::memory::format_tag;

// C (M, N) (+)= A (M, K) B (K, N).
struct PeerMatmul {
  PeerMatmul(int64_t M, int64_t N, int64_t K, const float* a, Tag a_tag, const float* b, Tag b_tag,
             float* c, bool pack, bool accumulate, int copies) {
    using dnnl::memory;
    const auto f32 = memory::data_type::f32;
    memory::desc a_desc({M, K}, f32, a_tag), c_desc({M, N}, f32, Tag::ab);
    memory::desc b_desc({K, N}, f32, b_tag), b_any({K, N}, f32, Tag::any);
    dnnl::primitive_attr attributes;
    if (accumulate) {
      dnnl::post_ops post;
      post.append_sum(1.0f);
      attributes.set_post_ops(post);
    }
    const dnnl::matmul::desc desc(a_desc, pack ? b_any : b_desc, c_desc);
    const dnnl::matmul::primitive_desc primitive_desc(desc, attributes, peer_engine());
    primitive = dnnl::matmul(primitive_desc);
    source = memory(a_desc, peer_engine(), const_cast<float*>(a));
    result = memory(c_desc, peer_engine(), c);
    memory plain(b_desc, peer_engine(), const_cast<float*>(b));
    for (int i = 0; i < copies; ++i) {
      if (!pack) {
        weights.push_back(plain);
        continue;
      }
      weights.emplace_back(primitive_desc.weights_desc(), peer_engine());
      dnnl::reorder(plain, weights.back()).execute(peer_stream(), plain, weights.back());
    }
    peer_stream().wait();
  }
  void operator()(int copy) {
    primitive.execute(peer_stream(), {{DNNL_ARG_SRC, source},
                                      {DNNL_ARG_WEIGHTS, weights[static_cast<size_t>(copy)]},
                                      {DNNL_ARG_DST, result}});
    peer_stream().wait();
  }
  dnnl::matmul primitive;
  dnnl::memory source, result;
  std::vector<dnnl::memory> weights;
};
#endif

struct Setting {
  std::string kind;
  int64_t rows;
  int copies;
  bool check;
};

// Elements of C (M, N) spread over it against the definition.
void check_sample(const char* what, const float* C, int64_t M, int64_t N,
                  const std::function<float(int64_t, int64_t)>& expected) {
  const Random random(3, 0);
  for (uint64_t i = 0; i < 400; ++i) {
    const int64_t m = static_cast<int64_t>(random.uniform(2 * i) * static_cast<double>(M));
    const int64_t n = static_cast<int64_t>(random.uniform(2 * i + 1) * static_cast<double>(N));
    const float e = expected(m, n), f = C[m * N + n];
    if (std::bit_cast<uint32_t>(e) != std::bit_cast<uint32_t>(f)) {
      throw std::runtime_error(fmt::format("{}: element ({}, {}) is {}, not {}", what, m, n, f, e));
    }
  }
}

// Owns the operands of a case.
struct Operands {
  tensor::Buffer x, w, dy;
  tensor::Buffer c, d;
  std::vector<ops::PackedMatrix> f32, bf16;
  std::vector<ops::Bf16Matrix> b;  // of products in bf16 arithmetic
  std::vector<ops::Bf16Run> runs;  // of tokens, one row of them
};

Case make_case(const Shape& shape, const Setting& s, Operands& o, ThreadPool& pool) {
  const int64_t M = s.rows, N = shape.out, K = shape.in;
  o.w = random_values(N * K, 1);
  o.x = random_values(M * K, 2);
  if (s.kind != "forward") o.dy = random_values(M * N, 3);
  o.c = tensor::Buffer("result", std::max({M * N, M * K, N * K}));
  o.d = tensor::Buffer("the peer's result", o.c.size());
  Case result;
  result.flops = 2.0 * static_cast<double>(M * N) * static_cast<double>(K);
  float *c = o.c.data(), *d = o.d.data();
  const float *w = o.w.data(), *x = o.x.data(), *dy = o.dy.data();
  (void)d;
  if (s.kind == "forward") {
    std::vector<uint16_t> narrow(static_cast<size_t>(o.w.size()));
    tensor::from_f32(narrow.data(), o.w.span(), tensor::DType::kBF16);
    for (int i = 0; i < s.copies; ++i) {
      o.f32.emplace_back("f32", K, N);
      o.f32.back().pack_weight(w, N, 0, pool);
      o.bf16.emplace_back("bf16", K, N, tensor::DType::kBF16);
      o.bf16.back().pack_weight(narrow.data(), tensor::DType::kBF16, N, 0, pool);
    }
    result.ways.push_back([=, &o, &pool](int i) {
      ops::matmul({c, N}, {x, K, 1}, o.f32[size_t(i)], nullptr, M, pool);
    });
    result.ways.push_back([=, &o, &pool](int i) {
      ops::matmul({c, N}, {x, K, 1}, o.bf16[size_t(i)], nullptr, M, pool);
    });
    const ops::MatrixView::Part part{w, N};
    const ops::MatrixView view = ops::MatrixView::weights(std::span(&part, 1), K);
    for (int i = 0; i < s.copies; ++i) o.b.emplace_back("bf16", K, N).pack(view, pool);
    result.ways.push_back([=, &o, &pool](int i) {
      ops::bf16_matmul({c, N}, {x, K, 1}, o.b[size_t(i)], nullptr, M, pool);
    });
    result.ways.push_back([=, &pool](int) {
      ops::matmul({c, N}, {x, K, 1}, view, nullptr, M, pool);
    });
    if (s.check) {
      for (const bool wide : {true, false}) {
        std::vector<float> rounded(narrow.size());
        tensor::to_f32(rounded, narrow.data(), tensor::DType::kBF16);
        const float* b = wide ? w : rounded.data();
        result.ways[wide ? 0 : 1](0);
        check_sample(wide ? "f32 panels" : "bf16 panels", c, M, N, [&](int64_t m, int64_t n) {
          float sum = 0;
          for (int64_t k = 0; k < K; ++k) sum = std::fma(x[m * K + k], b[n * K + k], sum);
          return sum;
        });
      }
    }
#ifdef PONDER_BENCH_PEERS
    auto peer =
        std::make_shared<PeerMatmul>(M, N, K, x, Tag::ab, w, Tag::ba, d, true, false, s.copies);
    result.ways.push_back([peer](int i) { (*peer)(i); });
#endif
  } else if (s.kind == "dx") {
    o.b.emplace_back("bf16", K, N).pack_weight(w, tensor::DType::kF32, N, 0, pool);
    result.ways.push_back([=, &o, &pool](int) {
      ops::matmul({c, K}, {dy, N, 1}, ops::MatrixView::rows(w, N, K), nullptr, M, pool);
    });
    result.ways.push_back([=, &o, &pool](int) {
      ops::bf16_matmul_transposed({c, K}, {dy, N, 1}, o.b[0], M, pool);
    });
    if (s.check) {
      result.ways[0](0);
      check_sample("dx", c, M, K, [&](int64_t m, int64_t k) {
        float sum = 0;
        for (int64_t n = 0; n < N; ++n) sum = std::fma(dy[m * N + n], w[n * K + k], sum);
        return sum;
      });
    }
#ifdef PONDER_BENCH_PEERS
    auto peer = std::make_shared<PeerMatmul>(M, K, N, dy, Tag::ab, w, Tag::ab, d, false, false, 1);
    result.ways.push_back([peer](int) { (*peer)(0); });
#endif
  } else {
    for (int64_t m = 0; m < M; m += 32) o.runs.push_back({m, std::min<int64_t>(32, M - m)});
    o.b.emplace_back("bf16", static_cast<int64_t>(o.runs.size()) * 32, K);
    result.ways.push_back([=, &o, &pool](int) {
      ops::matmul_continue({c, K}, {dy, 1, N}, ops::MatrixView::rows(x, M, K), N, pool);
    });
    result.ways.push_back([=, &o, &pool](int) {
      o.b[0].pack_runs(x, o.runs, pool);
      ops::bf16_matmul_continue({c, K}, {dy, 1, N}, o.runs, o.b[0], N, pool);
    });
    if (s.check) {
      result.ways[0](0);
      check_sample("dw", c, N, K, [&](int64_t n, int64_t k) {
        float sum = 0;
        for (int64_t m = 0; m < M; ++m) sum = std::fma(dy[m * N + n], x[m * K + k], sum);
        return sum;
      });
    }
#ifdef PONDER_BENCH_PEERS
    auto peer = std::make_shared<PeerMatmul>(N, K, M, dy, Tag::ba, x, Tag::ab, d, false, true, 1);
    result.ways.push_back([peer](int) { (*peer)(0); });
#endif
  }
#ifdef PONDER_BENCH_PEERS
  // The peer must compute the same thing, within rounding, or it is no yardstick.
  const int64_t size = s.kind == "forward" ? M * N : s.kind == "dx" ? M * K : N * K;
  o.c.zero();
  o.d.zero();
  result.ways.front()(0);
  result.ways.back()(0);
  for (int64_t i = 0; i < size; ++i) {
    if (!(std::abs(c[i] - d[i]) <= 1e-4f)) throw std::runtime_error("oneDNN differs");
  }
#endif
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("matrix products against the peak and oneDNN");
  std::string model = "T", kind = "forward", bf16_path;
  std::vector<int64_t> rows = {1, 4, 16, 64, 512, 2048};
  int threads = 1, repeats = 5;
  double sample_ms = 40;
  bool check = false, each = false;
  app.add_option("--model", model, "T, S, Q or SmolLM2");
  app.add_option("--bf16-path", bf16_path, "FMA, AVX512_BF16 or AMX in place of its own choice")
      ->check(CLI::IsMember({"FMA", "AVX512_BF16", "AMX"}));
  app.add_option("--kind", kind, "forward, dx or dw");
  app.add_option("--rows", rows)->delimiter(',');
  app.add_option("--threads", threads);
  app.add_option("--repeats", repeats);
  app.add_option("--sample-ms", sample_ms);
  app.add_flag("--check", check, "compare with the plain loop, bit for bit");
  app.add_flag("--each", each, "a line for every product, not for the layer");
  CLI11_PARSE(app, argc, argv);
  try {
    ThreadPool pool(threads);
#ifdef PONDER_BENCH_PEERS
    omp_set_num_threads(threads);
#endif
    const bool forward = kind == "forward";
    for (const auto path : {ops::Bf16Path::kFma, ops::Bf16Path::kAvx512Bf16, ops::Bf16Path::kAmx}) {
      if (ops::bf16_path_name(path) == bf16_path) ops::force_bf16_path(path);
    }
    // "panels": f32 arithmetic on bf16 weights; "bf16": bf16 arithmetic.
    const std::vector<std::string> columns =
        forward ? std::vector<std::string>{"f32", "panels", "bf16", "view", "oneDNN"}
                : std::vector<std::string>{"f32", "bf16", "oneDNN"};
    const size_t bf16 = forward ? 2 : 1;
    fmt::print("{} {}, threads {}, bf16 by {}: GFLOP/s, medians of {}\n", model, kind, threads,
               ops::bf16_path_name(ops::bf16_support().path), repeats);
    fmt::print("{:>8} {:>6} {:>8} {:>8}", "product", "rows", "peak", "bf16peak");
    for (const std::string& column : columns) fmt::print(" {:>8}", column);
    fmt::print(" | {:>8} {:>9} {:>8}", "f32/peak", "bf16/peak", "bf16/f32");
    fmt::print(" {:>10}", "f32/oneDNN");
    if (forward) fmt::print(" {:>13} {:>11}", "panels/oneDNN", "view/oneDNN");
    fmt::print("\n");
    for (const int64_t M : rows) {
      std::vector<std::vector<Shape>> groups;
      if (each) {
        for (const Shape& shape : shapes_of(model)) groups.push_back({shape});
      } else {
        groups.push_back(shapes_of(model));
      }
      for (const auto& group : groups) {
        // As many copies as the model has layers, up to 160 MB of f32: what decode streams.
        int64_t floats = 0;
        for (const Shape& shape : shapes_of(model)) floats += shape.out * shape.in;
        const int layers = model == "T" ? 6 : model == "S" ? 8 : 3;
        const int copies = forward && M <= 64 ? layers : 1;
        std::vector<Operands> operands(group.size());
        std::vector<Case> cases;
        double flops = 0;
        for (size_t i = 0; i < group.size(); ++i) {
          cases.push_back(make_case(group[i], {kind, M, copies, check}, operands[i], pool));
          flops += cases.back().flops;
        }
        const size_t ways = cases[0].ways.size();
        const auto pass = [&](size_t way, int times) {
          // The threads of the way before this one spin for a while before they sleep.
          if (threads > 1) std::this_thread::sleep_for(std::chrono::milliseconds(50));
          const double start = now(threads);
          for (int t = 0; t < times; ++t) {
            for (int copy = 0; copy < copies; ++copy) {
              for (Case& c : cases) c.ways[way](copy);
            }
          }
          return flops * copies * times / (now(threads) - start) * 1e-9;
        };
        std::vector<std::vector<double>> gflops(ways);
        std::vector<double> peaks, bf16_peaks;
        std::vector<int> times(ways, 1);
        for (size_t way = 0; way < ways; ++way) {
          pass(way, 1);
          const double rate = pass(way, 1);
          times[way] =
              std::max(1, static_cast<int>(rate * sample_ms * 1e6 / (flops * copies) + 0.5));
        }
        for (int r = 0; r < repeats; ++r) {
          for (size_t way = 0; way < ways; ++way) gflops[way].push_back(pass(way, times[way]));
          if (r % 2 != 0) continue;
          const auto time = threads == 1 ? ops::PeakTime::kThread : ops::PeakTime::kClock;
          peaks.push_back(ops::measured_peak_gflops(pool, time));
          bf16_peaks.push_back(ops::measured_bf16_peak_gflops(pool, time));
        }
        const auto ratio = [&](size_t a, size_t b) {
          std::vector<double> ratios;
          for (int r = 0; r < repeats; ++r) {
            ratios.push_back(gflops[a][size_t(r)] / gflops[b][size_t(r)]);
          }
          return median(ratios);
        };
        const bool peer = ways == columns.size();
        fmt::print("{:>8} {:>6} {:>8.1f} {:>8.1f}", each ? group[0].name : "layer", M,
                   median(peaks), median(bf16_peaks));
        for (size_t way = 0; way < columns.size(); ++way) {
          if (way < ways) {
            fmt::print(" {:>8.1f}", median(gflops[way]));
          } else {
            fmt::print(" {:>8}", "-");
          }
        }
        fmt::print(" | {:>8.2f} {:>9.2f} {:>8.2f}", median(gflops[0]) / median(peaks),
                   median(gflops[bf16]) / median(bf16_peaks), ratio(bf16, 0));
        if (peer) fmt::print(" {:>10.2f}", ratio(0, ways - 1));
        if (peer && forward) {
          fmt::print(" {:>13.2f} {:>11.2f}", ratio(1, ways - 1), ratio(3, ways - 1));
        }
        fmt::print("\n");
        std::fflush(stdout);
      }
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "matmul_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
