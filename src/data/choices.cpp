#include "data/choices.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.h"

namespace ponder::data {
namespace {

std::string letter_of(size_t index) { return std::string(1, static_cast<char>('A' + index)); }

std::string text_of_choice(const Json& option) {
  if (!option.is_string() && !option.is_number()) {
    throw Rejection{"bad_options", "expected text options, found " + excerpt(dump_json(option))};
  }
  return std::string(
      trimmed(option.is_string() ? option.get_ref<const std::string&>() : dump_json(option)));
}

const Json* choice_field(const RowFields& row) {
  for (const char* key : {"options", "choices"}) {
    if (const Json* value = row.find(key)) return value;
  }
  return nullptr;
}

// {"text": […], "label": […]}
void parallel_lists(const Json& field, Choices& choices) {
  const RowFields fields(field);
  const Json *texts = fields.find("text"), *labels = fields.find("label");
  if (!texts->is_array() || (labels && labels->size() != texts->size())) {
    throw Rejection{"bad_options", "expected as many labels as texts of choices"};
  }
  for (size_t i = 0; i < texts->size(); ++i) {
    choices.texts.push_back(text_of_choice((*texts)[i]));
    choices.labels.push_back(labels ? text_of_choice((*labels)[i]) : letter_of(i));
  }
}

void lettered(const Json& field, Choices& choices) {
  for (const auto& item : field.items()) {
    const std::string expected = letter_of(std::min<size_t>(choices.texts.size(), 26));
    if (item.key() != expected) {
      throw Rejection{"bad_options", fmt::format("expected option \"{}\", found \"{}\"", expected,
                                                 excerpt(item.key()))};
    }
    choices.texts.push_back(text_of_choice(item.value()));
    choices.labels.push_back(expected);
  }
}

void listed(const Json& field, Choices& choices) {
  for (const Json& option : field) {
    const std::string letter = letter_of(std::min<size_t>(choices.texts.size(), 26));
    if (!option.is_object() || !RowFields(option).has("text")) {
      choices.texts.push_back(text_of_choice(option));
      choices.labels.push_back(letter);
      continue;
    }
    const RowFields fields(option);
    choices.texts.push_back(text_of_choice(*fields.find("text")));
    const Json* label = fields.has("label") ? fields.find("label") : fields.find("key");
    choices.labels.push_back(label ? text_of_choice(*label) : letter);
  }
}

// "A" of the labels, the letters or the texts of the choices.
std::optional<std::string> named_choice(const std::string& name, const Choices& choices) {
  for (size_t i = 0; i < choices.labels.size(); ++i) {
    if (choices.labels[i] == name) return letter_of(i);
  }
  const std::string letter = choice_letter(name);
  if (letter.size() == 1 && letter[0] >= 'A' &&
      static_cast<size_t>(letter[0] - 'A') < choices.texts.size()) {
    return letter;
  }
  std::optional<std::string> found;
  for (size_t i = 0; i < choices.texts.size(); ++i) {
    if (choices.texts[i] != name) continue;
    if (found) return std::nullopt;  // two choices with this text
    found = letter_of(i);
  }
  return found;
}

std::string indexed_choice(const char* key, const Json& index, const Choices& choices) {
  const bool known = index.is_number_integer() && index.get<int64_t>() >= 0 &&
                     index.get<int64_t>() < static_cast<int64_t>(choices.texts.size());
  if (!known) {
    throw Rejection{"bad_answer", fmt::format("{} {} of {} options", key, excerpt(dump_json(index)),
                                              choices.texts.size())};
  }
  return letter_of(static_cast<size_t>(index.get<int64_t>()));
}

// Of a gold field: a number is an index unless the choices are labelled by numbers.
std::string chosen(const char* key, const Json& value, const Choices& choices) {
  const Json& gold = value.is_array() && value.size() == 1 ? value.front() : value;
  if (gold.is_number_integer()) {
    const bool numbered = choices.labels.front() != "A";
    const auto label = std::find(choices.labels.begin(), choices.labels.end(), dump_json(gold));
    if (numbered && label != choices.labels.end())
      return letter_of(static_cast<size_t>(label - choices.labels.begin()));
    const int64_t index = gold.get<int64_t>();
    if (index < 0 || index >= static_cast<int64_t>(choices.texts.size())) {
      if (const auto letter = named_choice(dump_json(gold), choices)) return *letter;
    }
    return indexed_choice(key, gold, choices);
  }
  if (!gold.is_string()) {
    throw Rejection{"bad_answer", fmt::format("expected a choice in \"{}\", found {}", key,
                                              excerpt(dump_json(gold)))};
  }
  const std::string text(trimmed(gold.get_ref<const std::string&>()));
  if (const auto letter = named_choice(text, choices)) return *letter;
  throw Rejection{"bad_answer", fmt::format("expected a letter from A to {}, found \"{}\"",
                                            letter_of(choices.texts.size() - 1), excerpt(text))};
}

}  // namespace

std::string choice_letter(std::string_view gold) {
  gold = trimmed(gold);
  if (gold.size() == 3 && gold[0] == '(' && gold[2] == ')') gold = gold.substr(1, 1);
  if (gold.size() == 2 && (gold[1] == '.' || gold[1] == ')')) gold = gold.substr(0, 1);
  std::string letter(gold);
  if (letter.size() == 1 && letter[0] >= 'a' && letter[0] <= 'z') letter[0] -= 'a' - 'A';
  return letter;
}

bool has_choices(const RowFields& row) {
  return choice_field(row) != nullptr || (row.has("A") && row.has("B") && row.has("C"));
}

Choices choices_of(const RowFields& row) {
  Choices choices;
  if (const Json* value = choice_field(row)) {
    Json parsed;
    const Json& field = parsed_list(*value, parsed);
    if (field.is_object() && RowFields(field).has("text")) {
      parallel_lists(field, choices);
    } else if (field.is_object()) {
      lettered(field, choices);
    } else if (field.is_array()) {
      listed(field, choices);
    } else {
      throw Rejection{"bad_options", "expected options as an array or an object, found " +
                                         excerpt(dump_json(field))};
    }
  } else {
    for (const char* key : {"A", "B", "C", "D", "E", "F", "G", "H", "I", "J"}) {
      const Json* option = row.find(key);
      if (!option) break;
      choices.texts.push_back(text_of_choice(*option));
      choices.labels.emplace_back(key);
    }
  }
  if (choices.texts.size() < 2 || choices.texts.size() > 26) {
    throw Rejection{"bad_options",
                    fmt::format("expected 2 to 26 options, found {}", choices.texts.size())};
  }
  return choices;
}

std::string choice_letter_of(const RowFields& row, const Choices& choices) {
  std::string letter;
  for (const char* key : {"answer_letter", "answer_idx", "answerKey", "answer_key"}) {
    const Json* value = row.find(key);
    if (value && letter.empty()) letter = chosen(key, *value, choices);
  }
  const Json* index = row.find("answer_index");
  for (const char* key : {"answer", "label", "gold", "target", "correct_answer"}) {
    const Json* value = row.find(key);
    if (!value || !letter.empty() || index || *value == "") continue;
    letter = chosen(key, *value, choices);
  }
  if (letter.empty() && !index) {
    throw Rejection{"no_answer", "choices, but no answer_letter, answer_index or answer"};
  }
  if (index) {
    const std::string named = indexed_choice("answer_index", *index, choices);
    if (letter.empty()) letter = named;
    if (letter != named) {
      throw Rejection{"bad_answer", fmt::format("answer_letter {} but answer_index means {}",
                                                excerpt(letter), named)};
    }
  }
  return letter;
}

}  // namespace ponder::data
