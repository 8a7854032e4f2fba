#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <unordered_map>

#include "jinja/builtins.h"
#include "jinja/python_text.h"

namespace ponder::jinja {
namespace {

using Type = Value::Type;
using Method = Value (*)(Budget& budget, const Value& of, const Arguments& arguments);
using Methods = std::unordered_map<std::string_view, Method>;

const std::string& text_argument(const Arguments& arguments, size_t index, const char* name) {
  if (index >= arguments.in_order.size() || !arguments.in_order[index].is_string())
    throw Refused{fmt::format("expected a text as the argument {}", name)};
  return arguments.in_order[index].text();
}

int64_t whole_argument(const Arguments& arguments, size_t index, std::string_view name,
                       int64_t otherwise) {
  const Value value = arguments.get(index, name);
  if (value.is_undefined() || value.is(Type::kNone)) return otherwise;
  if (!value.is_integral())
    throw Refused{fmt::format("expected a whole number as the argument {}", name)};
  return value.as_integer();
}

std::optional<std::string_view> characters_argument(const Arguments& arguments) {
  if (arguments.in_order.empty() || arguments.in_order[0].is(Type::kNone)) return std::nullopt;
  return text_argument(arguments, 0, "chars");
}

// startswith and endswith take one text or a tuple of them.
bool any_of_texts(const Arguments& arguments,
                  const std::function<bool(const std::string&)>& holds) {
  if (arguments.in_order.size() != 1) throw Refused{"expected one text or a tuple of texts"};
  if (!arguments.in_order[0].is(Type::kList)) return holds(text_argument(arguments, 0, "prefix"));
  const auto& texts = arguments.in_order[0].as_list().items;
  return std::any_of(texts.begin(), texts.end(), [&](const Value& text) {
    if (!text.is_string()) throw Refused{"expected one text or a tuple of texts"};
    return holds(text.text());
  });
}

// str.split and str.rsplit: at white space without a separator.
std::vector<std::string> pieces(std::string_view text, const Value& separator, int64_t most,
                                bool from_right) {
  std::vector<std::string> result;
  const auto room = [&] { return most < 0 || static_cast<int64_t>(result.size()) < most; };
  if (separator.is_undefined() || separator.is(Type::kNone)) {
    if (from_right && most >= 0) throw Refused{"rsplit at white space is not supported"};
    for (text = python_lstrip(text); !text.empty(); text = python_lstrip(text)) {
      if (!room()) {
        result.emplace_back(python_rstrip(text));
        return result;
      }
      size_t end = 0;
      while (end < text.size() && python_lstrip(text.substr(end)).size() == text.size() - end)
        ++end;
      result.emplace_back(text.substr(0, end));
      text.remove_prefix(end);
    }
    return result;
  }
  if (!separator.is_string()) throw Refused{"expected a text to split at"};
  const std::string& between = separator.text();
  if (between.empty()) throw Refused{"an empty text to split at"};
  while (room()) {
    const size_t at = from_right ? text.rfind(between) : text.find(between);
    if (at == text.npos) break;
    if (from_right) {
      result.emplace_back(text.substr(at + between.size()));
      text = text.substr(0, at);
    } else {
      result.emplace_back(text.substr(0, at));
      text.remove_prefix(at + between.size());
    }
  }
  result.emplace_back(text);
  if (from_right) std::reverse(result.begin(), result.end());
  return result;
}

Value texts(Budget& budget, std::vector<std::string> made) {
  std::vector<Value> values;
  for (std::string& text : made) values.push_back(budget.text(std::move(text)));
  return budget.list(std::move(values));
}

Value split(Budget& budget, const Value& of, const Arguments& arguments, bool from_right) {
  return texts(budget, pieces(of.text(), arguments.get(0, "sep"),
                              whole_argument(arguments, 1, "maxsplit", -1), from_right));
}

Value partition(Budget& budget, const Value& of, const Arguments& arguments, bool from_right) {
  const std::string& text = of.text();
  const std::string& between = text_argument(arguments, 0, "sep");
  if (between.empty()) throw Refused{"an empty text to split at"};
  const size_t at = from_right ? text.rfind(between) : text.find(between);
  if (at == text.npos) {
    return from_right ? budget.list({Value::string(""), Value::string(""), of}, true)
                      : budget.list({of, Value::string(""), Value::string("")}, true);
  }
  return budget.list({budget.text(text.substr(0, at)), budget.text(between),
                      budget.text(text.substr(at + between.size()))},
                     true);
}

// In code points; -1 where it is not found.
int64_t place(const Value& of, const Arguments& arguments, bool last) {
  if (arguments.in_order.size() != 1) throw Refused{"expected one text to look for"};
  const std::string& text = of.text();
  const std::string& wanted = text_argument(arguments, 0, "sub");
  const size_t at = last ? text.rfind(wanted) : text.find(wanted);
  return at == text.npos ? -1 : num_code_points(std::string_view(text).substr(0, at));
}

bool all_ascii(std::string_view text, bool (*belongs)(char)) {
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) >= 0x80; }))
    throw Refused{"kinds of characters beyond ASCII are not supported"};
  return !text.empty() && std::all_of(text.begin(), text.end(), belongs);
}

