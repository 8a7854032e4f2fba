#include "clean/repetition.h"

#include <algorithm>
#include <unordered_set>

namespace ponder::clean {
namespace {

constexpr size_t kLongestPeriod = 200, kFewestRounds = 4, kFewestWords = 40;

// Words at the end of which each equals the one a period before it, the first period included.
size_t circle_of(const Words& words, size_t period) {
  size_t length = period;
  const size_t size = words.size();
  while (length < size && words.hash(size - 1 - length) == words.hash(size - 1 - length + period))
    ++length;
  return length;
}

}  // namespace

Repetition repetition_of(const Words& words) {
  Repetition found;
  const size_t size = words.size();
  if (size == 0) return found;
  std::unordered_set<uint64_t> seen;
  size_t repeated = 0, covered = 0;  // words before `covered` have been counted
  size_t begin = 0, longest = 0, longest_begin = 0;
  for (size_t first = 0; first + kRepeatedGram <= size; ++first) {
    if (seen.insert(gram_hash(words, first, kRepeatedGram)).second) continue;
    const size_t end = first + kRepeatedGram;
    if (first > covered || covered == 0) begin = first;
    repeated += end - std::max(covered, first);
    covered = end;
    if (end - begin > longest) {
      longest = end - begin;
      longest_begin = begin;
    }
  }
  found.share = static_cast<double>(repeated) / static_cast<double>(size);
  found.longest = words.phrase(longest_begin, std::min<size_t>(longest, 12));
  return found;
}

Circle circle_at_end(const Words& words) {
  for (size_t period = 1; period <= std::min(kLongestPeriod, words.size() / kFewestRounds);
       ++period) {
    const size_t length = circle_of(words, period);
    if (length >= kFewestRounds * period && length >= kFewestWords)
      return {length / period, period};
  }
  return {};
}

}  // namespace ponder::clean
