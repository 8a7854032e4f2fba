// Filters, tests, methods and global functions: what Jinja and Python give to a template, as far as
// published templates use it. Their meaning is Jinja 3.1's; anything else is refused by name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/value.h"

namespace ponder::jinja {

// What a rendering may still use. Each text and list made is paid for by its size, each step by one.
class Budget {
 public:
  Budget(int64_t steps, int64_t bytes) : steps_(steps), bytes_(bytes) {}

  void step(int64_t count = 1);  // Throws Refused where none are left; so do the others
  Value text(std::string made);
  Value list(std::vector<Value> made, bool is_tuple = false);
  void will_make(int64_t bytes);

 private:
  int64_t steps_, bytes_;
};

// All throw Refused for names that they do not know, and for values and arguments that do not fit.
Value apply_filter(Budget& budget, std::string_view name, const Value& of,
                   const Arguments& arguments);
bool apply_test(std::string_view name, const Value& of, const Arguments& arguments);
bool has_method(const Value& object, std::string_view name);
Value call_method(Budget& budget, const Value& object, std::string_view name,
                  const Arguments& arguments);
// object.name and object[key], methods aside; undefined where there is none.
Value attribute_of(const Value& object, std::string_view name);
Value item_of(Budget& budget, const Value& object, const Value& key);
Value slice_of(Budget& budget, const Value& object, const Value& begin, const Value& end,
               const Value& step);
Value binary(Budget& budget, std::string_view op, const Value& a, const Value& b);
// range, namespace, dict, raise_exception, strftime_now; undefined for other names.
Value global_function(Budget& budget, std::string_view name);

// Parts that several of them need.
Value percent_format(Budget& budget, const std::string& format, const Value& values);
std::vector<std::string> split_lines(std::string_view text);  // str.splitlines()
// kTitle is str.title(), kWords the filter title: they differ in what begins a word.
enum class Case { kUpper, kLower, kTitle, kWords, kCapital };
// Throws Refused for letters beyond ASCII, whose case Python knows by tables.
std::string with_case(std::string_view text, Case to);
std::string replaced(std::string_view text, std::string_view from, std::string_view to,
                     int64_t count = -1);

}  // namespace ponder::jinja
