// The keys of one config.json; every complaint names file and key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"

namespace ponder {

// Borrows the JSON. Throws Error for a value that is not of the type asked for, or out of range.
class ConfigReader {
 public:
  ConfigReader(const Json& json, std::string where);

  [[noreturn]] void fail(std::string_view key, const std::string& problem,
                         std::string_view advice = "") const;

  // nullptr when the key is absent or null: transformers treats both alike, nearly everywhere.
  const Json* find(std::string_view key) const;
  bool has(std::string_view key) const { return json_.contains(key); }  // null too
  int64_t integer(std::string_view key, int64_t low, int64_t high) const;
  int64_t integer_or(std::string_view key, int64_t fallback, int64_t low, int64_t high) const;
  int64_t checked_integer(std::string_view key, const Json& value, int64_t low, int64_t high) const;
  double number(std::string_view key, double low, double high) const;
  double number_or(std::string_view key, double fallback, double low, double high) const;
  bool boolean_or(std::string_view key, bool fallback) const;
  std::string string_or(std::string_view key, std::string fallback) const;
  void refuse_if_true(std::string_view key, std::string_view advice) const;
  // The object under a key that is there.
  ConfigReader object(std::string_view key) const;

  const Json& json() const { return json_; }
  static std::string show(const Json& value);

 private:
  const Json& require(std::string_view key) const;

  const Json& json_;
  const std::string where_;
};

}  // namespace ponder
