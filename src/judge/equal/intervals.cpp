#include "judge/equal/intervals.h"

#include <algorithm>

namespace ponder::judge {
namespace {

constexpr size_t kMostIntervals = 64;
using Intervals = std::vector<RealInterval>;

// Ends could not be told apart: the whole answer is open.
struct Unclear {};

// -1, 0, +1: a before, at or behind b on the line.
int order(const SetEnd& a, const SetEnd& b) {
  if (a.infinite || b.infinite) return a.infinite < b.infinite ? -1 : a.infinite > b.infinite;
  switch (closeness(a.value, b.value)) {
    case Closeness::kEqual:
      return 0;
    case Closeness::kUnequal:
      return a.value.re < b.value.re ? -1 : 1;
    case Closeness::kUnclear:
      break;
  }
  throw Unclear();
}

bool is_empty(const RealInterval& interval) {
  const int ends = order(interval.low, interval.high);
  return ends > 0 || (ends == 0 && !(interval.low.closed && interval.high.closed));
}

// Sorted and merged.
Intervals merged(Intervals all) {
  std::erase_if(all, is_empty);
  const auto before = [](const RealInterval& a, const RealInterval& b) {
    const int lows = order(a.low, b.low);
    return lows != 0 ? lows < 0 : a.low.closed && !b.low.closed;
  };
  std::sort(all.begin(), all.end(), before);
  Intervals result;
  for (const RealInterval& next : all) {
    if (!result.empty()) {
      RealInterval& last = result.back();
      const int gap = order(last.high, next.low);
      if (gap > 0 || (gap == 0 && (last.high.closed || next.low.closed))) {
        const int highs = order(last.high, next.high);
        if (highs < 0) last.high = next.high;
        if (highs == 0) last.high.closed |= next.high.closed;
        continue;
      }
    }
    result.push_back(next);
  }
  return result;
}

const SetEnd kLeft{{}, -1, false}, kRight{{}, 1, false};

Intervals complement(const Intervals& all) {
  Intervals result;
  SetEnd low = kLeft;
  for (const RealInterval& one : all) {
    SetEnd high = one.low;
    high.closed = !one.low.closed && !one.low.infinite;
    if (!one.low.infinite) result.push_back({low, high});
    low = one.high;
    low.closed = !one.high.closed && !one.high.infinite;
  }
  if (low.infinite <= 0) result.push_back({low, kRight});
  return merged(std::move(result));
}

Intervals intersection(const Intervals& a, const Intervals& b) {
  Intervals both = complement(a);
  for (const RealInterval& one : complement(b)) both.push_back(one);
  return complement(merged(std::move(both)));
}

std::optional<SetEnd> end_of(const std::optional<View>& view, int missing, bool closed,
                             Budget& budget) {
  const int infinite = infinity(view, missing);
  if (infinite) return SetEnd{{}, infinite, false};
  const auto value =
      is_scalar(*view) && !has_names(*view) ? approximate_value(*view, 0, budget) : std::nullopt;
  if (!value || value->im != 0) return std::nullopt;
  return SetEnd{*value, 0, closed};
}

std::optional<Intervals> one_interval(const Interval& interval, Budget& budget) {
  const auto low = end_of(interval.low, -1, interval.open == '[', budget);
  const auto high = end_of(interval.high, 1, interval.close == ']', budget);
  if (!low || !high) return std::nullopt;
  return merged({{*low, *high}});
}

std::optional<Intervals> points(const std::vector<View>& values, Budget& budget) {
  Intervals all;
  for (const View& value : values) {
    const auto end = end_of(value, 0, true, budget);
    if (!end || end->infinite || all.size() > kMostIntervals) return std::nullopt;
    all.push_back({*end, *end});
  }
  return merged(std::move(all));
}

bool is_plain_name(View view) { return view.get().kind == Kind::kName; }

bool is_absolute_value(View view) {
  return view.get().kind == Kind::kCall && view.get().name == "abs";
}

// |x - a| < b and |ax + b| >= c: where the inside is linear in its one name.
std::optional<Intervals> absolute_value(View left, char sign, View right, Budget& budget) {
  const bool first = is_absolute_value(left);
  const View call = first ? left : right, bound = first ? right : left;
  if (!is_absolute_value(call) || has_names(bound)) return std::nullopt;
  if (!first)
    sign = sign == '<' ? '>' : sign == '>' ? '<' : sign == 'L' ? 'G' : sign == 'G' ? 'L' : sign;
  if (std::string_view("<>LG").find(sign) == std::string_view::npos) return std::nullopt;
  const View inside = call.child(0);
  const std::string* name = nullptr;
  const auto one_name = [&name](const auto& self, View part) -> bool {
    if (part.get().kind == Kind::kName) {
      if (name && *name != part.get().name) return false;
      name = &part.get().name;
    }
    for (size_t i = 0; i < part.size(); ++i) {
      if (!self(self, part.child(i))) return false;
    }
    return true;
  };
  if (!one_name(one_name, inside) || !name) return std::nullopt;
  const auto at = [&](int x) {
    budget.bound.push_back({name, Rational(x)});
    auto value = exact_value(inside, budget);
    budget.bound.pop_back();
    return value;
  };
  const auto zero = at(0), one = at(1), two = at(2), seven = at(7),
             limit = exact_value(bound, budget);
  if (!zero || !one || !two || !seven || !limit) return std::nullopt;
  const Rational slope = *one - *zero;
  if (slope == 0 || *two - *one != slope || *seven - *zero != slope * 7) return std::nullopt;
  const Rational a = (-*limit - *zero) / slope, b = (*limit - *zero) / slope;
  const bool closed = sign == 'L' || sign == 'G';
  const SetEnd low{to_complex(std::min(a, b)), 0, closed},
      high{to_complex(std::max(a, b)), 0, closed};
  if (*limit < 0) return sign == '<' || sign == 'L' ? Intervals() : Intervals{{kLeft, kRight}};
  if (sign == '<' || sign == 'L') return merged({{low, high}});
  return merged({{kLeft, low}, {high, kRight}});
}

// 1 <= |z| < 2 is both of its inequalities.
std::optional<Intervals> absolute_values(View view, Budget& budget) {
  std::optional<Intervals> all;
  for (size_t i = 0; i + 1 < view.size() && i < view.get().name.size(); ++i) {
    const auto one = absolute_value(view.child(i), view.get().name[i], view.child(i + 1), budget);
    if (!one) return std::nullopt;
    all = all ? intersection(*all, *one) : *one;
  }
  return all;
}

std::optional<Intervals> collected(View view, Budget& budget);

// A list of conditions is "or" where that leaves something out, else "and".
std::optional<Intervals> of_conditions(View list, Budget& budget) {
  Intervals either, both{{kLeft, kRight}};
  bool excludes = false;
  for (size_t i = 0; i < list.size(); ++i) {
    const View part = list.child(i);
    if (part.get().kind != Kind::kRelation) return std::nullopt;
    std::optional<Intervals> one;
    if (part.get().name == "=" && is_plain_name(part.child(0))) {
      one = points({part.child(1)}, budget);
    } else {
      one = collected(part, budget);
    }
    if (!one) return std::nullopt;
    excludes |= part.get().name == "N";
    both = intersection(both, *one);
    either.insert(either.end(), one->begin(), one->end());
  }
  either = merged(std::move(either));
  const bool everything = either.size() == 1 && either[0].low.infinite && either[0].high.infinite;
  return (everything || excludes) && !both.empty() ? both : either;
}

std::optional<Intervals> collected(View view, Budget& budget) {
  const Node& node = view.get();
  if (!budget.spend(20)) return std::nullopt;
  switch (node.kind) {
    case Kind::kUnion:
    case Kind::kIntersection:
    case Kind::kDifference: {
      std::optional<Intervals> all;
      if (view.size() > kMostIntervals) return std::nullopt;
      for (size_t i = 0; i < view.size(); ++i) {
        const auto part = collected(view.child(i), budget);
        if (!part) return std::nullopt;
        if (!all) {
          all = part;
        } else if (node.kind == Kind::kUnion) {
          all->insert(all->end(), part->begin(), part->end());
        } else {
          all = intersection(*all, node.kind == Kind::kIntersection ? *part : complement(*part));
        }
      }
      if (node.kind == Kind::kUnion) all = merged(std::move(*all));
      return all;
    }
    case Kind::kName:
      if (node.name == "emptyset") return Intervals();
      if (node.name != "R") return std::nullopt;
      return Intervals{{kLeft, kRight}};
    case Kind::kSet:
      return points(children(view), budget);
    case Kind::kList:
      if (view.size() == 0) return std::nullopt;
      return of_conditions(view, budget);
    case Kind::kRelation:
      if (node.name == "N") {
        const size_t value = is_plain_name(view.child(0)) ? 1 : 0;
        if (!is_plain_name(view.child(1 - value)) || has_names(view.child(value)))
          return std::nullopt;
        const auto point = points({view.child(value)}, budget);
        return point ? std::optional(complement(*point)) : std::nullopt;
      }
      if (auto inside = absolute_values(view, budget)) return inside;
      break;
    default:
      break;
  }
  const auto interval = interval_of(view);
  return interval ? one_interval(*interval, budget) : std::nullopt;
}

}  // namespace

std::optional<Intervals> intervals_of(View view, Budget& budget) {
  try {
    auto all = collected(view, budget);
    if (all && all->size() > kMostIntervals) return std::nullopt;
    return all;
  } catch (const Unclear&) {
    return std::nullopt;
  }
}

std::optional<bool> same_intervals(const Intervals& a, const Intervals& b) {
  if (a.size() != b.size()) return false;
  try {
    for (size_t i = 0; i < a.size(); ++i) {
      for (const auto& [x, y] : {std::pair{a[i].low, b[i].low}, {a[i].high, b[i].high}}) {
        if (order(x, y) != 0 || x.closed != y.closed) return false;
      }
    }
  } catch (const Unclear&) {
    return std::nullopt;
  }
  return true;
}

}  // namespace ponder::judge
