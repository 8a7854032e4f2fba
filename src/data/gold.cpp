#include "data/gold.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/mended_json.h"
#include "data/choices.h"

namespace ponder::data {
namespace {

bool decimal_digit(char c) { return c >= '0' && c <= '9'; }

bool take(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

void skip_spaces(std::string_view& text) {
  while (take(text, " ") || take(text, "\\,") || take(text, "\\!") || take(text, "~")) {
  }
}

// sign, digits (grouped by commas), decimals, exponent.
bool take_number(std::string_view& text) {
  skip_spaces(text);
  if (!take(text, "-")) take(text, "+");
  skip_spaces(text);
  bool digits = false;
  while (!text.empty()) {
    const bool group = text[0] == ',' && digits && text.size() > 1 && decimal_digit(text[1]);
    if (!decimal_digit(text[0]) && !group) break;
    digits = true;
    text.remove_prefix(1);
  }
  if (take(text, ".")) {
    while (!text.empty() && decimal_digit(text[0])) {
      digits = true;
      text.remove_prefix(1);
    }
  }
  if (!digits) return false;
  std::string_view rest = text;
  if (take(rest, "e") || take(rest, "E")) {
    if (!take(rest, "-")) take(rest, "+");
    if (!rest.empty() && decimal_digit(rest[0])) {
      while (!rest.empty() && decimal_digit(rest[0])) rest.remove_prefix(1);
      text = rest;
    }
  }
  return true;
}

bool take_group(std::string_view& text) {
  return take(text, "{") && take_number(text) && (skip_spaces(text), take(text, "}"));
}

bool is_number(std::string_view text) {
  text = trimmed(text);
  if (text.size() > 2 && text.front() == '$' && text.back() == '$') {
    text = trimmed(text.substr(1, text.size() - 2));
  }
  std::string_view fraction = text;
  if (!take(fraction, "-")) take(fraction, "+");
  if (take(fraction, "\\frac") || take(fraction, "\\dfrac") || take(fraction, "\\tfrac")) {
    return take_group(fraction) && take_group(fraction) && trimmed(fraction).empty();
  }
  if (!take_number(text)) return false;
  skip_spaces(text);
  if (take(text, "/")) return take_number(text) && trimmed(text).empty();
  if (take(text, "\\times") || take(text, "\\cdot") || take(text, "*") || take(text, "x")) {
    skip_spaces(text);
    if (!take(text, "10^")) return false;
    if (!take_group(text) && !take_number(text)) return false;
  }
  skip_spaces(text);
  if (!take(text, "\\%")) take(text, "%");
  return trimmed(text).empty();
}

bool braces_balance(std::string_view text) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;  // \{ and \} are signs, not groups
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth < 0) {
      return false;
    }
  }
  return depth == 0;
}

constexpr std::array kGoldFields = {
    "gold",         "answer",           "final_answer",           "expected_answer", "gold_answer",
    "ground_truth", "reference_answer", "gold_standard_solution", "target"};

// The field that holds the gold answer, null if there is none.
const Json* gold_field(const RowFields& row) {
  for (const char* key : kGoldFields) {
    if (const Json* value = row.find(key)) {
      // ORZ: {"value": …}
      const bool wraps = value->is_object() && !value->contains(kUnreadable);
      return wraps ? RowFields(*value).find("value") : value;
    }
  }
  const Json* reward = row.find("reward_model");  // verl
  return reward && reward->is_object() ? RowFields(*reward).find("ground_truth") : nullptr;
}

std::string text_of_gold(const Json& gold) {
  const Json row = {{"answer", gold}};
  return std::string(trimmed(RowFields(row).text("answer")));
}

std::string gold_of_several(const RowFields& row, const Json& golds) {
  std::vector<std::string> texts;
  for (const Json& gold : golds) texts.push_back(text_of_gold(gold));
  const Json* all_wanted = row.find("is_multiple_answer");
  if (all_wanted && *all_wanted == true) return fmt::format("{}", fmt::join(texts, ", "));
  const bool all_equal = std::all_of(texts.begin() + 1, texts.end(), [&](const std::string& text) {
    return judge::judge_answer(texts[0], text, {}).verdict == judge::Verdict::kCorrect;
  });
  if (all_equal) return texts[0];
  throw Rejection{"bad_field",
                  fmt::format("expected one gold answer, found {}: any of them, or all? (all where "
                              "is_multiple_answer is true)",
                              excerpt(dump_json(golds)))};
}

// A solution that is nothing but the answer.
std::string bare_gold(const std::string& solution) {
  const std::string text(trimmed(solution));
  constexpr size_t kLongest = 40;
  const bool bare = text.size() <= kLongest && text.find_first_of(" \n\t") == text.npos &&
                    text.find("\\boxed") == text.npos;
  return bare || gold_is_readable(text, judge::AnswerType::kNumber) ? text : "";
}

