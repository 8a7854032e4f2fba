#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include "jinja/builtins.h"
#include "jinja/python_text.h"

namespace ponder::jinja {
namespace {

using Type = Value::Type;
using Filter = Value (*)(Budget& budget, const Value& of, const Arguments& arguments);

bool flag(const Arguments& arguments, size_t index, std::string_view name, bool otherwise = false) {
  return arguments.has(index, name) ? arguments.get(index, name).truth() : otherwise;
}

int64_t count_of(const Value& value, int64_t otherwise) {
  if (value.is_undefined() || value.is(Type::kNone)) return otherwise;
  if (!value.is_integral())
    throw Refused{fmt::format("expected a whole number, found {}", value.type_name())};
  return value.as_integer();
}

// value.a.b, value.0 or value[key]: what attribute= of map, sort and join means.
Value by_path(Budget& budget, Value value, const Value& path) {
  if (!path.is_string()) return item_of(budget, value, path);
  const std::string& text = path.text();
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('.', begin), text.size());
    const std::string name = text.substr(begin, end - begin);
    int64_t index = 0;
    const auto number = std::from_chars(name.data(), name.data() + name.size(), index);
    const bool is_index = number.ec == std::errc() && number.ptr == name.data() + name.size();
    value = is_index ? item_of(budget, value, Value::integer(index)) : attribute_of(value, name);
    begin = end + 1;
  }
  return value;
}

Arguments without_first(const Arguments& arguments, size_t count) {
  Arguments rest = arguments;
  rest.in_order.erase(
      rest.in_order.begin(),
      rest.in_order.begin() + static_cast<ptrdiff_t>(std::min(count, rest.in_order.size())));
  return rest;
}

Value trim(Budget& budget, const Value& of, const Arguments& arguments) {
  const std::string text = to_text(of);
  const Value characters = arguments.get(0, "chars");
  if (!characters.is_string()) return budget.text(std::string(python_strip(text)));
  return budget.text(std::string(python_strip(text, characters.text())));
}

Value join(Budget& budget, const Value& of, const Arguments& arguments) {
  const std::string between = to_text(arguments.get(0, "d"));
  const Value path = arguments.get(1, "attribute");
  std::string out;
  bool first = true;
  for (const Value& item : elements(of)) {
    budget.step();
    if (!std::exchange(first, false)) out += between;
    out += to_text(path.is_undefined() ? item : by_path(budget, item, path));
    budget.will_make(static_cast<int64_t>(between.size()));
  }
  return budget.text(std::move(out));
}

Value defaulted(Budget&, const Value& of, const Arguments& arguments) {
  const bool use = of.is_undefined() || (flag(arguments, 1, "boolean") && !of.truth());
  if (!use) return of;
  return arguments.has(0, "default_value") ? arguments.get(0, "default_value") : Value::string("");
}

Value pairs(Budget& budget, const Value& of, const Arguments&) {
  if (of.is_undefined()) return budget.list({});
  if (!of.is(Type::kDict)) throw Refused{fmt::format("{} has no items", of.type_name())};
  std::vector<Value> result;
  for (const auto& [key, value] : of.as_dict().items) {
    budget.step();
    result.push_back(budget.list({Value::string(key), value}, true));
  }
  return budget.list(std::move(result));
}

Value first_or_last(Budget&, const Value& of, bool first) {
  const std::vector<Value> items = elements(of);
  if (items.empty()) return Value::undefined("the element of an empty list");
  return first ? items.front() : items.back();
}

Value indent(Budget& budget, const Value& of, const Arguments& arguments) {
  const Value width = arguments.get(0, "width");
  const std::string margin =
      width.is_string()
          ? width.text()
          : std::string(static_cast<size_t>(std::clamp<int64_t>(count_of(width, 4), 0, 1000)), ' ');
  const bool first = flag(arguments, 1, "first"), blank = flag(arguments, 2, "blank");
  const std::vector<std::string> lines = split_lines(to_text(of) + "\n");
  std::string out;
  for (size_t i = 0; i < lines.size(); ++i) {
    budget.will_make(static_cast<int64_t>(margin.size()));
    if (i > 0) out += '\n';
    if (i == 0 ? first : (blank || !lines[i].empty())) out += margin;
    out += lines[i];
  }
  return budget.text(std::move(out));
}