Methods text_methods() {
  Methods all;
  all["strip"] = [](Budget& budget, const Value& of, const Arguments& a) {
    return budget.text(std::string(python_strip(of.text(), characters_argument(a))));
  };
  all["lstrip"] = [](Budget& budget, const Value& of, const Arguments& a) {
    return budget.text(std::string(python_lstrip(of.text(), characters_argument(a))));
  };
  all["rstrip"] = [](Budget& budget, const Value& of, const Arguments& a) {
    return budget.text(std::string(python_rstrip(of.text(), characters_argument(a))));
  };
  all["split"] = [](Budget& budget, const Value& of, const Arguments& a) {
    return split(budget, of, a, false);
  };
  all["rsplit"] = [](Budget& budget, const Value& of, const Arguments& a) {
    return split(budget, of, a, true);
  };
  all["partition"] = [](Budget& budget, const Value& of, const Arguments& a) {
    return partition(budget, of, a, false);
  };
  all["rpartition"] = [](Budget& budget, const Value& of, const Arguments& a) {
    return partition(budget, of, a, true);
  };
  all["splitlines"] = [](Budget& budget, const Value& of, const Arguments& a) {
    if (!a.in_order.empty() || !a.named.empty())
      throw Refused{"splitlines with an argument is not supported"};
    return texts(budget, split_lines(of.text()));
  };
  all["startswith"] = [](Budget&, const Value& of, const Arguments& a) {
    return Value::boolean(
        any_of_texts(a, [&](const std::string& text) { return of.text().starts_with(text); }));
  };
  all["endswith"] = [](Budget&, const Value& of, const Arguments& a) {
    return Value::boolean(
        any_of_texts(a, [&](const std::string& text) { return of.text().ends_with(text); }));
  };
  all["upper"] = [](Budget& budget, const Value& of, const Arguments&) {
    return budget.text(with_case(of.text(), Case::kUpper));
  };
  all["lower"] = [](Budget& budget, const Value& of, const Arguments&) {
    return budget.text(with_case(of.text(), Case::kLower));
  };
  all["title"] = [](Budget& budget, const Value& of, const Arguments&) {
    return budget.text(with_case(of.text(), Case::kTitle));
  };
  all["capitalize"] = [](Budget& budget, const Value& of, const Arguments&) {
    return budget.text(with_case(of.text(), Case::kCapital));
  };
  all["replace"] = [](Budget& budget, const Value& of, const Arguments& a) {
    const std::string &from = text_argument(a, 0, "old"), &to = text_argument(a, 1, "new");
    budget.will_make(static_cast<int64_t>(
        (of.text().size() / std::max<size_t>(from.size(), 1) + 1) * to.size()));
    return budget.text(replaced(of.text(), from, to, whole_argument(a, 2, "count", -1)));
  };
  all["removeprefix"] = [](Budget& budget, const Value& of, const Arguments& a) {
    const std::string& prefix = text_argument(a, 0, "prefix");
    return of.text().starts_with(prefix) ? budget.text(of.text().substr(prefix.size())) : of;
  };
  all["removesuffix"] = [](Budget& budget, const Value& of, const Arguments& a) {
    const std::string& suffix = text_argument(a, 0, "suffix");
    return of.text().ends_with(suffix)
               ? budget.text(of.text().substr(0, of.text().size() - suffix.size()))
               : of;
  };
  all["join"] = [](Budget& budget, const Value& of, const Arguments& a) {
    if (a.in_order.size() != 1) throw Refused{"join takes one list"};
    for (const Value& item : elements(a.in_order[0])) {
      if (!item.is_string()) throw Refused{fmt::format("join of {}", item.type_name())};
    }
    return apply_filter(budget, "join", a.in_order[0], {{of}, {}});
  };
  all["find"] = [](Budget&, const Value& of, const Arguments& a) {
    return Value::integer(place(of, a, false));
  };
  all["rfind"] = [](Budget&, const Value& of, const Arguments& a) {
    return Value::integer(place(of, a, true));
  };
  all["index"] = [](Budget&, const Value& of, const Arguments& a) {
    const int64_t at = place(of, a, false);
    if (at < 0) throw Refused{"index: the text is not there"};
    return Value::integer(at);
  };
  all["count"] = [](Budget&, const Value& of, const Arguments& a) {
    const std::string& wanted = text_argument(a, 0, "sub");
    if (wanted.empty()) return Value::integer(num_code_points(of.text()) + 1);
    int64_t count = 0;
    for (size_t at = of.text().find(wanted); at != std::string::npos;
         at = of.text().find(wanted, at + wanted.size()))
      ++count;
    return Value::integer(count);
  };
  all["isdigit"] = all["isnumeric"] =
      all["isdecimal"] = [](Budget&, const Value& of, const Arguments&) {
        return Value::boolean(all_ascii(of.text(), [](char c) { return c >= '0' && c <= '9'; }));
      };
  all["isalpha"] = [](Budget&, const Value& of, const Arguments&) {
    return Value::boolean(all_ascii(
        of.text(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }));
  };
  all["isspace"] = [](Budget&, const Value& of, const Arguments&) {
    return Value::boolean(!of.text().empty() && python_strip(of.text()).empty());
  };
  return all;
}

