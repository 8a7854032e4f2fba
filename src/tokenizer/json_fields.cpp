#include "tokenizer/json_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ponder {

JsonFields::JsonFields(const Json& json, std::string where, std::string path)
    : json_(&json), where_(std::move(where)), path_(std::move(path)) {
  if (!json.is_object()) {
    throw Error(where_, fmt::format("{}expected an object, found {}",
                                    path_.empty() ? "" : path_ + ": ", json.type_name()));
  }
}

void JsonFields::allow_only(std::initializer_list<std::string_view> keys) const {
  for (const auto& [key, value] : json_->get_ref<const Json::object_t&>()) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      fail(excerpt(key), "a key that ponder does not know",
           "only byte-level BPE tokenizers are supported");
    }
  }
}

const Json* JsonFields::find(std::string_view key) const {
  const auto found = json_->find(key);
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

bool JsonFields::has(std::string_view key) const { return find(key) != nullptr; }

const Json& JsonFields::any(std::string_view key) const {
  const Json* value = find(key);
  if (!value) fail(key, "is missing");
  return *value;
}

const Json& JsonFields::typed(std::string_view key, bool (Json::*is_type)() const noexcept,
                              std::string_view type_name) const {
  const Json& value = any(key);
  if (!(value.*is_type)()) {
    fail(key, fmt::format("expected {}, found {}", type_name,
                          value.is_structured() ? value.type_name() : excerpt(dump_json(value))));
  }
  return value;
}

const Json& JsonFields::array(std::string_view key) const {
  return typed(key, &Json::is_array, "an array");
}
const Json& JsonFields::object(std::string_view key) const {
  return typed(key, &Json::is_object, "an object");
}
JsonFields JsonFields::fields(std::string_view key) const {
  return JsonFields(object(key), where_, path_of(key));
}
std::string JsonFields::text(std::string_view key) const {
  return typed(key, &Json::is_string, "a string").get<std::string>();
}
bool JsonFields::boolean(std::string_view key) const {
  return typed(key, &Json::is_boolean, "true or false").get<bool>();
}
bool JsonFields::boolean_or(std::string_view key, bool otherwise) const {
  return has(key) ? boolean(key) : otherwise;
}
int64_t JsonFields::integer(std::string_view key) const {
  return typed(key, &Json::is_number_integer, "an integer").get<int64_t>();
}

std::string JsonFields::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

void JsonFields::fail(std::string_view key, const std::string& problem,
                      const std::string& advice) const {
  throw Error(where_, fmt::format("{}: {}", path_of(key), problem), advice);
}

}  // namespace ponder
