// This machine's f32 fused-multiply-add peak, measured: what every speed is a fraction of.
#pragma once

#include "base/thread_pool.h"

namespace ponder {

// GFLOP/s (a multiply-add counts two) of all the pool's threads together, the best of several short
// runs.
double measured_peak_gflops(ThreadPool& pool);

}  // namespace ponder
