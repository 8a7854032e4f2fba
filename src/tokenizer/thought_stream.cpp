#include "tokenizer/thought_stream.h"

#include <algorithm>

#include "base/text.h"
#include "tokenizer/thought_tags.h"

namespace ponder::tokenizer {
namespace {

struct FoundTag {
  size_t begin = kAbsent, end = kAbsent;
  int family = -1;
  size_t role = 0;
};

// The first tag of the family, or of any.
FoundTag first_tag(std::string_view text, int family) {
  FoundTag first;
  for (size_t f = 0; f < kTagFamilies.size(); ++f) {
    if (family >= 0 && f != static_cast<size_t>(family)) continue;
    for (size_t role = 0; role < kNumTagRoles; ++role) {
      const std::string_view tag = kTagFamilies[f][role];
      const size_t at = tag.empty() ? kAbsent : text.find(tag);
      if (at < first.begin) first = {at, at + tag.size(), static_cast<int>(f), role};
    }
  }
  return first;
}

// Where the beginning of a tag may stand at the end of the text; the text's size if nowhere.
size_t unfinished_tag(std::string_view text, int family) {
  size_t begin = text.size();
  for (size_t f = 0; f < kTagFamilies.size(); ++f) {
    if (family >= 0 && f != static_cast<size_t>(family)) continue;
    for (const std::string_view tag : kTagFamilies[f]) {
      for (size_t n = std::min(tag.size(), text.size() + 1); n-- > 1;) {
        if (!text.ends_with(tag.substr(0, n))) continue;
        begin = std::min(begin, text.size() - n);
        break;
      }
    }
  }
  return begin;
}

}  // namespace

void ThoughtStream::show(std::string_view text, std::vector<Piece>& pieces) {
  if (!begun_) {
    text.remove_prefix(std::min(text.find_first_not_of(kWhiteSpace), text.size()));
    if (text.empty()) return;
    begun_ = true;
    // More solution after some that was shown already is a paragraph of its own.
    if (!in_thought_ && solution_) space_ = "\n\n";
  }
  const size_t end = text.find_last_not_of(kWhiteSpace) + 1;  // 0: white space alone
  if (end > 0) {
    pieces.push_back({in_thought_, space_ + std::string(text.substr(0, end))});
    space_.clear();
    solution_ = solution_ || !in_thought_;
  }
  space_ += text.substr(end);
}

void ThoughtStream::take_tag(size_t role) {
  in_thought_ = role == kBeginThought;
  begun_ = false;
  space_.clear();
}

std::vector<ThoughtStream::Piece> ThoughtStream::push(std::string_view text) {
  std::vector<Piece> pieces;
  held_ += text;
  for (;;) {
    const FoundTag tag = first_tag(held_, family_);
    if (tag.begin == kAbsent) break;
    show(std::string_view(held_).substr(0, tag.begin), pieces);
    take_tag(tag.role);
    family_ = tag.family;
    held_.erase(0, tag.end);
  }
  const size_t certain = unfinished_tag(held_, family_);
  show(std::string_view(held_).substr(0, certain), pieces);
  held_.erase(0, certain);
  return pieces;
}

std::vector<ThoughtStream::Piece> ThoughtStream::finish() {
  std::vector<Piece> pieces;
  show(held_, pieces);
  *this = ThoughtStream();
  return pieces;
}

}  // namespace ponder::tokenizer
