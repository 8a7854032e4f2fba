#include "data/row_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/mended_json.h"

namespace ponder::data {
namespace {

char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

const Json* RowFields::find(const char* key) const {
  const auto value_of = [](const Json& value) { return value.is_null() ? nullptr : &value; };
  const auto exact = row_.find(key);
  if (exact != row_.end()) return value_of(*exact);
  const std::string_view wanted(key);
  const auto same = [](char a, char b) { return ascii_lower(a) == ascii_lower(b); };
  for (const auto& item : row_.items()) {
    if (std::equal(item.key().begin(), item.key().end(), wanted.begin(), wanted.end(), same))
      return value_of(item.value());
  }
  return nullptr;
}

bool RowFields::has_any(std::initializer_list<const char*> keys) const {
  return std::any_of(keys.begin(), keys.end(), [&](const char* key) { return has(key); });
}

std::string RowFields::text(const char* key) const {
  const Json* value = find(key);
  if (!value) return {};
  if (value->is_string()) return value->get<std::string>();
  if (value->is_number_integer()) return dump_json(*value);
  if (value->is_number()) return fmt::format("{}", value->get<double>());
  if (value->is_object() && value->contains(kUnreadable)) {
    throw Rejection{"bad_field",
                    fmt::format("\"{}\" is {}", key, value->at(kUnreadable).get<std::string>())};
  }
  throw Rejection{"bad_field", fmt::format("expected text in \"{}\", found {}", key,
                                           excerpt(dump_json(*value)))};
}

std::string RowFields::text_of(std::initializer_list<const char*> keys) const {
  for (const char* key : keys) {
    if (has(key)) return text(key);
  }
  return {};
}

std::string RowFields::metadata(std::initializer_list<const char*> keys, Changes& changes) const {
  for (const char* key : keys) {
    const Json* value = find(key);
    if (!value) continue;
    if (value->is_array() && value->size() == 1) value = &value->front();
    if (value->is_string()) return value->get<std::string>();
    if (value->is_number_integer()) return dump_json(*value);
    if (value->is_number()) return fmt::format("{}", value->get<double>());
    ++changes["metadata_left_empty"];
    return {};
  }
  return {};
}

std::string RowFields::keys() const {
  std::string list;
  for (const auto& item : row_.items()) {
    if (!list.empty()) list += ", ";
    list += item.key();
  }
  return excerpt(list, 120);
}

std::string normalised_question(std::string_view question) {
  std::string result;
  result.reserve(question.size());
  bool space = false;
  for (const char c : question) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      space = !result.empty();
      continue;
    }
    if (space) result += ' ';
    space = false;
    result += c;
  }
  return result;
}

std::string instruction_with_input(const RowFields& row) {
  std::string question = row.text("instruction");
  const std::string input = row.text("input");
  if (!is_blank(input)) question += (is_blank(question) ? "" : "\n") + input;
  return question;
}

std::string with_options(std::string_view question, const std::vector<std::string>& options) {
  std::string text(trimmed(question));
  text += '\n';
  for (size_t i = 0; i < options.size(); ++i) {
    text += fmt::format("\n({}) {}", static_cast<char>('A' + i), options[i]);
  }
  return text;
}

const Json& parsed_list(const Json& value, Json& parsed) {
  if (!value.is_string()) return value;
  const std::string& text = value.get_ref<const std::string&>();
  if (!trimmed(text).starts_with("[")) return value;
  try {
    parsed = parse_json(text, "list");
    return parsed;
  } catch (const Error&) {
    return value;
  }
}

void refuse_other_media(const RowFields& row) {
  const auto filled = [](const Json& value) {
    if (value.is_array() || value.is_object()) return !value.empty() && value != Json{nullptr};
    return value.is_string() && !is_blank(value.get_ref<const std::string&>()) && value != "[]";
  };
  for (const char* key : {"images", "videos", "audios", "tools", "functions"}) {
    const Json* value = row.find(key);
    if (!value || !filled(*value)) continue;
    throw Rejection{"unsupported_part",
                    fmt::format("the row has {}, which a model of text cannot be told", key)};
  }
}

}  // namespace ponder::data