Methods dict_methods() {
  Methods all;
  all["get"] = [](Budget& budget, const Value& of, const Arguments& a) {
    const Value key = a.get(0, "key");
    budget.step(static_cast<int64_t>(of.as_dict().items.size() / 16));
    const Value* found = key.is_string() ? of.as_dict().find(key.text()) : nullptr;
    if (found) return *found;
    return a.has(1, "default") ? a.get(1, "default") : Value::none();
  };
  all["items"] = [](Budget& budget, const Value& of, const Arguments&) {
    return apply_filter(budget, "items", of, {});
  };
  all["keys"] = [](Budget& budget, const Value& of, const Arguments&) {
    return budget.list(elements(of));
  };
  all["values"] = [](Budget& budget, const Value& of, const Arguments&) {
    std::vector<Value> values;
    for (const auto& [key, value] : of.as_dict().items) values.push_back(value);
    return budget.list(std::move(values));
  };
  return all;
}

Methods list_methods() {
  Methods all;
  all["index"] = [](Budget&, const Value& of, const Arguments& a) {
    const auto& items = of.as_list().items;
    const Value wanted = a.get(0, "value");
    const auto found = std::find_if(items.begin(), items.end(),
                                    [&](const Value& item) { return equal(item, wanted); });
    if (found == items.end()) throw Refused{"index: the value is not in the list"};
    return Value::integer(found - items.begin());
  };
  all["count"] = [](Budget&, const Value& of, const Arguments& a) {
    const auto& items = of.as_list().items;
    const Value wanted = a.get(0, "value");
    return Value::integer(std::count_if(items.begin(), items.end(),
                                        [&](const Value& item) { return equal(item, wanted); }));
  };
  // What changes a value is refused by transformers' sandbox too.
  for (const char* name :
       {"append", "extend", "insert", "pop", "remove", "clear", "reverse", "sort"}) {
    all[name] = [](Budget&, const Value&, const Arguments&) -> Value {
      throw Refused{"a template may not change a list (transformers refuses it too)"};
    };
  }
  return all;
}

