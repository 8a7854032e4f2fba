#include "base/error.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/text.h"

namespace ponder {
namespace {

std::string message(const std::string& where, const std::string& problem,
                    const std::string& advice) {
  std::string text = where.empty() ? problem : where + ": " + problem;
  if (!advice.empty()) text += "; " + advice;
  return text;
}

// Levenshtein's, where two neighbours that changed places count as one change.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before, above, row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(above, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace

Error::Error(std::string where, std::string problem, std::string advice)
    : Error(ErrorKind::kInput, std::move(where), std::move(problem), std::move(advice)) {}

Error::Error(ErrorKind kind, std::string where, std::string problem, std::string advice)
    : std::runtime_error(message(where, problem, advice)),
      kind_(kind),
      where_(std::move(where)),
      problem_(std::move(problem)),
      advice_(std::move(advice)) {}

ErrorKind kind_of_errno(int code) {
  switch (code) {
    case ENOENT:
    case ENOTDIR:
      return ErrorKind::kNotFound;
    case EAGAIN:
    case EBUSY:
    case EIO:
    case EMFILE:
    case ENFILE:
      return ErrorKind::kBusy;
    default:
      return ErrorKind::kInput;
  }
}

std::string excerpt(std::string_view text, size_t max_bytes) {
  const bool cut = text.size() > max_bytes;
  if (cut) {
    size_t end = max_bytes;  // never in the middle of a UTF-8 character
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text = text.substr(0, end);
  }
  return escaped(text) + (cut ? "…" : "");
}

std::string nearest(std::string_view word, const std::string_view* candidates,
                    size_t num_candidates) {
  std::string_view best;
  size_t best_distance = word.size() < 3 ? 2 : std::max<size_t>(2, word.size() / 3) + 1;
  for (size_t i = 0; i < num_candidates; ++i) {
    const size_t distance = edit_distance(word, candidates[i]);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidates[i];
    }
  }
  return std::string(best);
}

}  // namespace ponder
