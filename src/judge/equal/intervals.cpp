#include "judge/equal/intervals.h"

namespace ponder::judge {
namespace {

constexpr size_t kMostIntervals = 64;

bool is_plain_name(View view) { return view.get().kind == Kind::kName; }

// Appends; false where a part is no set of numbers.
bool collect(View view, std::vector<Interval>& all) {
  const Node& node = view.get();
  if (all.size() > kMostIntervals) return false;
  if (node.kind == Kind::kUnion || (node.kind == Kind::kList && view.size() > 0)) {
    for (size_t i = 0; i < view.size(); ++i) {
      const View part = view.child(i);
      if (node.kind == Kind::kList && part.get().kind != Kind::kRelation) return false;
      if (!collect(part, all)) return false;
    }
    return true;
  }
  if (node.kind == Kind::kName && node.name == "R") {  // all real numbers
    all.push_back({});
    return true;
  }
  if (node.kind == Kind::kSet) {  // {1} is [1, 1]
    for (size_t i = 0; i < view.size(); ++i) {
      if (!is_scalar(view.child(i))) return false;
      all.push_back({view.child(i), view.child(i), '[', ']'});
    }
    return true;
  }
  if (node.kind == Kind::kRelation && node.name == "N") {
    const size_t value = is_plain_name(view.child(0)) ? 1 : 0;
    if (!is_plain_name(view.child(1 - value)) || has_names(view.child(value))) return false;
    all.push_back({std::nullopt, view.child(value), '(', ')'});
    all.push_back({view.child(value), std::nullopt, '(', ')'});
    return true;
  }
  const auto interval = interval_of(view);
  if (interval) all.push_back(*interval);
  return interval.has_value();
}

}  // namespace

std::optional<std::vector<Interval>> intervals_of(View view) {
  std::vector<Interval> all;
  if (!collect(view, all)) return std::nullopt;
  return all;
}

}  // namespace ponder::judge
