#include "base/json_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ponder {

JsonFields::JsonFields(const Json& json, std::string where, std::string path, std::string advice)
    : json_(&json), where_(std::move(where)), path_(std::move(path)), advice_(std::move(advice)) {
  if (!json.is_object()) {
    throw Error(where_,
                fmt::format("{}expected an object, found {}", path_.empty() ? "" : path_ + ": ",
                            show(json)),
                advice_);
  }
}

const Json* JsonFields::find(std::string_view key) const {
  const auto found = json_->find(key);
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

const Json& JsonFields::require(std::string_view key) const {
  const Json* value = find(key);
  if (!value) refuse(key, "is missing");
  return *value;
}

const Json& JsonFields::typed(std::string_view key, bool (Json::*is_type)() const noexcept,
                              std::string_view type_name) const {
  const Json& value = require(key);
  if (!(value.*is_type)())
    refuse(key, fmt::format("expected {}, found {}", type_name, show(value)));
  return value;
}

const Json& JsonFields::array(std::string_view key) const {
  return typed(key, &Json::is_array, "an array");
}
const Json& JsonFields::object(std::string_view key) const {
  return typed(key, &Json::is_object, "an object");
}
JsonFields JsonFields::fields(std::string_view key) const {
  return JsonFields(object(key), where_, path_of(key), advice_);
}
JsonFields JsonFields::element(std::string_view key, size_t i) const {
  return JsonFields(array(key).at(i), where_, fmt::format("{}[{}]", path_of(key), i), advice_);
}
std::string JsonFields::text(std::string_view key) const {
  return typed(key, &Json::is_string, "a string").get<std::string>();
}
bool JsonFields::boolean(std::string_view key) const {
  return typed(key, &Json::is_boolean, "true or false").get<bool>();
}
int64_t JsonFields::integer(std::string_view key, int64_t low, int64_t high) const {
  return checked_integer(key, require(key), low, high);
}

double JsonFields::number(std::string_view key, double low, double high) const {
  const Json& value = require(key);
  if (!value.is_number() || !(value.get<double>() >= low && value.get<double>() <= high)) {
    refuse(key, fmt::format("expected a number from {} to {}, found {}", low, high, show(value)));
  }
  return value.get<double>();
}

std::vector<int32_t> JsonFields::token_ids(std::string_view key) const {
  std::vector<int32_t> ids;
  const Json& list = array(key);
  ids.reserve(list.size());
  for (const Json& id : list) {
    ids.push_back(static_cast<int32_t>(checked_integer(key, id, 0, INT32_MAX)));
  }
  return ids;
}

std::string JsonFields::text_or(std::string_view key, std::string_view otherwise) const {
  return has(key) ? text(key) : std::string(otherwise);
}
bool JsonFields::boolean_or(std::string_view key, bool otherwise) const {
  return has(key) ? boolean(key) : otherwise;
}
int64_t JsonFields::integer_or(std::string_view key, int64_t otherwise, int64_t low,
                               int64_t high) const {
  return has(key) ? integer(key, low, high) : otherwise;
}
double JsonFields::number_or(std::string_view key, double otherwise, double low,
                             double high) const {
  return has(key) ? number(key, low, high) : otherwise;
}

int64_t JsonFields::checked_integer(std::string_view key, const Json& value, int64_t low,
                                    int64_t high) const {
  constexpr int64_t kLowest = std::numeric_limits<int64_t>::min(),
                    kHighest = std::numeric_limits<int64_t>::max();
  // An unsigned number is one beyond int64, or the same number: compare before converting.
  const bool whole =
      value.is_number_integer() &&
      (!value.is_number_unsigned() || value.get<uint64_t>() <= static_cast<uint64_t>(kHighest));
  if (!whole || value.get<int64_t>() < low || value.get<int64_t>() > high) {
    const std::string range =
        low == kLowest && high == kHighest ? "" : fmt::format(" from {} to {}", low, high);
    refuse(key, fmt::format("expected an integer{}, found {}", range, show(value)));
  }
  return value.get<int64_t>();
}

void JsonFields::allow_only(std::initializer_list<std::string_view> keys) const {
  for (const auto& [key, value] : json_->get_ref<const Json::object_t&>()) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      refuse(excerpt(key), "a key that ponder does not know");
    }
  }
}

void JsonFields::fail(std::string_view key, const std::string& problem,
                      std::string_view advice) const {
  throw Error(where_.empty() ? path_of(key) : fmt::format("{}: {}", where_, path_of(key)), problem,
              std::string(advice));
}

void JsonFields::refuse(std::string_view key, const std::string& problem) const {
  fail(key, problem, advice_);
}

std::string JsonFields::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

std::string JsonFields::show(const Json& value) {
  constexpr size_t kFew = 16;  // a vocabulary is not written out for sixty characters of it
  if (value.is_structured() && value.size() > kFew) return value.type_name();
  return excerpt(dump_json(value));
}

}  // namespace ponder
