#include <fmt/format.h>

#include "jinja/builtins.h"

namespace ponder::jinja {
namespace {

using Type = Value::Type;

Value argument(const Arguments& arguments) {
  if (!arguments.has(0, "other")) throw Refused{"the test lacks what to compare with"};
  return arguments.get(0, "other");
}

bool is_sequence(const Value& value) {
  return value.is_string() || value.is(Type::kList) || value.is(Type::kDict) ||
         value.is_undefined();
}

int64_t whole(const Value& value) {
  if (!value.is_integral())
    throw Refused{fmt::format("expected a whole number, found {}", value.type_name())};
  return value.as_integer();
}

bool is_same(const Value& a, const Value& b) {
  const bool plain =
      a.is(Type::kBool) || a.is(Type::kNone) || b.is(Type::kBool) || b.is(Type::kNone);
  if (!plain) throw Refused{"sameas compares with true, false and none alone"};
  return a.type() == b.type() && equal(a, b);
}

}  // namespace

bool apply_test(std::string_view name, const Value& of, const Arguments& arguments) {
  if (name == "defined") return !of.is_undefined();
  if (name == "undefined") return of.is_undefined();
  if (name == "none") return of.is(Type::kNone);
  if (name == "string") return of.is_string();
  if (name == "mapping") return of.is(Type::kDict);
  if (name == "sequence") return is_sequence(of);
  if (name == "iterable") return is_sequence(of);
  if (name == "number") return of.is_number();
  if (name == "integer") return of.is(Type::kInteger);
  if (name == "float") return of.is(Type::kFloat);
  if (name == "boolean") return of.is(Type::kBool);
  if (name == "true") return of.is(Type::kBool) && of.truth();
  if (name == "false") return of.is(Type::kBool) && !of.truth();
  if (name == "callable") return of.is(Type::kCallable) || of.is(Type::kLoop);
  if (name == "equalto" || name == "eq" || name == "==") return equal(of, argument(arguments));
  if (name == "ne" || name == "!=") return !equal(of, argument(arguments));
  if (name == "lt" || name == "lessthan" || name == "<")
    return compare(of, argument(arguments)) < 0;
  if (name == "le" || name == "<=") return compare(of, argument(arguments)) <= 0;
  if (name == "gt" || name == "greaterthan" || name == ">")
    return compare(of, argument(arguments)) > 0;
  if (name == "ge" || name == ">=") return compare(of, argument(arguments)) >= 0;
  if (name == "in") return contains(arguments.get(0, "seq"), of);
  if (name == "sameas") return is_same(of, argument(arguments));
  if (name == "even") return whole(of) % 2 == 0;
  if (name == "odd") return whole(of) % 2 != 0;
  if (name == "divisibleby") {
    const int64_t by = whole(arguments.get(0, "num"));
    if (by == 0) throw Refused{"division by zero"};
    return by == -1 || whole(of) % by == 0;
  }
  if (name == "lower" || name == "upper") {
    const std::string text = to_text(of);
    const std::string same = with_case(text, name == "lower" ? Case::kLower : Case::kUpper);
    return text == same && with_case(text, Case::kLower) != with_case(text, Case::kUpper);
  }
  throw Refused{fmt::format("the test \"{}\" is not supported", name)};
}

}  // namespace ponder::jinja
