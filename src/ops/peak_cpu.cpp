#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "ops/peak.h"
#include "tensor/buffer.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/peak_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
namespace HWY_NAMESPACE {

// Twelve registers of independent chains; `seed` comes from memory and differs per chain, or the
// compiler would merge them.
float PeakLoop(int64_t steps, const volatile float* seed) {
  constexpr int kChains = 12;
  V acc[kChains];
  const D16 d;
  for (int i = 0; i < kChains; ++i) acc[i] = hn::Set(d, seed[i]);
  const V a = hn::Set(d, seed[kChains]), b = hn::Set(d, seed[kChains + 1]);
  for (int64_t s = 0; s < steps; ++s) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) acc[i] = FmaV(acc[i], a, b);
  }
  for (int i = 1; i < kChains; ++i) acc[0] = hn::Add(acc[0], acc[i]);
  HWY_ALIGN float lanes[kLanes];
  hn::Store(acc[0], d, lanes);
  return lanes[0];
}

// Reads a multiple of 16 vectors; sixteen independent loads a turn keep the memory busy.
float ReadLoop(const float* data, int64_t vectors) {
  constexpr int kLoads = 16;
  const D16 d;
  V acc[kLoads];
  for (int i = 0; i < kLoads; ++i) acc[i] = hn::Zero(d);
  for (int64_t v = 0; v < vectors; v += kLoads) {
#pragma GCC unroll 16
    for (int i = 0; i < kLoads; ++i) {
      acc[i] = hn::Add(acc[i], hn::Load(d, data + (v + i) * kLanes));
    }
  }
  for (int i = 1; i < kLoads; ++i) acc[0] = hn::Add(acc[0], acc[i]);
  return hn::GetLane(acc[0]);
}

int64_t ReadGrain() { return 16 * kLanes; }

int64_t PeakLanes() { return 12 * kLanes; }

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder::ops {
HWY_EXPORT(PeakLoop);
HWY_EXPORT(PeakLanes);
HWY_EXPORT(ReadLoop);
HWY_EXPORT(ReadGrain);

double seconds(PeakTime time) {
  timespec t;
  clock_gettime(time == PeakTime::kThread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double measured_peak_gflops(ThreadPool& threads, PeakTime time) {
  const auto loop = HWY_DYNAMIC_DISPATCH(PeakLoop);
  const auto lanes = static_cast<double>(HWY_DYNAMIC_DISPATCH(PeakLanes)());
  volatile float seed[14];
  for (int i = 0; i < 14; ++i) seed[i] = 0.5f + 0.01f * static_cast<float>(i);
  constexpr int64_t kSteps = 4'000'000;
  double best = 0;
  for (int repeat = 0; repeat < 7; ++repeat) {
    const double start = seconds(time);
    threads.run([&](int) {
      volatile float sink = loop(kSteps, seed);
      (void)sink;
    });
    const double elapsed = seconds(time) - start;
    const double gflops = 2.0 * lanes * kSteps * threads.num_threads() / elapsed * 1e-9;
    if (gflops > best) best = gflops;
  }
  return best;
}

double measured_read_gbps(ThreadPool& threads, int64_t bytes) {
  const auto loop = HWY_DYNAMIC_DISPATCH(ReadLoop);
  const int64_t grain = HWY_DYNAMIC_DISPATCH(ReadGrain)(), lanes = grain / 16;
  const int64_t share =
      bytes / static_cast<int64_t>(sizeof(float)) / threads.num_threads() / grain * grain;
  tensor::Buffer buffer("memory to read", share * threads.num_threads());
  // Written first: untouched pages may all be one page of zeros. Ones, since zeros add nothing.
  threads.run([&](int part) {
    std::fill_n(buffer.data() + part * share, static_cast<size_t>(share), 1.0f);
  });
  double best = 0;
  for (int repeat = 0; repeat < 3; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    threads.run([&](int part) {
      volatile float sink = loop(buffer.data() + part * share, share / lanes);
      (void)sink;
    });
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(buffer.size_bytes()) / elapsed.count() * 1e-9);
  }
  return best;
}

}  // namespace ponder::ops
#endif
