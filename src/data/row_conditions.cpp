#include "data/row_conditions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/text.h"

namespace ponder::data {
namespace {

// 5 of "5", "5.0" and "Level 5"; nothing of other texts.
std::optional<double> number_in(std::string_view text) {
  text = trimmed(text);
  if (const size_t space = text.rfind(' '); space != std::string_view::npos)
    text.remove_prefix(space + 1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A field of the file along its dots, as text; nothing where it is absent, null, a list or an object.
std::optional<std::string> raw_field(const Json& raw, std::string_view name) {
  const Json* value = &raw;
  for (;;) {
    if (!value->is_object()) return std::nullopt;
    // A name with a dot in it comes before a way through two fields.
    const auto whole = value->find(std::string(name));
    if (whole != value->end()) {
      value = &*whole;
      break;
    }
    const size_t dot = name.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    const auto next = value->find(std::string(name.substr(0, dot)));
    if (next == value->end()) return std::nullopt;
    value = &*next;
    name.remove_prefix(dot + 1);
  }
  if (value->is_string()) return value->get<std::string>();
  if (value->is_number() || value->is_boolean()) return dump_json(*value);
  return std::nullopt;
}

template <class Row>
std::optional<std::string> known_field(const Row& row, std::string_view name) {
  const auto text = [](const std::string& value) {
    return value.empty() ? std::nullopt : std::optional(value);
  };
  if (name == "domain") return text(row.domain);
  if (name == "level") return text(row.level);
  if (name == "source") return text(row.source);
  if (name == "id") return text(row.id);
  if (name == "answer") return text(row.answer);
  return std::nullopt;
}

bool holds(const RowCondition& condition, const std::string& value) {
  const std::optional<double> number = number_in(value);
  for (const std::string& one : condition.values) {
    if (one == value || (number && number_in(one) == number)) return true;
  }
  if (!condition.min && !condition.max) return false;
  return number && (!condition.min || *number >= *condition.min) &&
         (!condition.max || *number <= *condition.max);
}

std::string asked_for(const RowCondition& condition) {
  std::string text = fmt::format("{}", fmt::join(condition.values, " or "));
  if (condition.min || condition.max) {
    if (!text.empty()) text += " or ";
    text += condition.min && condition.max ? fmt::format("{} to {}", *condition.min, *condition.max)
            : condition.min                ? fmt::format("{} and above", *condition.min)
                                           : fmt::format("{} and below", *condition.max);
  }
  return text;
}

}  // namespace

void RowConditions::add(RowCondition condition) {
  if (condition.values.empty() && !condition.min && !condition.max) {
    throw Error(ErrorKind::kUsage, condition.field,
                "expected a value, an array of values or a band",
                "e.g. level = [4, 5], or level = { min = 4 }");
  }
  if (condition.min && condition.max && *condition.min > *condition.max) {
    throw Error(ErrorKind::kUsage, condition.field,
                fmt::format("the band is upside down: min {} is above max {}", *condition.min,
                            *condition.max),
                fmt::format("min = {}, max = {}", *condition.max, *condition.min));
  }
  conditions_.push_back(std::move(condition));
  found_.push_back(false);
}

std::string RowConditions::text() const {
  std::vector<std::string> parts;
  for (const RowCondition& condition : conditions_) {
    parts.push_back(fmt::format("{}{} {}", condition.wanted ? "" : "not ", condition.field,
                                asked_for(condition)));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

template <class Row>
std::optional<Rejection> RowConditions::check(const Json& raw, const Row& row) {
  std::optional<Rejection> why;
  for (size_t i = 0; i < conditions_.size(); ++i) {
    const RowCondition& condition = conditions_[i];
    std::optional<std::string> value = known_field(row, condition.field);
    if (!value) value = raw_field(raw, condition.field);
    if (value) found_[i] = true;
    if (why || (value && holds(condition, *value)) == condition.wanted) continue;
    const std::string is = value ? "\"" + excerpt(*value) + "\"" : "not there";
    why = {"filtered",
           fmt::format("its {} is {}, {} {}", condition.field, is,
                       condition.wanted ? "wanted is" : "not wanted is", asked_for(condition))};
  }
  return why;
}

std::optional<Rejection> RowConditions::against(const Json& raw, const Demonstration& row) {
  return check(raw, row);
}

std::optional<Rejection> RowConditions::against(const Json& raw, const Problem& row) {
  return check(raw, row);
}

std::vector<std::string> RowConditions::never_found() const {
  std::vector<std::string> fields;
  for (size_t i = 0; i < conditions_.size(); ++i) {
    if (!found_[i]) fields.push_back(conditions_[i].field);
  }
  return fields;
}

void RowConditions::refuse_never_found(const std::string& file) const {
  const std::vector<std::string> unknown = never_found();
  if (unknown.empty()) return;
  throw Error(file, fmt::format("no row has a field \"{}\"", unknown[0]),
              "conditions are on domain, level, source, id, answer or a field of the file");
}

}  // namespace ponder::data
