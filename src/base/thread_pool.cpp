#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <exception>

namespace ponder {
namespace {

int available_cores() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

inline void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// A region follows another within microseconds while a model runs, so waiting threads spin for a
// while; then they yield, so that on a busy machine the thread they wait for gets the core; workers
// at last sleep. A part that its thread has not begun after kPatience spins more than the caller's
// own part took is done by the caller: on an idle machine that never happens, and a core keeps the
// part whose data it holds.
constexpr int kPatience = 200;
constexpr int kSpins = 2000;
constexpr int kYields = 2000;

}  // namespace

ThreadPool::ThreadPool(int num_threads)
    : num_threads_(num_threads > 0 ? num_threads : available_cores()),
      claimed_(std::make_unique<std::atomic<uint64_t>[]>(static_cast<size_t>(num_threads_))),
      errors_(static_cast<size_t>(num_threads_)) {
  const int spins = available_cores() >= num_threads_ ? kSpins : 1;
  try {
    for (int part = 1; part < num_threads_; ++part) {
      threads_.emplace_back([this, part, spins] { work(part, spins); });
    }
  } catch (const std::exception&) {  // a limit on memory or processes: as many as there are
    num_threads_ = 1 + static_cast<int>(threads_.size());
  }
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);  // generation_ releases it
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (auto& thread : threads_) thread.join();
}

// True for one of those who ask for this part of this region. A thread that wakes up late finds the
// part taken, as no region ends before all its parts are.
bool ThreadPool::claim(int part, uint64_t generation) {
  std::atomic<uint64_t>& claimed = claimed_[static_cast<size_t>(part)];
  uint64_t last = claimed.load(std::memory_order_relaxed);
  return last < generation &&
         claimed.compare_exchange_strong(last, generation, std::memory_order_acq_rel);
}

void ThreadPool::run_part(int part) {
  try {
    function_(context_, part);
  } catch (...) {
    errors_[static_cast<size_t>(part)] = std::current_exception();
    failed_part_.store(part, std::memory_order_relaxed);
  }
  pending_.fetch_sub(1, std::memory_order_release);
}

void ThreadPool::work(int part, int spins) {
  uint64_t seen = 0;
  for (;;) {
    uint64_t generation;
    int spin = 0;
    while ((generation = generation_.load(std::memory_order_acquire)) == seen) {
      if (++spin < spins) {
        pause_cpu();
      } else if (spin < spins + kYields) {
        std::this_thread::yield();
      } else {
        generation_.wait(seen, std::memory_order_acquire);
      }
    }
    seen = generation;
    // One that woke up late may see what was meant for a later generation: it is to end anyway.
    if (stop_.load(std::memory_order_relaxed)) return;
    if (claim(part, generation)) run_part(part);
  }
}

void ThreadPool::run_erased(Function function, const void* context) {
  if (num_threads_ == 1) {
    function(context, 0);
    return;
  }
  function_ = function;
  context_ = context;
  pending_.store(num_threads_ - 1, std::memory_order_relaxed);
  const uint64_t generation = generation_.fetch_add(1, std::memory_order_release) + 1;
  generation_.notify_all();
  std::exception_ptr own;
  try {
    function(context, 0);
  } catch (...) {
    own = std::current_exception();
  }
  int spin = 0;
  while (pending_.load(std::memory_order_acquire) != 0) {
    if (++spin == kPatience) {
      for (int part = 1; part < num_threads_; ++part) {
        if (claim(part, generation)) run_part(part);
      }
    } else if (spin < kSpins) {
      pause_cpu();
    } else {
      std::this_thread::yield();
    }
  }
  if (own) std::rethrow_exception(own);
  if (failed_part_.load(std::memory_order_relaxed) >= 0) {
    failed_part_.store(-1, std::memory_order_relaxed);
    for (auto& error : errors_) {
      if (error) {
        const std::exception_ptr first = error;
        std::fill(errors_.begin(), errors_.end(), nullptr);
        std::rethrow_exception(first);
      }
    }
  }
}

}  // namespace ponder
