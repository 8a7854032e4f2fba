#include "comm/thread_members.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/error.h"

namespace ponder::comm {
namespace {

// What the members share: a barrier that an abort breaks, and where each one's pieces lie.
class Room {
 public:
  explicit Room(int size) : pieces(static_cast<size_t>(size)), size_(size) {}

  void wait() {
    std::unique_lock lock(mutex_);
    require_whole();
    const int64_t round = round_;
    if (++arrived_ == size_) {
      arrived_ = 0;
      ++round_;
      all_here_.notify_all();
      return;
    }
    all_here_.wait(lock, [&] { return round_ != round || reason_; });
    if (round_ == round) require_whole();
  }

  void abort(int rank, const std::string& reason) noexcept {
    const std::lock_guard lock(mutex_);
    if (!reason_) reason_ = fmt::format("member {} stopped the job: {}", rank, reason);
    all_here_.notify_all();
  }

  // Of each member, while an exchange is under way.
  std::vector<std::span<const ConstBytes>> pieces;

 private:
  void require_whole() const {
    if (reason_) throw Error("ranks", *reason_);
  }

  const int size_;
  std::mutex mutex_;
  std::condition_variable all_here_;
  int arrived_ = 0;
  int64_t round_ = 0;
  std::optional<std::string> reason_;
};

class ThreadMember : public Communicator {
 public:
  ThreadMember(Room& room, int rank, int size) : room_(room), rank_(rank), size_(size) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void exchange(std::span<const ConstBytes> to, std::span<const Bytes> from) override {
    room_.pieces[static_cast<size_t>(rank_)] = to;
    room_.wait();
    std::string problem;
    for (int r = 0; r < size_; ++r) {
      if (r == rank_) continue;
      const Bytes own = from[static_cast<size_t>(r)];
      const ConstBytes theirs = room_.pieces[static_cast<size_t>(r)][static_cast<size_t>(rank_)];
      if (own.size() == theirs.size()) {
        std::copy(theirs.begin(), theirs.end(), own.begin());
      } else {
        problem =
            fmt::format("expected {} bytes from member {}, found {}", own.size(), r, theirs.size());
      }
    }
    room_.wait();  // nobody leaves, not even with an error, while others read its pieces
    if (problem.empty()) return;
    abort(problem);
    throw Error(fmt::format("member {}", rank_), problem);
  }

  void abort(const std::string& reason) noexcept override { room_.abort(rank_, reason); }

 private:
  Room& room_;
  int rank_, size_;
};

}  // namespace

void run_members(int size, const std::function<void(Communicator&)>& member) {
  Room room(size);
  std::mutex mutex;
  std::exception_ptr first;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      ThreadMember own(room, rank, size);
      try {
        member(own);
      } catch (const std::exception& error) {
        {
          const std::lock_guard lock(mutex);
          if (!first) first = std::current_exception();
        }
        own.abort(error.what());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace ponder::comm
