// Why something was left out, and the result of making something that may be: the one shape of
// both in the program.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace ponder::data {

struct Rejection {
  std::string reason;  // a short stable word: "too_long", "bad_field", … (docs/formats.md)
  std::string detail;  // what was expected and found
};

// A T, or the Rejection that says why there is none.
template <class T>
class Accepted {
 public:
  Accepted(T value) : value_(std::move(value)) {}
  Accepted(Rejection why) : value_(std::move(why)) {}

  explicit operator bool() const { return std::holds_alternative<T>(value_); }
  T& operator*() { return std::get<T>(value_); }
  const T& operator*() const { return std::get<T>(value_); }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }
  // Only of what was left out.
  const Rejection& why() const { return std::get<Rejection>(value_); }

 private:
  std::variant<T, Rejection> value_;
};

}  // namespace ponder::data