Value loop_method(const Loop& loop, std::string_view name, const Arguments& a) {
  if (name == "cycle") {
    if (a.in_order.empty()) throw Refused{"cycle lacks values"};
    return a.in_order[loop.index0 % a.in_order.size()];
  }
  for (const Value& value : a.in_order) {
    if (!value.is_data()) throw Refused{"changed compares data alone"};
  }
  std::vector<Value>& seen = *loop.last_seen;
  const bool same = loop.index0 > 0 && seen.size() == a.in_order.size() &&
                    std::equal(seen.begin(), seen.end(), a.in_order.begin(), equal);
  seen = a.in_order;
  return Value::boolean(!same);
}

const Method* method_of(const Value& object, std::string_view name) {
  static const Methods kText = text_methods(), kDict = dict_methods(), kList = list_methods();
  const Methods* methods = object.is_string()       ? &kText
                           : object.is(Type::kDict) ? &kDict
                           : object.is(Type::kList) ? &kList
                                                    : nullptr;
  if (!methods) return nullptr;
  const auto found = methods->find(name);
  return found == methods->end() ? nullptr : &found->second;
}

// Every rendering is of this day, whatever the day: a rollout must not depend on it.
std::string fixed_date(const std::string& format) {
  std::tm day{};
  day.tm_year = 2024 - 1900;
  day.tm_mon = 6;
  day.tm_mday = 26;
  day.tm_wday = 5;
  day.tm_yday = 207;
  char text[256];
  if (format.size() > 100) throw Refused{"strftime_now: the format is too long"};
  return std::string(text, std::strftime(text, sizeof text, format.c_str(), &day));
}

Value range(Budget& budget, const Arguments& a) {
  const size_t count = a.in_order.size();
  if (count == 0 || count > 3) throw Refused{"range takes one to three numbers"};
  const int64_t begin = count > 1 ? whole_argument(a, 0, "start", 0) : 0;
  const int64_t end = whole_argument(a, count > 1 ? 1 : 0, "stop", 0);
  const int64_t step = whole_argument(a, 2, "step", 1);
  constexpr int64_t kMost = 100000;  // as Jinja's sandbox
  if (step == 0) throw Refused{"range cannot have the step 0"};
  std::vector<Value> values;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (static_cast<int64_t>(values.size()) == kMost)
      throw Refused{"range of more than 100,000 numbers"};
    values.push_back(Value::integer(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return budget.list(std::move(values));
}

}  // namespace

bool has_method(const Value& object, std::string_view name) {
  if (object.is(Type::kLoop)) return name == "cycle" || name == "changed";
  return method_of(object, name) != nullptr;
}

Value call_method(Budget& budget, const Value& object, std::string_view name,
                  const Arguments& arguments) {
  budget.step(1 + (object.is_string() ? static_cast<int64_t>(object.text().size() / 64) : 0));
  if (object.is(Type::kLoop)) return loop_method(object.as_loop(), name, arguments);
  return (*method_of(object, name))(budget, object, arguments);
}

Value global_function(Budget& budget, std::string_view name) {
  if (name == "range") {
    return Value::callable("range", [&budget](const Arguments& a) { return range(budget, a); });
  }
  if (name == "namespace" || name == "dict") {
    const bool is_namespace = name == "namespace";
    return Value::callable(std::string(name), [is_namespace](const Arguments& a) {
      Dict dict;
      for (const Value& value : a.in_order) {
        if (!value.is(Type::kDict)) throw Refused{"expected a mapping or named values"};
        for (const auto& [key, item] : value.as_dict().items) dict.set(key, item);
      }
      for (const auto& [key, value] : a.named) dict.set(key, value);
      const Value made = Value::dict(std::move(dict));
      if (!is_namespace) return made;
      Namespace fields;
      for (const auto& [key, value] : made.as_dict().items) fields.items[key] = value;
      return Value::name_space(std::move(fields));
    });
  }
  if (name == "raise_exception") {
    return Value::callable("raise_exception", [](const Arguments& a) -> Value {
      throw Refused{
          fmt::format("the template refuses the conversation: {}", to_text(a.get(0, "message")))};
    });
  }
  if (name == "strftime_now") {
    return Value::callable("strftime_now", [&budget](const Arguments& a) {
      return budget.text(fixed_date(text_argument(a, 0, "format")));
    });
  }
  return Value::undefined(std::string(name));
}

}  // namespace ponder::jinja