// Of "4.5", "$-3$", "2.3 \times 10^{5}".
std::optional<double> value_of(std::string text) {
  std::erase_if(text, [](char c) { return c == '$' || c == ' '; });
  double factor = 1;
  if (const size_t times = text.find("\\times10^"); times != text.npos) {
    std::string power = text.substr(times + std::string_view("\\times10^").size());
    std::erase_if(power, [](char c) { return c == '{' || c == '}'; });
    const auto exponent = value_of(power);
    if (!exponent) return std::nullopt;
    factor = std::pow(10.0, *exponent);
    text.resize(times);
  }
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value)) return std::nullopt;
  return value * factor;
}

}  // namespace

bool has_gold(const RowFields& row) { return gold_field(row) != nullptr; }

std::string gold_of(const RowFields& row) {
  const Json* field = gold_field(row);
  if (!field) return {};
  Json parsed;
  const Json& value = parsed_list(*field, parsed);
  // "[1, 2]" is an answer too: only text inside is a list's element.
  const bool typed = value.is_array() && std::all_of(value.begin(), value.end(),
                                                     [](const Json& v) { return v.is_string(); });
  const bool list = value.is_array() && !value.empty() && (typed || field->is_array());
  if (list && value.size() > 1) return gold_of_several(row, value);
  return text_of_gold(list ? value.front() : *field);
}

std::string gold_or_solution(const RowFields& row, Changes& changes) {
  if (has_gold(row)) return gold_of(row);
  const std::string solution = row.metadata({"solution"}, changes);
  const std::string boxed = last_boxed(solution);
  return boxed.empty() ? bare_gold(solution) : boxed;
}

std::optional<double> tolerance_of_error(const RowFields& row, const std::string& gold) {
  if (!row.has("is_multiple_answer") || is_blank(row.text("error"))) return std::nullopt;
  // As its own evaluation: at most the error, and a hundredth of it for rounding.
  constexpr double kRounding = 1.01;
  const auto error = value_of(row.text("error")), value = value_of(gold);
  if (error && *error == 0) return std::nullopt;
  const double share = error && value ? *error * kRounding / std::fabs(*value) : -1;
  if (share > 0 && share < 1) return share;
  throw Rejection{"bad_tolerance", fmt::format("an error of \"{}\" is no share of \"{}\"",
                                               excerpt(row.text("error")), excerpt(gold))};
}

bool stands_for_no_gold(std::string_view gold) {
  const std::string word = lower_ascii(trimmed(gold));
  for (const std::string_view none :
       {"proof", "notfound", "not found", "n/a", "null", "nan", "no answer", "not provided"}) {
    if (word == none) return true;
  }
  return trimmed(gold) == "None";  // Python's, of a missing value; "none" may be an answer
}

std::optional<judge::AnswerType> answer_type_named(std::string_view name, std::string_view gold) {
  if (const auto own = judge::answer_type_from_string(std::string(name))) return own;
  using Type = judge::AnswerType;
  std::string word = lower_ascii(name);
  std::erase_if(word, [](char c) { return c < 'a' || c > 'z'; });
  const auto is_one_of = [&](std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  if (is_one_of({"integer", "float", "numerical", "numeric", "decimal", "percentage"}))
    return gold_is_readable(gold, Type::kNumber) ? Type::kNumber : Type::kMath;
  if (is_one_of({"multiplechoice", "mcq", "choices"}))
    return gold_is_readable(choice_letter(gold), Type::kChoice) ? Type::kChoice : Type::kText;
  if (is_one_of({"string", "boolean", "freetext", "shortanswer"})) return Type::kText;
  if (is_one_of({"expression", "equation", "tuple", "interval", "fraction", "matrix", "list", "set",
                 "exactmatch", "latex", "other"}))
    return Type::kMath;
  return std::nullopt;
}

std::string last_boxed(std::string_view text) {
  size_t at = std::string_view::npos;
  for (const std::string_view command : {"\\boxed", "\\fbox"}) {
    const size_t found = text.rfind(command);
    if (found == std::string_view::npos) continue;
    if (at == std::string_view::npos || found > at) at = found;
  }
  if (at == std::string_view::npos) return {};
  std::string_view rest = text.substr(text.find_first_of("dx", at + 4) + 1);  // past \boxed, \fbox
  rest = rest.substr(std::min(rest.find_first_not_of(" \t\n"), rest.size()));
  if (rest.empty() || rest[0] != '{') {  // `\boxed 2`
    return std::string(rest.substr(0, rest.find_first_of(" \t\n$.,")));
  }
  int depth = 0;
  for (size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] == '\\') {
      ++i;
    } else if (rest[i] == '{') {
      ++depth;
    } else if (rest[i] == '}' && --depth == 0) {
      return std::string(trimmed(rest.substr(1, i - 1)));
    }
  }
  return {};
}

bool gold_is_readable(std::string_view gold, judge::AnswerType type) {
  switch (type) {
    case judge::AnswerType::kChoice:
      return gold.size() == 1 && gold[0] >= 'A' && gold[0] <= 'Z';
    case judge::AnswerType::kNumber:
      return is_number(gold);
    case judge::AnswerType::kMath:
      return !is_blank(gold) && braces_balance(gold);
    case judge::AnswerType::kText:
      return !is_blank(gold);
  }
  return false;
}

}  // namespace ponder::data
