#include "comm/ordered_sum.h"

#include <algorithm>
#include <vector>

namespace ponder::comm {
namespace {

constexpr int64_t kPiece = int64_t{1} << 18;  // elements that one member sends another at a time
constexpr int64_t kGrain = 4096;              // per thread

// Elements [begin + done, … + kPiece) of a segment, as far as it goes.
template <class T>
std::span<T> piece_of(std::span<T> all, Segment segment, int64_t done) {
  const int64_t begin = std::min(segment.begin + done, segment.end);
  const int64_t end = std::min(begin + kPiece, segment.end);
  return all.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
}

void add(std::span<float> sum, std::span<const float> more, ThreadPool& threads) {
  threads.parallel_for(static_cast<int64_t>(sum.size()), kGrain, [&](int64_t begin, int64_t end) {
    float* const to = sum.data();
    const float* const from = more.data();
    for (int64_t i = begin; i < end; ++i) to[i] += from[i];
  });
}

}  // namespace

Segment segment_of(int64_t total, int rank, int size) {
  return {total * rank / size, total * (rank + 1) / size};
}

void add_by_rank(Communicator& members, std::span<float> sum, std::span<const float> mine,
                 int64_t contributors, ThreadPool& threads) {
  const int size = members.size(), rank = members.rank();
  const auto total = static_cast<int64_t>(sum.size());
  const Segment own = segment_of(total, rank, size);
  int64_t longest = 0;
  for (int r = 0; r < size; ++r) {
    const Segment s = segment_of(total, r, size);
    longest = std::max(longest, s.end - s.begin);
  }
  std::vector<std::vector<float>> received(static_cast<size_t>(size));
  std::vector<ConstBytes> to(received.size());
  std::vector<Bytes> from(received.size());
  for (int64_t done = 0; done < longest; done += kPiece) {
    const std::span<float> own_sum = piece_of(sum, own, done);
    for (int r = 0; r < size; ++r) {
      const auto at = static_cast<size_t>(r);
      if (r == rank) continue;
      if (rank < contributors)
        to[at] = std::as_bytes(piece_of(mine, segment_of(total, r, size), done));
      if (r < contributors) received[at].resize(own_sum.size());
      from[at] = std::as_writable_bytes(std::span(received[at]));
    }
    members.exchange(to, from);
    for (int r = 0; r < contributors; ++r) {
      add(own_sum, r == rank ? piece_of(mine, own, done) : received[static_cast<size_t>(r)],
          threads);
    }
  }
}

void share_segments(Communicator& members, std::span<float> sum) {
  const auto total = static_cast<int64_t>(sum.size());
  std::vector<ConstBytes> to;
  std::vector<Bytes> from;
  for (int r = 0; r < members.size(); ++r) {
    const auto part = [&](int of) {
      const Segment s = segment_of(total, of, members.size());
      return sum.subspan(static_cast<size_t>(s.begin), static_cast<size_t>(s.end - s.begin));
    };
    to.push_back(std::as_bytes(part(members.rank())));
    from.push_back(std::as_writable_bytes(part(r)));
  }
  members.exchange(to, from);
}

}  // namespace ponder::comm