void sort_keys_of(Json& json) {
  if (json.is_object()) {
    std::vector<std::pair<std::string, Json>> items;
    for (auto& [key, value] : json.items()) items.emplace_back(key, value);
    std::sort(items.begin(), items.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    json = Json::object();
    for (auto& [key, value] : items) json[key] = std::move(value);
  }
  if (json.is_structured()) {
    for (Json& value : json) sort_keys_of(value);
  }
}

// As transformers gives it to templates: json.dumps(x, ensure_ascii=False, …).
Value tojson(Budget& budget, const Value& of, const Arguments& arguments) {
  std::optional<int> width;
  for (const auto& [name, value] : arguments.named) {
    if (name == "indent" && !value.is(Type::kNone)) {
      width = static_cast<int>(std::clamp<int64_t>(count_of(value, 0), 0, 1000));
    } else if (name == "ensure_ascii" && value.truth()) {
      throw Refused{"tojson with ensure_ascii is not supported"};
    } else if (name == "separators" && !value.is(Type::kNone)) {
      throw Refused{"tojson with separators is not supported"};
    }
  }
  if (!arguments.in_order.empty()) {
    if (arguments.in_order.size() > 1 || arguments.in_order[0].truth())
      throw Refused{"tojson takes its arguments by name"};
  }
  Json json = to_json(of);
  if (flag(arguments, 3, "sort_keys")) sort_keys_of(json);
  return budget.text(python_json(json, width));
}

// What sort, unique and dictsort compare: text without its case unless that counts.
Value sort_key(const Value& value, bool case_sensitive) {
  if (case_sensitive || !value.is_string()) return value;
  return Value::string(with_case(value.text(), Case::kLower));
}

void stable_sort(Budget& budget, std::vector<std::pair<Value, Value>>& keyed, bool reverse) {
  budget.step(static_cast<int64_t>(keyed.size()) * 16);
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return reverse ? compare(b.first, a.first) < 0 : compare(a.first, b.first) < 0;
  });
}

std::vector<Value> values_of(std::vector<std::pair<Value, Value>> keyed) {
  std::vector<Value> values;
  for (auto& [key, value] : keyed) values.push_back(std::move(value));
  return values;
}

Value sort(Budget& budget, const Value& of, const Arguments& arguments) {
  const bool reverse = flag(arguments, 0, "reverse");
  const bool case_sensitive = flag(arguments, 1, "case_sensitive");
  const Value path = arguments.get(2, "attribute");
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : elements(of)) {
    const Value by = path.is_undefined() ? item : by_path(budget, item, path);
    keyed.emplace_back(sort_key(by, case_sensitive), item);
  }
  stable_sort(budget, keyed, reverse);
  return budget.list(values_of(std::move(keyed)));
}

Value dictsort(Budget& budget, const Value& of, const Arguments& arguments) {
  if (!of.is(Type::kDict)) throw Refused{fmt::format("{} has no items", of.type_name())};
  const bool case_sensitive = flag(arguments, 0, "case_sensitive");
  const std::string by = arguments.has(1, "by") ? to_text(arguments.get(1, "by")) : "key";
  const bool by_value = by == "value";
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, value] : of.as_dict().items) {
    keyed.emplace_back(sort_key(by_value ? value : Value::string(key), case_sensitive),
                       budget.list({Value::string(key), value}, true));
  }
  stable_sort(budget, keyed, flag(arguments, 2, "reverse"));
  return budget.list(values_of(std::move(keyed)));
}

Value unique(Budget& budget, const Value& of, const Arguments& arguments) {
  const bool case_sensitive = flag(arguments, 0, "case_sensitive");
  const Value path = arguments.get(1, "attribute");
  std::vector<Value> seen, result;
  for (const Value& item : elements(of)) {
    budget.step(static_cast<int64_t>(seen.size()) + 1);
    const Value by =
        sort_key(path.is_undefined() ? item : by_path(budget, item, path), case_sensitive);
    if (std::any_of(seen.begin(), seen.end(), [&](const Value& old) { return equal(old, by); }))
      continue;
    seen.push_back(by);
    result.push_back(item);
  }
  return budget.list(std::move(result));
}

Value map(Budget& budget, const Value& of, const Arguments& arguments) {
  std::vector<Value> result;
  const Value path = arguments.get(SIZE_MAX, "attribute");
  const bool by_attribute = arguments.in_order.empty() && !path.is_undefined();
  if (!by_attribute && arguments.in_order.empty()) throw Refused{"map lacks a filter's name"};
  for (const Value& item : elements(of)) {
    budget.step();
    if (by_attribute) {
      const Value found = by_path(budget, item, path);
      result.push_back(found.is_undefined() && arguments.has(SIZE_MAX, "default")
                           ? arguments.get(SIZE_MAX, "default")
                           : found);
    } else {
      result.push_back(
          apply_filter(budget, to_text(arguments.in_order[0]), item, without_first(arguments, 1)));
    }
  }
  return budget.list(std::move(result));
}

