// Typed access to the fields of somebody else's JSON object, with errors that name file and key.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/json.h"

namespace ponder {

// An object of a file. Borrows `json`, which must outlive it.
class JsonFields {
 public:
  // `path` is where in the file it stands ("model", "added_tokens[3]"), "" for the top. Throws
  // Error if `json` is no object.
  JsonFields(const Json& json, std::string where, std::string path);

  // Throws Error naming the first key that is not one of these.
  void allow_only(std::initializer_list<std::string_view> keys) const;

  bool has(std::string_view key) const;  // there and not null
  const Json& any(std::string_view key) const;
  const Json& array(std::string_view key) const;
  const Json& object(std::string_view key) const;
  JsonFields fields(std::string_view key) const;  // an object
  std::string text(std::string_view key) const;
  bool boolean(std::string_view key) const;
  bool boolean_or(std::string_view key, bool otherwise) const;  // absent or null: `otherwise`
  int64_t integer(std::string_view key) const;

  std::string path_of(std::string_view key) const;
  // Throws Error naming file and key.
  [[noreturn]] void fail(std::string_view key, const std::string& problem,
                         const std::string& advice = "") const;
  const std::string& where() const { return where_; }

 private:
  const Json* find(std::string_view key) const;
  const Json& typed(std::string_view key, bool (Json::*is_type)() const noexcept,
                    std::string_view type_name) const;

  const Json* json_;
  std::string where_, path_;
};

}  // namespace ponder
