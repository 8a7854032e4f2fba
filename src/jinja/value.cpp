#include "jinja/value.h"

#include <fmt/format.h>

#include <algorithm>

#include "jinja/python_text.h"

namespace ponder::jinja {
namespace {

const std::string kNoName;

// How a container within a container is shown; cycles cannot be, as values are immutable but for
// namespaces, which are never shown.
void append_repr(const Value& value, std::string& out);

void append_items(const std::vector<Value>& items, std::string& out) {
  const char* separator = "";
  for (const Value& item : items) {
    out += separator;
    append_repr(item, out);
    separator = ", ";
  }
}

void append_repr(const Value& value, std::string& out) {
  switch (value.type()) {
    case Value::Type::kString:
      out += python_repr(value.text());
      break;
    case Value::Type::kList: {
      const List& list = value.as_list();
      out += list.is_tuple ? '(' : '[';
      append_items(list.items, out);
      if (list.is_tuple && list.items.size() == 1) out += ',';
      out += list.is_tuple ? ')' : ']';
      break;
    }
    case Value::Type::kDict: {
      const char* separator = "{";
      for (const auto& [key, item] : value.as_dict().items) {
        out.append(separator).append(python_repr(key)).append(": ");
        append_repr(item, out);
        separator = ", ";
      }
      out += value.as_dict().items.empty() ? "{}" : "}";
      break;
    }
    case Value::Type::kUndefined:
      out += "Undefined";
      break;
    default:
      out += to_text(value);
  }
}

// One more than the deepest of the elements; they hold data alone, so that values die one after the
// other and never keep each other alive.
void deepen(int& depth, const Value& element) {
  constexpr int kMaxDepth = 100;
  if (!element.is_data())
    throw Refused{fmt::format("a list or a mapping cannot hold {}", element.type_name())};
  const int below = element.is(Value::Type::kList)   ? element.as_list().depth
                    : element.is(Value::Type::kDict) ? element.as_dict().depth
                                                     : 0;
  depth = std::max(depth, below + 1);
  if (depth > kMaxDepth) throw Refused{"lists within lists, more than 100 of them"};
}

std::string no_order(const Value& a, const Value& b) {
  return fmt::format("cannot order {} and {}", a.type_name(), b.type_name());
}

}  // namespace

Value Arguments::get(size_t index, std::string_view name) const {
  if (index < in_order.size()) return in_order[index];
  for (const auto& [key, value] : named) {
    if (key == name) return value;
  }
  return Value();
}

bool Arguments::has(size_t index, std::string_view name) const {
  return index < in_order.size() ||
         std::any_of(named.begin(), named.end(), [&](const auto& n) { return n.first == name; });
}

const Value* Dict::find(std::string_view key) const {
  for (const auto& [name, value] : items) {
    if (name == key) return &value;
  }
  return nullptr;
}

void Dict::set(const std::string& key, Value value) {
  for (auto& [name, old] : items) {
    if (name != key) continue;
    old = std::move(value);
    return;
  }
  items.emplace_back(key, std::move(value));
}

Value Value::undefined(std::string name) {
  Value value;
  value.data_ = Undefined{std::make_shared<const std::string>(std::move(name))};
  return value;
}

Value Value::none() {
  Value value;
  value.data_ = std::monostate();
  return value;
}

Value Value::boolean(bool of) {
  Value value;
  value.data_ = of;
  return value;
}

Value Value::integer(int64_t of) {
  Value value;
  value.data_ = of;
  return value;
}

Value Value::number(double of) {
  Value value;
  value.data_ = of;
  return value;
}

Value Value::string(std::string of) {
  Value value;
  value.data_ = std::make_shared<const std::string>(std::move(of));
  return value;
}

Value Value::list(std::vector<Value> items, bool is_tuple) {
  List list{std::move(items), is_tuple};
  for (const Value& item : list.items) deepen(list.depth, item);
  Value value;
  value.data_ = std::make_shared<const List>(std::move(list));
  return value;
}

Value Value::dict(Dict of) {
  for (const auto& [key, item] : of.items) deepen(of.depth, item);
  Value value;
  value.data_ = std::make_shared<const Dict>(std::move(of));
  return value;
}

Value Value::name_space(Namespace fields) {
  Value value;
  value.data_ = std::make_shared<Namespace>(std::move(fields));
  return value;
}

Value Value::callable(std::string name, std::function<Value(const Arguments&)> call) {
  Value value;
  value.data_ = std::make_shared<const Callable>(Callable{std::move(name), std::move(call)});
  return value;
}

Value Value::loop(std::shared_ptr<const Loop> of) {
  Value value;
  value.data_ = std::move(of);
  return value;
}

Value Value::from_json(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean:
      return boolean(json.get<bool>());
    case Json::value_t::number_integer:
      return integer(json.get<int64_t>());
    case Json::value_t::number_unsigned: {
      const auto of = json.get<uint64_t>();
      return of > static_cast<uint64_t>(INT64_MAX) ? number(static_cast<double>(of))
                                                   : integer(static_cast<int64_t>(of));
    }
    case Json::value_t::number_float:
      return number(json.get<double>());
    case Json::value_t::string:
      return string(json.get<std::string>());
    case Json::value_t::array: {
      std::vector<Value> items;
      for (const Json& item : json) items.push_back(from_json(item));
      return list(std::move(items));
    }
    case Json::value_t::object: {
      Dict items;
      for (const auto& [key, item] : json.items()) items.items.emplace_back(key, from_json(item));
      return dict(std::move(items));
    }
    default:
      return none();
  }
}

