#include "judge/read/shape.h"

#include <algorithm>

namespace ponder::judge {
namespace {

bool is_name(View view) {
  return view.get().kind == Kind::kName || view.get().kind == Kind::kConstant;
}

// |AB|, det A, Re z
bool is_of_a_name(const std::string& function) {
  return function == "abs" || function == "det" || function == "tr" || function == "re" ||
         function == "im" || function == "arg";
}

// Something an equation gives a value to: x, x_1, f(x), |AB|, V_1 : V_2, NO/BO, (p, q, r).
bool is_naming(View view) {
  switch (view.get().kind) {
    case Kind::kName:
    case Kind::kIntegral:
    case Kind::kLimit:
      return true;
    case Kind::kConstant:
      return view.get().name == "i" || view.get().name == "e";
    case Kind::kMul:
    case Kind::kApply:
    case Kind::kDiv:
    case Kind::kRatio:
    case Kind::kTuple: {
      for (size_t i = 0; i < view.size(); ++i) {
        if (!is_naming(view.child(i))) return false;
      }
      return view.get().kind != Kind::kTuple || view.size() > 0;
    }
    case Kind::kPow:  // f^{-1}(x)
      return is_name(view.child(0)) && view.child(1).get().kind == Kind::kNeg &&
             view.child(1).child(0).get().kind == Kind::kNumber;
    case Kind::kCall:
      return view.size() == 1 && is_of_a_name(view.get().name) && is_naming(view.child(0));
    default:
      return false;
  }
}

// f(x) of a known letter is an application, of another the product of its name and x, and so is p(3):
// a name times anything in brackets.
bool names_a_value(View view) {
  if (is_naming(view)) return true;
  const Kind kind = view.get().kind;
  return (kind == Kind::kMul || kind == Kind::kApply) && view.size() == 2 &&
         is_name(view.child(0)) &&
         (is_scalar(view) || view.child(1).get().kind == Kind::kTuple ||
          view.child(0).get().name == "P");
}

}  // namespace

bool is_collection(View view) {
  return view.get().kind == Kind::kList || view.get().kind == Kind::kSet;
}

bool is_equation(View view) {
  if (view.get().kind != Kind::kRelation) return false;
  return view.get().name.find_first_not_of("=~") == std::string::npos;
}

// The value an equation gives to the name on its left, or nothing. In a chain the value is the last
// exact one: x = 1/3 ~ 0.333 says 1/3.
std::optional<View> named_value(View view) {
  if (!is_equation(view) || !names_a_value(view.child(0))) return std::nullopt;
  const std::string& signs = view.get().name;
  size_t last = view.size() - 1;
  while (last > 1 && signs[last - 1] == '~') --last;
  return view.child(last);
}

// A chain without a name: 2 + 3 = 5 says 5, 9.5/3.14 ~ 3.01 says 9.5/3.14.
std::optional<View> chain_value(View view) {
  if (!is_equation(view) || !is_scalar(view.child(0)) || has_names(view)) return std::nullopt;
  const std::string& signs = view.get().name;
  size_t last = view.size() - 1;
  while (last > 0 && signs[last - 1] == '~') --last;
  return view.child(last);
}

// Where gold is a number, "x + y = 4027" and "sin t = 1/2" state one; "... = 0" only brings terms
// to one side.
std::optional<View> stated_value(View gold, View prediction) {
  if (!is_scalar(gold) || has_names(gold) || !is_equation(prediction)) return std::nullopt;
  // m + n = 256 + 37 = 293: figures alone after the sum of names.
  for (size_t i = 1; i < prediction.size(); ++i) {
    if (prediction.size() > 2 &&
        (!is_scalar(prediction.child(i)) || has_names(prediction.child(i))))
      return std::nullopt;
  }
  const View left = prediction.child(0), right = prediction.child(prediction.size() - 1);
  if (!has_names(left) || !is_scalar(right) || has_names(right)) return std::nullopt;
  if (right.get().kind == Kind::kNumber && right.get().value == 0) return std::nullopt;
  return right;
}

View value_part(View view) {
  if (const auto value = named_value(view)) return *value;
  if (const auto value = chain_value(view)) return *value;
  return view;
}

bool is_worked_out(View view) {
  view = value_part(view);
  const auto is_number = [](View part) { return part.get().kind == Kind::kNumber; };
  const auto is_fraction = [&](View part) {
    return part.get().kind == Kind::kDiv && is_number(part.child(0)) && is_number(part.child(1));
  };
  switch (view.get().kind) {
    case Kind::kNumber:
      return true;
    case Kind::kDiv:
      return is_fraction(view);
    case Kind::kNeg:
    case Kind::kPercent:
    case Kind::kDegree:
    case Kind::kPlusMinus:
      return is_worked_out(view.child(0));
    case Kind::kAdd:
      return view.size() == 2 && is_number(view.child(0)) && is_fraction(view.child(1));
    case Kind::kMul: {
      const View power = view.child(view.size() - 1);
      return view.size() == 2 && is_number(view.child(0)) && power.get().kind == Kind::kPow &&
             is_number(power.child(0)) && power.child(0).get().value == 10;
    }
    case Kind::kTuple:
    case Kind::kSet:
    case Kind::kList:
    case Kind::kMatrix:
    case Kind::kRatio: {
      const std::vector<View> parts = children(view);
      return std::all_of(parts.begin(), parts.end(), is_worked_out);
    }
    default:
      return false;
  }
}

std::string left_name(View view) {
  std::string text;
  if (!view.get().name.empty()) text = view.get().name;
  for (size_t i = 0; i < view.size(); ++i) text += " " + left_name(view.child(i));
  return text;
}

// The items of a collection, plus-minus taken apart. "x = 1, x = 2" and "x = 1, 2" give 1 and 2,
// but "x = 1, y = 2" keeps its equations.
std::vector<View> items_of(View view) {
  std::vector<View> items;
  if (is_collection(view)) {
    for (size_t i = 0; i < view.size(); ++i) items.push_back(view.child(i));
  } else {
    items.push_back(view);
  }
  std::string name;
  bool one_name = true;
  for (const View& item : items) {
    if (!named_value(item)) continue;
    const std::string own = left_name(item.child(0));
    if (name.empty()) name = own;
    one_name &= own == name;
  }
  if (one_name) {
    for (View& item : items) item = value_part(item);
  }
  std::vector<View> expanded;
  for (const View& item : items) {
    if (item.sign == 0 && contains(item, Kind::kPlusMinus)) {
      for (int sign : {1, -1}) expanded.push_back({item.tree, item.node, sign});
    } else if (is_collection(item) && item.get().kind == Kind::kList) {
      for (size_t i = 0; i < item.size(); ++i) expanded.push_back(item.child(i));
    } else {
      expanded.push_back(item);
    }
  }
  return expanded;
}

Solutions solutions_of(const std::vector<View>& items) {
  Solutions all;
  bool again = false, several = false;
  for (const View& item : items) {
    if (item.get().kind == Kind::kTuple) {
      if (all.named) return {};
      all.rows.push_back(children(item));
      continue;
    }
    const auto value = named_value(item);
    if (!value || (!all.rows.empty() && !all.named)) return {};
    const std::string name = left_name(item.child(0));
    all.named = true;
    const bool next =
        all.rows.empty() ||
        std::find(all.names.back().begin(), all.names.back().end(), name) != all.names.back().end();
    again |= next && !all.rows.empty();
    if (next) {
      all.rows.emplace_back();
      all.names.emplace_back();
    }
    all.rows.back().push_back(*value);
    all.names.back().push_back(name);
    several |= all.names.back().size() > 1;
  }
  if (all.named && !(again && several)) return {};
  return all;
}

void sort_by_name(Solutions& solutions) {
  for (size_t i = 0; i < solutions.rows.size(); ++i) {
    std::vector<size_t> order(solutions.rows[i].size());
    for (size_t k = 0; k < order.size(); ++k) order[k] = k;
    auto& names = solutions.names[i];
    std::sort(order.begin(), order.end(), [&](size_t x, size_t y) { return names[x] < names[y]; });
    std::vector<View> row;
    std::vector<std::string> sorted;
    for (size_t k : order) {
      row.push_back(solutions.rows[i][k]);
      sorted.push_back(names[k]);
    }
    solutions.rows[i] = std::move(row);
    names = std::move(sorted);
  }
}

std::optional<Interval> interval_of(View view) {
  Interval interval;
  const Node& node = view.get();
  if (node.kind == Kind::kTuple && view.size() == 2) {
    interval.low = view.child(0);
    interval.high = view.child(1);
    interval.open = node.name[0];
    interval.close = node.name[1];
    return interval;
  }
  if (node.kind != Kind::kRelation || node.name.find_first_not_of("<>LG") != std::string::npos)
    return std::nullopt;
  const bool down = node.name[0] == '>' || node.name[0] == 'G';
  const auto bracket = [](char sign, char open, char closed) {
    return sign == 'L' || sign == 'G' ? closed : open;
  };
  if (view.size() == 2) {
    const bool name_first = is_name(view.child(0)) && !has_names(view.child(1));
    const bool name_last = is_name(view.child(1)) && !has_names(view.child(0));
    if (!name_first && !name_last) return std::nullopt;
    if (name_first != down) {
      interval.high = view.child(name_first ? 1 : 0);
      interval.close = bracket(node.name[0], ')', ']');
    } else {
      interval.low = view.child(name_first ? 1 : 0);
      interval.open = bracket(node.name[0], '(', '[');
    }
    return interval;
  }
  const View middle = view.size() == 3 ? view.child(1) : view;
  const bool function = middle.get().kind == Kind::kApply && is_name(middle.child(1));
  if (view.size() != 3 || (!is_name(middle) && !function)) return std::nullopt;  // 0 < f(x) < 1
  const size_t low = down ? 2 : 0;
  interval.low = view.child(low);
  interval.high = view.child(2 - low);
  interval.open = bracket(node.name[down ? 1 : 0], '(', '[');
  interval.close = bracket(node.name[down ? 0 : 1], ')', ']');
  return interval;
}

// "x < 1 or x > 3": a union written as relations.
bool is_list_of_intervals(View view) {
  if (view.get().kind != Kind::kList) return false;
  for (size_t i = 0; i < view.size(); ++i) {
    if (!interval_of(view.child(i))) return false;
  }
  return true;
}

// +1 and -1 for the infinities, else 0.
int infinity(const std::optional<View>& end, int missing) {
  if (!end) return missing;
  View view = *end;
  int sign = 1;
  while (view.get().kind == Kind::kNeg) {
    view = view.child(0);
    sign = -sign;
  }
  return view.get().kind == Kind::kConstant && view.get().name == "inf" ? sign : 0;
}

std::vector<View> children(View view) {
  std::vector<View> all;
  for (size_t i = 0; i < view.size(); ++i) all.push_back(view.child(i));
  return all;
}

// 8:34 may be a time of day, which is not reduced: two digits after the colon.
bool is_clock(View ratio) {
  if (ratio.get().kind != Kind::kRatio || ratio.size() != 2) return false;
  const Node &hour = ratio.child(0).get(), &minute = ratio.child(1).get();
  return hour.kind == Kind::kNumber && minute.kind == Kind::kNumber && hour.value < 24 &&
         minute.value < 60 && (minute.value >= 10 || minute.value == 0);
}

// Rows of one cell each, or one row: a vector.
std::optional<std::vector<View>> vector_of(View view) {
  if (view.get().kind == Kind::kTuple) return children(view);
  if (view.get().kind != Kind::kMatrix) return std::nullopt;
  if (view.size() == 1) return children(view.child(0));
  std::vector<View> cells;
  for (size_t i = 0; i < view.size(); ++i) {
    if (view.child(i).size() != 1) return std::nullopt;
    cells.push_back(view.child(i).child(0));
  }
  return cells;
}

}  // namespace ponder::judge
