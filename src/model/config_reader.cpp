#include "model/config_reader.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ponder {

ConfigReader::ConfigReader(const Json& json, std::string where)
    : json_(json), where_(std::move(where)) {
  if (!json.is_object()) {
    throw Error(where_, fmt::format("expected an object, found {}", show(json)),
                "is this a config.json?");
  }
}

void ConfigReader::fail(std::string_view key, const std::string& problem,
                        std::string_view advice) const {
  throw Error(fmt::format("{}, key \"{}\"", where_, key), problem, std::string(advice));
}

const Json* ConfigReader::find(std::string_view key) const {
  const auto it = json_.find(key);
  return it == json_.end() || it->is_null() ? nullptr : &*it;
}

const Json& ConfigReader::require(std::string_view key) const {
  const Json* value = find(key);
  if (!value) fail(key, "is missing", "take the config.json that came with the model");
  return *value;
}

int64_t ConfigReader::integer(std::string_view key, int64_t low, int64_t high) const {
  return checked_integer(key, require(key), low, high);
}

int64_t ConfigReader::integer_or(std::string_view key, int64_t fallback, int64_t low,
                                 int64_t high) const {
  const Json* value = find(key);
  return value ? checked_integer(key, *value, low, high) : fallback;
}

int64_t ConfigReader::checked_integer(std::string_view key, const Json& value, int64_t low,
                                      int64_t high) const {
  // An unsigned number is one beyond int64, or the same number: compare before converting.
  const bool fits =
      value.is_number_integer() &&
      (!value.is_number_unsigned() || value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)) &&
      value.get<int64_t>() >= low && value.get<int64_t>() <= high;
  if (!fits)
    fail(key, fmt::format("expected an integer from {} to {}, found {}", low, high, show(value)));
  return value.get<int64_t>();
}

double ConfigReader::number(std::string_view key, double low, double high) const {
  require(key);
  return number_or(key, 0.0, low, high);
}

double ConfigReader::number_or(std::string_view key, double fallback, double low,
                               double high) const {
  const Json* value = find(key);
  if (!value) return fallback;
  if (!value->is_number() || !(value->get<double>() >= low && value->get<double>() <= high)) {
    fail(key, fmt::format("expected a number from {} to {}, found {}", low, high, show(*value)));
  }
  return value->get<double>();
}

bool ConfigReader::boolean_or(std::string_view key, bool fallback) const {
  const Json* value = find(key);
  if (!value) return fallback;
  if (!value->is_boolean())
    fail(key, fmt::format("expected true or false, found {}", show(*value)));
  return value->get<bool>();
}

std::string ConfigReader::string_or(std::string_view key, std::string fallback) const {
  const Json* value = find(key);
  if (!value) return fallback;
  if (!value->is_string()) fail(key, fmt::format("expected a string, found {}", show(*value)));
  return value->get<std::string>();
}

void ConfigReader::refuse_if_true(std::string_view key, std::string_view advice) const {
  if (!boolean_or(key, false)) return;
  fail(key,
       fmt::format("true is not supported for model_type {}", string_or("model_type", "(none)")),
       advice);
}

ConfigReader ConfigReader::object(std::string_view key) const {
  const Json& value = require(key);
  if (!value.is_object()) fail(key, fmt::format("expected an object, found {}", show(value)));
  return ConfigReader(value, fmt::format("{}, key \"{}\"", where_, key));
}

std::string ConfigReader::show(const Json& value) { return excerpt(dump_json(value)); }

}  // namespace ponder