int64_t Value::as_integer() const {
  return is(Type::kBool) ? int64_t{std::get<bool>(data_)} : std::get<int64_t>(data_);
}

double Value::as_double() const {
  return is(Type::kFloat) ? std::get<double>(data_) : static_cast<double>(as_integer());
}

const std::string& Value::undefined_name() const {
  const auto& name = std::get<Undefined>(data_).name;
  return name ? *name : kNoName;
}

bool Value::truth() const {
  switch (type()) {
    case Type::kUndefined:
    case Type::kNone:
      return false;
    case Type::kBool:
    case Type::kInteger:
      return as_integer() != 0;
    case Type::kFloat:
      return as_double() != 0;
    case Type::kString:
      return !text().empty();
    case Type::kList:
      return !as_list().items.empty();
    case Type::kDict:
      return !as_dict().items.empty();
    default:
      return true;
  }
}

std::string_view Value::type_name() const {
  constexpr std::string_view kNames[] = {"undefined", "NoneType", "bool", "int",
                                         "float",     "str",      "list", "dict",
                                         "namespace", "function", "loop"};
  if (is(Type::kList) && as_list().is_tuple) return "tuple";
  return kNames[static_cast<size_t>(type())];
}

bool equal(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return a.as_integer() == b.as_integer();
  if (a.is_number() && b.is_number()) return a.as_double() == b.as_double();
  if (a.type() != b.type()) return false;
  switch (a.type()) {
    case Value::Type::kUndefined:
    case Value::Type::kNone:
      return true;
    case Value::Type::kString:
      return a.text() == b.text();
    case Value::Type::kList:
      return a.as_list().is_tuple == b.as_list().is_tuple &&
             std::equal(a.as_list().items.begin(), a.as_list().items.end(),
                        b.as_list().items.begin(), b.as_list().items.end(), equal);
    case Value::Type::kDict: {
      const Dict &left = a.as_dict(), &right = b.as_dict();
      return left.items.size() == right.items.size() &&
             std::all_of(left.items.begin(), left.items.end(), [&](const auto& item) {
               const Value* other = right.find(item.first);
               return other && equal(item.second, *other);
             });
    }
    case Value::Type::kNamespace:
      return &a.as_namespace() == &b.as_namespace();
    default:
      return false;
  }
}

