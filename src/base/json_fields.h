// Typed access to the fields of a JSON object from outside; every complaint names file and key.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace ponder {

// Borrows `json`. What is asked for and is not there, or is of another type or out of range, throws
// an Error "where: path.key: expected …, found …". A field that is null counts as absent.
class JsonFields {
 public:
  // `where`: the file, or file and line. `path`: where in it the object stands ("model",
  // "added_tokens[3]"), "" for the top. `advice`: what to try when a field is missing, of another
  // type or one too many. Throws Error if `json` is no object.
  JsonFields(const Json& json, std::string where, std::string path = "", std::string advice = "");

  const Json* find(std::string_view key) const;  // nullptr where it is absent
  bool has(std::string_view key) const { return find(key) != nullptr; }
  bool contains(std::string_view key) const { return json_->contains(key); }  // null too

  const Json& require(std::string_view key) const;
  const Json& array(std::string_view key) const;
  const Json& object(std::string_view key) const;
  JsonFields fields(std::string_view key) const;             // of an object
  JsonFields element(std::string_view key, size_t i) const;  // of the i-th object of an array
  std::string text(std::string_view key) const;
  bool boolean(std::string_view key) const;
  int64_t integer(std::string_view key, int64_t low = std::numeric_limits<int64_t>::min(),
                  int64_t high = std::numeric_limits<int64_t>::max()) const;
  double number(std::string_view key, double low, double high) const;
  std::vector<int32_t> token_ids(std::string_view key) const;  // an array of integers >= 0

  // The same, or `otherwise` where the key is absent.
  std::string text_or(std::string_view key, std::string_view otherwise) const;
  bool boolean_or(std::string_view key, bool otherwise) const;
  int64_t integer_or(std::string_view key, int64_t otherwise, int64_t low, int64_t high) const;
  double number_or(std::string_view key, double otherwise, double low, double high) const;
  // Of several integers that may stand under one key, say.
  int64_t checked_integer(std::string_view key, const Json& value, int64_t low, int64_t high) const;

  // Throws Error naming the first key that is not one of these.
  void allow_only(std::initializer_list<std::string_view> keys) const;

  [[noreturn]] void fail(std::string_view key, const std::string& problem,
                         std::string_view advice = "") const;
  std::string path_of(std::string_view key) const;
  const std::string& where() const { return where_; }
  const Json& json() const { return *json_; }
  // As it stands in a complaint: cut short; a long array or object only by its type.
  static std::string show(const Json& value);

 private:
  [[noreturn]] void refuse(std::string_view key, const std::string& problem) const;
  const Json& typed(std::string_view key, bool (Json::*is_type)() const noexcept,
                    std::string_view type_name) const;

  const Json* json_;
  std::string where_, path_, advice_;
};

}  // namespace ponder