Value chosen(Budget& budget, const Value& of, const Arguments& arguments, bool by_attribute,
             bool wanted) {
  if (by_attribute && arguments.in_order.empty()) throw Refused{"the filter lacks an attribute"};
  const size_t at = by_attribute ? 1 : 0;
  const Arguments rest = without_first(arguments, at + 1);
  std::vector<Value> result;
  for (const Value& item : elements(of)) {
    budget.step();
    const Value value = by_attribute ? by_path(budget, item, arguments.in_order[0]) : item;
    const bool holds = arguments.in_order.size() > at
                           ? apply_test(to_text(arguments.in_order[at]), value, rest)
                           : value.truth();
    if (holds == wanted) result.push_back(item);
  }
  return budget.list(std::move(result));
}

Value sum(Budget& budget, const Value& of, const Arguments& arguments) {
  const Value path = arguments.get(0, "attribute");
  Value total = arguments.has(1, "start") ? arguments.get(1, "start") : Value::integer(0);
  for (const Value& item : elements(of)) {
    budget.step();
    total =
        binary(budget, "+", total,
               path.is_undefined() || path.is(Type::kNone) ? item : by_path(budget, item, path));
  }
  return total;
}

Value extreme(const Value& of, const Arguments& arguments, bool largest) {
  const bool case_sensitive = flag(arguments, 0, "case_sensitive");
  const std::vector<Value> items = elements(of);
  if (items.empty()) return Value::undefined("the element of an empty list");
  size_t best = 0;
  for (size_t i = 1; i < items.size(); ++i) {
    const int order =
        compare(sort_key(items[i], case_sensitive), sort_key(items[best], case_sensitive));
    if (largest ? order > 0 : order < 0) best = i;
  }
  return items[best];
}

Value to_number(const Value& of, const Arguments& arguments, bool whole) {
  const Value otherwise = arguments.has(0, "default") ? arguments.get(0, "default")
                          : whole                     ? Value::integer(0)
                                                      : Value::number(0);
  if (whole && (arguments.has(1, "base"))) throw Refused{"int with a base is not supported"};
  double number = 0;
  if (of.is_integral()) {
    if (whole) return Value::integer(of.as_integer());
    number = of.as_double();
  } else if (of.is(Type::kFloat)) {
    number = of.as_double();
  } else if (of.is_string()) {
    std::string_view text = python_strip(of.text());
    if (text.starts_with('+')) text.remove_prefix(1);
    const char* const end = text.data() + text.size();
    int64_t integer = 0;
    if (const auto result = std::from_chars(text.data(), end, integer);
        whole && result.ec == std::errc() && result.ptr == end)
      return Value::integer(integer);
    const auto result = std::from_chars(text.data(), end, number);
    if (result.ec != std::errc() || result.ptr != end) return otherwise;
  } else {
    return otherwise;
  }
  if (!whole) return Value::number(number);
  if (!(std::fabs(number) < 9e18)) return otherwise;
  return Value::integer(static_cast<int64_t>(number));
}

Value round_to(const Value& of, const Arguments& arguments) {
  if (!of.is_number()) throw Refused{fmt::format("cannot round {}", of.type_name())};
  const int64_t digits = count_of(arguments.get(0, "precision"), 0);
  const std::string method =
      arguments.has(1, "method") ? to_text(arguments.get(1, "method")) : "common";
  if (digits < 0 || digits > 15) throw Refused{"round to 0 to 15 digits alone"};
  const double scale = std::pow(10.0, static_cast<double>(digits));
  if (method == "ceil") return Value::number(std::ceil(of.as_double() * scale) / scale);
  if (method == "floor") return Value::number(std::floor(of.as_double() * scale) / scale);
  if (method != "common") throw Refused{fmt::format("round knows no method \"{}\"", method)};
  // Python rounds the decimal digits of the number, ties to even, as printf does.
  double rounded = 0;
  const std::string text = fmt::format("{:.{}f}", of.as_double(), digits);
  std::from_chars(text.data(), text.data() + text.size(), rounded);
  return Value::number(rounded);
}