int compare(const Value& a, const Value& b) {
  const auto sign = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  if (a.is_integral() && b.is_integral()) return sign(a.as_integer(), b.as_integer());
  if (a.is_number() && b.is_number()) return sign(a.as_double(), b.as_double());
  if (a.is_string() && b.is_string()) return a.text().compare(b.text());
  if (a.is(Value::Type::kList) && b.is(Value::Type::kList)) {
    const auto &x = a.as_list().items, &y = b.as_list().items;
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (!equal(x[i], y[i])) return compare(x[i], y[i]);
    }
    return sign(x.size(), y.size());
  }
  throw Refused{no_order(a, b)};
}

bool contains(const Value& container, const Value& item) {
  switch (container.type()) {
    case Value::Type::kUndefined:
      return false;
    case Value::Type::kString:
      if (!item.is_string()) break;
      return container.text().find(item.text()) != std::string::npos;
    case Value::Type::kList: {
      const auto& items = container.as_list().items;
      return std::any_of(items.begin(), items.end(),
                         [&](const Value& each) { return equal(each, item); });
    }
    case Value::Type::kDict:
      return item.is_string() && container.as_dict().find(item.text()) != nullptr;
    default:
      break;
  }
  throw Refused{fmt::format("cannot look for {} in {}", item.type_name(), container.type_name())};
}

std::vector<Value> elements(const Value& value) {
  std::vector<Value> result;
  switch (value.type()) {
    case Value::Type::kUndefined:
      return result;
    case Value::Type::kList:
      return value.as_list().items;
    case Value::Type::kDict:
      for (const auto& [key, item] : value.as_dict().items) result.push_back(Value::string(key));
      return result;
    case Value::Type::kString:
      for (const std::string_view character : code_points(value.text()))
        result.push_back(Value::string(std::string(character)));
      return result;
    default:
      throw Refused{fmt::format("cannot go over {}", value.type_name())};
  }
}

int64_t length(const Value& value) {
  switch (value.type()) {
    case Value::Type::kUndefined:
      return 0;
    case Value::Type::kString:
      return num_code_points(value.text());
    case Value::Type::kList:
      return static_cast<int64_t>(value.as_list().items.size());
    case Value::Type::kDict:
      return static_cast<int64_t>(value.as_dict().items.size());
    default:
      throw Refused{fmt::format("{} has no length", value.type_name())};
  }
}

std::string to_text(const Value& value) {
  switch (value.type()) {
    case Value::Type::kUndefined:
      return "";
    case Value::Type::kNone:
      return "None";
    case Value::Type::kBool:
      return value.truth() ? "True" : "False";
    case Value::Type::kInteger:
      return fmt::format("{}", value.as_integer());
    case Value::Type::kFloat:
      return python_float(value.as_double());
    case Value::Type::kString:
      return value.text();
    case Value::Type::kList:
    case Value::Type::kDict:
      return repr(value);
    default:
      throw Refused{fmt::format("cannot show {}", value.type_name())};
  }
}

Json to_json(const Value& value) {
  switch (value.type()) {
    case Value::Type::kNone:
      return nullptr;
    case Value::Type::kBool:
      return value.truth();
    case Value::Type::kInteger:
      return value.as_integer();
    case Value::Type::kFloat:
      return value.as_double();
    case Value::Type::kString:
      return value.text();
    case Value::Type::kList: {
      Json array = Json::array();
      for (const Value& item : value.as_list().items) array.push_back(to_json(item));
      return array;
    }
    case Value::Type::kDict: {
      Json object = Json::object();
      for (const auto& [key, item] : value.as_dict().items) object[key] = to_json(item);
      return object;
    }
    default:
      throw Refused{fmt::format("{} cannot be written as JSON", value.type_name())};
  }
}

std::string repr(const Value& value) {
  std::string out;
  append_repr(value, out);
  return out;
}

}  // namespace ponder::jinja
