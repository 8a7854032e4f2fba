#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "jinja/builtins.h"
#include "jinja/python_text.h"

namespace ponder::jinja {
namespace {

[[noreturn]] void cannot(std::string_view op, const Value& a, const Value& b) {
  for (const Value* value : {&a, &b}) {
    if (value->is_undefined())
      throw Refused{fmt::format("{} is undefined", value->undefined_name().empty()
                                                       ? std::string("a value")
                                                       : value->undefined_name())};
  }
  throw Refused{fmt::format("cannot compute {} {} {}", a.type_name(), op, b.type_name())};
}

int64_t floor_divided(int64_t a, int64_t b) {
  return a / b - ((a % b != 0) && ((a < 0) != (b < 0)));
}

Value integer_result(std::string_view op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else if (op == "**") {
    result = 1;
    if (b < 0) return Value::number(std::pow(static_cast<double>(a), static_cast<double>(b)));
    for (int64_t i = 0; i < b && !overflow && result != 0 && (a != 1 || i == 0); ++i) {
      overflow = __builtin_mul_overflow(result, a, &result);
      if (a == -1 && i > 1) return Value::integer(b % 2 == 0 ? 1 : -1);
    }
  } else if (b == 0) {
    throw Refused{"division by zero"};
  } else if (op == "/") {
    return Value::number(static_cast<double>(a) / static_cast<double>(b));
  } else if (b == -1) {
    overflow = op == "//" && __builtin_sub_overflow(int64_t{0}, a, &result);
  } else {
    result = op == "//" ? floor_divided(a, b) : a - floor_divided(a, b) * b;
  }
  if (overflow) throw Refused{fmt::format("{} {} {} is beyond 64 bits", a, op, b)};
  return Value::integer(result);
}

Value float_result(std::string_view op, double a, double b) {
  if (op == "+") return Value::number(a + b);
  if (op == "-") return Value::number(a - b);
  if (op == "*") return Value::number(a * b);
  if (op == "**") return Value::number(std::pow(a, b));
  if (b == 0) throw Refused{"division by zero"};
  if (op == "/") return Value::number(a / b);
  if (op == "//") return Value::number(std::floor(a / b));
  const double rest = std::fmod(a, b);
  return Value::number(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

Value repeated(Budget& budget, const Value& of, int64_t count) {
  count = std::max<int64_t>(count, 0);
  if (of.is_string()) {
    const auto size = static_cast<int64_t>(of.text().size());
    if (size > 0 && count > std::numeric_limits<int64_t>::max() / size) budget.will_make(INT64_MAX);
    budget.will_make(size * count);
    std::string out;
    if (size == 0) return Value::string("");
    for (int64_t i = 0; i < count; ++i) out += of.text();
    return Value::string(std::move(out));
  }
  const auto& items = of.as_list().items;
  std::vector<Value> out;
  if (items.empty()) return of;
  for (int64_t i = 0; i < count; ++i) {
    budget.will_make(static_cast<int64_t>(items.size() * sizeof(Value)));
    out.insert(out.end(), items.begin(), items.end());
  }
  return Value::list(std::move(out), of.as_list().is_tuple);
}

// Python's bounds of a slice of `size` elements.
struct Bounds {
  int64_t begin, end, step;
};

Bounds bounds_of(int64_t size, const Value& begin, const Value& end, const Value& step) {
  const auto given = [](const Value& value) {
    if (value.is_undefined() || value.is(Value::Type::kNone)) return false;
    if (!value.is_integral()) throw Refused{"the bounds of a slice are whole numbers"};
    return true;
  };
  Bounds b{0, size, given(step) ? step.as_integer() : 1};
  if (b.step == 0) throw Refused{"a slice cannot have the step 0"};
  b.step = std::clamp(b.step, -size - 1, size + 1);
  const int64_t low = b.step < 0 ? -1 : 0, high = b.step < 0 ? size - 1 : size;
  const auto bound = [&](const Value& value, int64_t otherwise) {
    if (!given(value)) return otherwise;
    const int64_t at = value.as_integer();
    return at < 0 ? std::max(at < -size ? low : at + size, low) : std::min(at, high);
  };
  b.begin = bound(begin, b.step < 0 ? high : low);
  b.end = bound(end, b.step < 0 ? low : high);
  return b;
}

Value loop_attribute(const Loop& loop, std::string_view name) {
  const auto size = static_cast<int64_t>(loop.items->items.size());
  const auto index0 = static_cast<int64_t>(loop.index0);
  if (name == "index") return Value::integer(index0 + 1);
  if (name == "index0") return Value::integer(index0);
  if (name == "revindex") return Value::integer(size - index0);
  if (name == "revindex0") return Value::integer(size - index0 - 1);
  if (name == "first") return Value::boolean(index0 == 0);
  if (name == "last") return Value::boolean(index0 + 1 == size);
  if (name == "length") return Value::integer(size);
  if (name == "depth") return Value::integer(static_cast<int64_t>(loop.depth0) + 1);
  if (name == "depth0") return Value::integer(static_cast<int64_t>(loop.depth0));
  if (name == "previtem" && index0 > 0) return loop.items->items[loop.index0 - 1];
  if (name == "nextitem" && index0 + 1 < size) return loop.items->items[loop.index0 + 1];
  return Value::undefined("loop." + std::string(name));
}

}  // namespace

void Budget::step(int64_t count) {
  steps_ -= count;
  if (steps_ < 0) throw Refused{"takes too many steps"};
}

void Budget::will_make(int64_t bytes) {
  if (bytes > bytes_) throw Refused{"makes too much text"};
  bytes_ -= bytes;
}

Value Budget::text(std::string made) {
  will_make(static_cast<int64_t>(made.size()) + 32);
  return Value::string(std::move(made));
}

Value Budget::list(std::vector<Value> made, bool is_tuple) {
  will_make(static_cast<int64_t>(made.size() * sizeof(Value)) + 64);
  return Value::list(std::move(made), is_tuple);
}

Value attribute_of(const Value& object, std::string_view name) {
  switch (object.type()) {
    case Value::Type::kUndefined:
      throw Refused{fmt::format(
          "{} is undefined, so it has no {}",
          object.undefined_name().empty() ? std::string("a value") : object.undefined_name(),
          name)};
    case Value::Type::kDict:
      if (const Value* found = object.as_dict().find(name)) return *found;
      break;
    case Value::Type::kNamespace: {
      const auto& items = object.as_namespace().items;
      if (const auto found = items.find(name); found != items.end()) return found->second;
      break;
    }
    case Value::Type::kLoop:
      return loop_attribute(object.as_loop(), name);
    default:
      break;
  }
  return Value::undefined(std::string(name));
}

Value item_of(Budget& budget, const Value& object, const Value& key) {
  if (key.is_string() || object.is_undefined())
    return attribute_of(object, key.is_string() ? key.text() : to_text(key));
  if (!key.is_integral()) return Value::undefined(to_text(key));
  int64_t index = key.as_integer();
  if (object.is(Value::Type::kList)) {
    const auto& items = object.as_list().items;
    if (index < 0) index += static_cast<int64_t>(items.size());
    if (index >= 0 && index < static_cast<int64_t>(items.size()))
      return items[static_cast<size_t>(index)];
  } else if (object.is_string()) {
    budget.step(static_cast<int64_t>(object.text().size() / 64));
    const std::vector<std::string_view> characters = code_points(object.text());
    if (index < 0) index += static_cast<int64_t>(characters.size());
    if (index >= 0 && index < static_cast<int64_t>(characters.size()))
      return budget.text(std::string(characters[static_cast<size_t>(index)]));
  }
  return Value::undefined(fmt::format("element {}", key.as_integer()));
}

Value slice_of(Budget& budget, const Value& object, const Value& begin, const Value& end,
               const Value& step) {
  if (object.is_string()) {
    const std::vector<std::string_view> characters = code_points(object.text());
    budget.step(static_cast<int64_t>(characters.size() / 16));
    const Bounds b = bounds_of(static_cast<int64_t>(characters.size()), begin, end, step);
    std::string out;
    for (int64_t i = b.begin; b.step > 0 ? i < b.end : i > b.end; i += b.step)
      out += characters[static_cast<size_t>(i)];
    return budget.text(std::move(out));
  }
  if (object.is(Value::Type::kList)) {
    const auto& items = object.as_list().items;
    const Bounds b = bounds_of(static_cast<int64_t>(items.size()), begin, end, step);
    std::vector<Value> out;
    for (int64_t i = b.begin; b.step > 0 ? i < b.end : i > b.end; i += b.step)
      out.push_back(items[static_cast<size_t>(i)]);
    return budget.list(std::move(out), object.as_list().is_tuple);
  }
  if (object.is_undefined()) attribute_of(object, "slice");
  throw Refused{fmt::format("cannot cut {} into slices", object.type_name())};
}

Value binary(Budget& budget, std::string_view op, const Value& a, const Value& b) {
  if (op == "~") {
    const std::string left = to_text(a);
    return budget.text(left + to_text(b));
  }
  if (op == "%" && a.is_string()) return percent_format(budget, a.text(), b);
  if (a.is_integral() && b.is_integral()) return integer_result(op, a.as_integer(), b.as_integer());
  if (a.is_number() && b.is_number()) return float_result(op, a.as_double(), b.as_double());
  const bool lists = a.is(Value::Type::kList) && b.is(Value::Type::kList) &&
                     a.as_list().is_tuple == b.as_list().is_tuple;
  if (op == "+" && a.is_string() && b.is_string()) {
    budget.will_make(static_cast<int64_t>(a.text().size() + b.text().size()));
    return Value::string(a.text() + b.text());
  }
  if (op == "+" && lists) {
    std::vector<Value> items = a.as_list().items;
    items.insert(items.end(), b.as_list().items.begin(), b.as_list().items.end());
    return budget.list(std::move(items), a.as_list().is_tuple);
  }
  const auto repeats = [](const Value& value) {
    return value.is_string() || value.is(Value::Type::kList);
  };
  if (op == "*" && repeats(a) && b.is_integral()) return repeated(budget, a, b.as_integer());
  if (op == "*" && repeats(b) && a.is_integral()) return repeated(budget, b, a.as_integer());
  cannot(op, a, b);
}

}  // namespace ponder::jinja
