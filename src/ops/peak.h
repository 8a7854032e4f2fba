// This machine's limits, measured: what every speed is a fraction of.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"

namespace ponder::ops {

// GFLOP/s (a multiply-add counts two) of all the pool's threads together, the best of several short
// runs. By the clock, or by the calling thread's own time (for a pool of one, on a busy machine).
enum class PeakTime { kClock, kThread };
double seconds(PeakTime time);  // now, from some beginning
double measured_peak_gflops(ThreadPool& threads, PeakTime time = PeakTime::kClock);

// GB/s (1e9 bytes) at which all the pool's threads together read `bytes` of memory, the best of
// three passes. Takes that much memory while it runs; to see DRAM and no cache, many times the
// machine's last-level cache: the default is 1 GiB. Throws Error when memory is short.
double measured_read_gbps(ThreadPool& threads, int64_t bytes = int64_t{1} << 30);

}  // namespace ponder::ops
