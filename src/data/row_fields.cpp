#include "data/row_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ponder::data {

const Json* RowFields::find(const char* key) const {
  const auto it = row_.find(key);
  return it == row_.end() || it->is_null() ? nullptr : &*it;
}

std::string RowFields::text(const char* key) const {
  const Json* value = find(key);
  if (!value) return {};
  if (value->is_string()) return value->get<std::string>();
  if (value->is_number_integer()) return dump_json(*value);
  if (value->is_number()) return fmt::format("{}", value->get<double>());
  throw Rejection{"bad_field", fmt::format("expected text in \"{}\", found {}", key,
                                           excerpt(dump_json(*value)))};
}

std::string RowFields::text_of(std::initializer_list<const char*> keys) const {
  for (const char* key : keys) {
    if (has(key)) return text(key);
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

std::string with_options(std::string_view question, const std::vector<std::string>& options) {
  std::string text(trimmed(question));
  text += '\n';
  for (size_t i = 0; i < options.size(); ++i) {
    text += fmt::format("\n({}) {}", static_cast<char>('A' + i), options[i]);
  }
  return text;
}

std::vector<std::string> options_of(const RowFields& row) {
  const Json& options = *row.find("options");
  std::vector<std::string> result;
  const auto add = [&](const Json& option) {
    if (!option.is_string() && !option.is_number()) {
      throw Rejection{"bad_options", "expected text options, found " + excerpt(dump_json(option))};
    }
    result.emplace_back(
        trimmed(option.is_string() ? option.get_ref<const std::string&>() : dump_json(option)));
  };
  if (options.is_array()) {
    for (const Json& option : options) add(option);
  } else if (options.is_object()) {
    for (const auto& item : options.items()) {
      const std::string expected(1, static_cast<char>('A' + std::min<size_t>(result.size(), 26)));
      if (item.key() != expected) {
        throw Rejection{"bad_options", fmt::format("expected option \"{}\", found \"{}\"", expected,
                                                   excerpt(item.key()))};
      }
      add(item.value());
    }
  } else {
    throw Rejection{"bad_options", "expected options as an array or an object, found " +
                                       excerpt(dump_json(options))};
  }
  if (result.size() < 2 || result.size() > 26) {
    throw Rejection{"bad_options",
                    fmt::format("expected 2 to 26 options, found {}", result.size())};
  }
  return result;
}

std::string option_letter(const RowFields& row, size_t num_options) {
  std::string letter(trimmed(row.text_of({"answer_letter", "answer_idx"})));
  const Json* index = row.find("answer_index");
  if (letter.empty() && !index) letter = std::string(trimmed(row.text("answer")));
  if (letter.empty() && !index) throw Rejection{"no_answer", "options, but no answer_letter"};
  if (index) {
    if (!index->is_number_integer() || index->get<int64_t>() < 0 ||
        index->get<int64_t>() >= static_cast<int64_t>(num_options)) {
      throw Rejection{"bad_answer", fmt::format("answer_index {} of {} options",
                                                excerpt(dump_json(*index)), num_options)};
    }
    const std::string named(1, static_cast<char>('A' + index->get<int64_t>()));
    if (letter.empty()) letter = named;
    if (letter != named) {
      throw Rejection{"bad_answer", fmt::format("answer_letter {} but answer_index means {}",
                                                excerpt(letter), named)};
    }
  }
  if (letter.size() != 1 || letter[0] < 'A' || letter[0] >= static_cast<char>('A' + num_options)) {
    throw Rejection{"bad_answer",
                    fmt::format("expected a letter from A to {}, found \"{}\"",
                                static_cast<char>('A' + num_options - 1), excerpt(letter))};
  }
  return letter;
}

}  // namespace ponder::data
