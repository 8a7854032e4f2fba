// A value of a template: what Python has, as far as published templates use it. Values are immutable
// and cheap to copy; only a namespace() changes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"

namespace ponder::jinja {

class Value;

// What cannot be done with the values at hand. The interpreter adds the line and makes an Error of it.
struct Refused {
  std::string problem;
};

struct Arguments {
  std::vector<Value> in_order;
  std::vector<std::pair<std::string, Value>> named;

  // The argument at `index`, or of that name; Undefined where there is none.
  Value get(size_t index, std::string_view name) const;
  bool has(size_t index, std::string_view name) const;
};

struct List {
  std::vector<Value> items;
  bool is_tuple = false;
  int depth = 1;  // of containers within containers
};
struct Dict {
  std::vector<std::pair<std::string, Value>> items;
  int depth = 1;
  const Value* find(std::string_view key) const;
  void set(const std::string& key, Value value);
};
struct Namespace {
  std::map<std::string, Value, std::less<>> items;
};
struct Callable {
  std::string name;
  std::function<Value(const Arguments&)> call;
};
// The `loop` of a for: shared by its iterations.
struct Loop {
  std::shared_ptr<const List> items;
  size_t index0 = 0, depth0 = 0;
  std::shared_ptr<Callable> again;                // of a recursive loop
  std::shared_ptr<std::vector<Value>> last_seen;  // of changed()
};

class Value {
 public:
  enum class Type {
    kUndefined,
    kNone,
    kBool,
    kInteger,
    kFloat,
    kString,
    kList,
    kDict,
    kNamespace,
    kCallable,
    kLoop
  };

  Value() = default;  // undefined
  static Value undefined(std::string name);
  static Value none();
  static Value boolean(bool value);
  static Value integer(int64_t value);
  static Value number(double value);
  static Value string(std::string value);
  // Throw Refused for more than 100 containers within each other, and for anything but data in one.
  static Value list(std::vector<Value> items, bool is_tuple = false);
  static Value dict(Dict dict);
  static Value name_space(Namespace fields);
  static Value callable(std::string name, std::function<Value(const Arguments&)> call);
  static Value loop(std::shared_ptr<const Loop> loop);
  static Value from_json(const Json& json);

  Type type() const { return static_cast<Type>(data_.index()); }
  bool is(Type type) const { return this->type() == type; }
  bool is_undefined() const { return is(Type::kUndefined); }
  bool is_string() const { return is(Type::kString); }
  bool is_integral() const { return is(Type::kInteger) || is(Type::kBool); }
  bool is_data() const { return type() < Type::kNamespace; }
  bool is_number() const { return is_integral() || is(Type::kFloat); }

  // Only of a value of that type.
  const std::string& text() const { return *std::get<5>(data_); }
  const List& as_list() const { return *std::get<6>(data_); }
  const std::shared_ptr<const List>& list_pointer() const { return std::get<6>(data_); }
  const Dict& as_dict() const { return *std::get<7>(data_); }
  Namespace& as_namespace() const { return *std::get<8>(data_); }
  const Callable& as_callable() const { return *std::get<9>(data_); }
  const Loop& as_loop() const { return *std::get<10>(data_); }
  int64_t as_integer() const;  // of a bool too
  double as_double() const;    // of any number
  const std::string& undefined_name() const;

  bool truth() const;
  // "str", "list", "NoneType", … as Python names it in messages.
  std::string_view type_name() const;

 private:
  struct Undefined {
    std::shared_ptr<const std::string> name;
  };
  std::variant<Undefined, std::monostate, bool, int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const List>, std::shared_ptr<const Dict>, std::shared_ptr<Namespace>,
               std::shared_ptr<const Callable>, std::shared_ptr<const Loop>>
      data_;
};

bool equal(const Value& a, const Value& b);
// Negative, zero, positive. Throws Refused for values that have no order.
int compare(const Value& a, const Value& b);
bool contains(const Value& container, const Value& item);  // Throws Refused
// What a for loop goes over: elements, keys, code points; nothing of an undefined value. Throws Refused.
std::vector<Value> elements(const Value& value);
// len(). Throws Refused.
int64_t length(const Value& value);
std::string to_text(const Value& value);  // as {{ value }} shows it
std::string repr(const Value& value);
Json to_json(const Value& value);  // Throws Refused for what JSON has not

}  // namespace ponder::jinja