const std::unordered_map<std::string_view, Filter>& filters() {
  static const std::unordered_map<std::string_view, Filter> kFilters = [] {
    std::unordered_map<std::string_view, Filter> all;
    all["trim"] = trim;
    all["join"] = join;
    all["default"] = all["d"] = defaulted;
    all["items"] = pairs;
    all["indent"] = indent;
    all["tojson"] = tojson;
    all["sort"] = sort;
    all["dictsort"] = dictsort;
    all["unique"] = unique;
    all["map"] = map;
    all["sum"] = sum;
    all["length"] = all["count"] = [](Budget&, const Value& of, const Arguments&) {
      return Value::integer(length(of));
    };
    all["upper"] = [](Budget& budget, const Value& of, const Arguments&) {
      return budget.text(with_case(to_text(of), Case::kUpper));
    };
    all["lower"] = [](Budget& budget, const Value& of, const Arguments&) {
      return budget.text(with_case(to_text(of), Case::kLower));
    };
    all["title"] = [](Budget& budget, const Value& of, const Arguments&) {
      return budget.text(with_case(to_text(of), Case::kWords));
    };
    all["capitalize"] = [](Budget& budget, const Value& of, const Arguments&) {
      return budget.text(with_case(to_text(of), Case::kCapital));
    };
    all["string"] = all["safe"] = [](Budget& budget, const Value& of, const Arguments&) {
      return of.is_string() ? of : budget.text(to_text(of));
    };
    all["list"] = [](Budget& budget, const Value& of, const Arguments&) {
      return budget.list(elements(of));
    };
    all["first"] = [](Budget& budget, const Value& of, const Arguments&) {
      return first_or_last(budget, of, true);
    };
    all["last"] = [](Budget& budget, const Value& of, const Arguments&) {
      return first_or_last(budget, of, false);
    };
    all["replace"] = [](Budget& budget, const Value& of, const Arguments& arguments) {
      const std::string text = to_text(of), from = to_text(arguments.get(0, "old")),
                        to = to_text(arguments.get(1, "new"));
      budget.will_make(
          static_cast<int64_t>((text.size() / std::max<size_t>(from.size(), 1) + 1) * to.size()));
      return budget.text(replaced(text, from, to, count_of(arguments.get(2, "count"), -1)));
    };
    all["reverse"] = [](Budget& budget, const Value& of, const Arguments&) {
      std::vector<Value> items = elements(of);
      std::reverse(items.begin(), items.end());
      if (!of.is_string()) return budget.list(std::move(items));
      std::string out;
      for (const Value& item : items) out += item.text();
      return budget.text(std::move(out));
    };
    all["select"] = [](Budget& budget, const Value& of, const Arguments& arguments) {
      return chosen(budget, of, arguments, false, true);
    };
    all["reject"] = [](Budget& budget, const Value& of, const Arguments& arguments) {
      return chosen(budget, of, arguments, false, false);
    };
    all["selectattr"] = [](Budget& budget, const Value& of, const Arguments& arguments) {
      return chosen(budget, of, arguments, true, true);
    };
    all["rejectattr"] = [](Budget& budget, const Value& of, const Arguments& arguments) {
      return chosen(budget, of, arguments, true, false);
    };
    all["min"] = [](Budget&, const Value& of, const Arguments& arguments) {
      return extreme(of, arguments, false);
    };
    all["max"] = [](Budget&, const Value& of, const Arguments& arguments) {
      return extreme(of, arguments, true);
    };
    all["int"] = [](Budget&, const Value& of, const Arguments& arguments) {
      return to_number(of, arguments, true);
    };
    all["float"] = [](Budget&, const Value& of, const Arguments& arguments) {
      return to_number(of, arguments, false);
    };
    all["round"] = [](Budget&, const Value& of, const Arguments& arguments) {
      return round_to(of, arguments);
    };
    all["abs"] = [](Budget& budget, const Value& of, const Arguments&) {
      const bool negative = of.is_number() && of.as_double() < 0;
      return negative ? binary(budget, "*", of, Value::integer(-1)) : of;
    };
    all["format"] = [](Budget& budget, const Value& of, const Arguments& arguments) {
      return percent_format(budget, to_text(of), Value::list(arguments.in_order, true));
    };
    return all;
  }();
  return kFilters;
}

}  // namespace

Value apply_filter(Budget& budget, std::string_view name, const Value& of,
                   const Arguments& arguments) {
  const auto found = filters().find(name);
  if (found == filters().end())
    throw Refused{fmt::format("the filter \"{}\" is not supported", name)};
  budget.step(1 + (of.is_string() ? static_cast<int64_t>(of.text().size() / 64) : 0));
  return found->second(budget, of, arguments);
}

}  // namespace ponder::jinja
