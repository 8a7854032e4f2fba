// A pool of spinning worker threads with static partitions: part p of n always covers the same
// work, so nothing depends on timing, and a parallel region costs well under a microsecond while
// the pool is hot. Part p has its own thread; where other programs keep that thread from a core,
// the caller does the part itself rather than wait.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace ponder {

class ThreadPool {
 public:
  // `num_threads` includes the calling thread; 0 means one per available core. Where the system
  // does not give that many (a limit on processes or memory) the pool has fewer.
  explicit ThreadPool(int num_threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return num_threads_; }

  // Calls body(part) once for each part = 0 .. num_threads() - 1, at the same time where threads are
  // free, part 0 on the caller's; returns when all are done. The first exception is rethrown here. Only one thread may
  // call; no nesting.
  template <class Body>
  void run(const Body& body) {
    run_erased([](const void* context, int part) { (*static_cast<const Body*>(context))(part); },
               &body);
  }

  // Calls body(begin, end) on contiguous slices of [0, count), slice borders at multiples of
  // `grain`.
  template <class Body>
  void parallel_for(int64_t count, int64_t grain, const Body& body) {
    const int64_t grains = (count + grain - 1) / grain;
    if (num_threads_ == 1 || grains <= 1) {
      if (count > 0) body(int64_t{0}, count);
      return;
    }
    run([&](int part) {
      const int64_t begin = grains * part / num_threads_ * grain;
      const int64_t end = std::min(count, grains * (part + 1) / num_threads_ * grain);
      if (begin < end) body(begin, end);
    });
  }

 private:
  using Function = void (*)(const void* context, int part);
  void run_erased(Function function, const void* context);
  void work(int part, int spins);
  bool claim(int part, uint64_t generation);
  void run_part(int part);

  int num_threads_;
  std::vector<std::thread> threads_;
  alignas(64) std::atomic<uint64_t> generation_{0};
  alignas(64) std::atomic<int> pending_{0};
  std::unique_ptr<std::atomic<uint64_t>[]>
      claimed_;  // per part: the last region somebody took it in
  Function function_ = nullptr;
  const void* context_ = nullptr;
  std::atomic<bool> stop_{false};
  alignas(64) std::atomic<int> failed_part_{-1};
  std::vector<std::exception_ptr> errors_;
};

}  // namespace ponder
