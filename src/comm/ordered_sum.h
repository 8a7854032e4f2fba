// Sums over members whose bits do not depend on how many there are: float addition depends on its
// order, so contributions are added one after the other, by rank. The work is shared out: each
// member owns one segment of the buffer, gets everyone's share of it and adds.
#pragma once

#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "comm/communicator.h"

namespace ponder::comm {

struct Segment {
  int64_t begin, end;
};
// Of `total` elements; the segments of all ranks are neighbours and cover them.
Segment segment_of(int64_t total, int rank, int size);

// For each element of the own segment:
//   sum = ((sum + mine of rank 0) + mine of rank 1) + … of the first `contributors` ranks.
// sum, mine: (N), of one size on all members; the rest of `sum` is left alone, and what `mine`
// holds on ranks from `contributors` on does not matter. Takes some MiB for every member.
void add_by_rank(Communicator& members, std::span<float> sum, std::span<const float> mine,
                 int64_t contributors, ThreadPool& threads);

// Everyone's `sum` (N) becomes whole: each segment from the member that owns it.
void share_segments(Communicator& members, std::span<float> sum);

}  // namespace ponder::comm
