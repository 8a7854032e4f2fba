#include "data/field_map.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "data/conversation.h"
#include "data/row_fields.h"

namespace ponder::data {
namespace {

// What a field can be: the name under which layouts look for it first, and the others under which
// they would find something else in its place.
struct Role {
  const char* name;
  const char* field;
  std::vector<const char*> rivals;
};

const std::vector<Role>& roles() {
  static const std::vector<Role> kRoles = {
      {"question",
       "question",
       {"prompt", "instruction", "query", "problem", "input", "question_stem", "content",
        "problem_text", "quiz", "messages", "conversations", "conversation", "dialogue",
        "reannotated_messages", "combined_text", "history"}},
      {"system", "system", {"system_prompt"}},
      {"thought", "reasoning_content", {"reasoning", "thinking", "thought"}},
      {"response",
       "response",
       {"completion",
        "output",
        "llm_response",
        "generated_solution",
        "reannotated_assistant_content",
        "r1_solution",
        "r1_solution_1",
        "r1_solution_2",
        "r1_solution_3",
        "responses",
        "generations",
        "combined_text",
        "solution",
        "content",
        "answer_text",
        "attempt",
        "deepseek_attempt",
        "gemini_attempt",
        "model_answer",
        "deepseek_solution",
        "messages",
        "conversations",
        "conversation",
        "dialogue",
        "reannotated_messages"}},
      {"answer",
       "answer",
       {"gold", "final_answer", "expected_answer", "gold_answer", "ground_truth",
        "reference_answer", "gold_standard_solution", "target", "reward_model", "answer_letter",
        "answer_idx", "answer_index", "answerKey", "answer_key", "label", "Correct Answer",
        "Ground-True Answer"}},
      {"choices", "choices", {"options"}},
      {"chosen", "chosen", {}},
      {"rejected", "rejected", {"rejected_response"}},
      {"id", "id", {"unique_id", "question_id"}},
      {"domain", "domain", {"subject"}},
      {"level", "level", {"difficulty"}},
      {"source", "source", {"data_source"}},
      {"unit", "unit", {}},
      {"tolerance", "tolerance", {}},
      {"answer_type", "answer_type", {}}};
  return kRoles;
}

const Role& role_named(const std::string& name) {
  for (const Role& role : roles()) {
    if (role.name == name) return role;
  }
  throw Error(ErrorKind::kUsage, "fields",
              fmt::format("a field of rows cannot be \"{}\"", excerpt(name)),
              fmt::format("it can be {}", fmt::join(FieldMap::known(), ", ")));
}

// The value under `name`, or along its dots; null if there is none.
const Json* value_of(const Json& row, std::string_view name) {
  if (!row.is_object()) return nullptr;
  if (const Json* value = RowFields(row).find(std::string(name).c_str())) return value;
  for (size_t dot = name.find('.'); dot != name.npos; dot = name.find('.', dot + 1)) {
    const Json* outer = RowFields(row).find(std::string(name.substr(0, dot)).c_str());
    const Json* inner = outer ? value_of(*outer, name.substr(dot + 1)) : nullptr;
    if (inner) return inner;
  }
  return nullptr;
}

}  // namespace

FieldMap::FieldMap(const std::vector<std::pair<std::string, std::string>>& fields)
    : fields_(fields) {
  for (size_t i = 0; i < fields_.size(); ++i) {
    const auto& [role, field] = fields_[i];
    role_named(role);
    if (field.empty())
      throw Error(ErrorKind::kUsage, "fields", fmt::format("no field is named for {}", role));
    for (size_t j = 0; j < i; ++j) {
      if (fields_[j].first == role)
        throw Error(ErrorKind::kUsage, "fields", fmt::format("{} is named twice", role));
    }
  }
}

std::vector<std::string> FieldMap::known() {
  std::vector<std::string> names;
  for (const Role& role : roles()) names.emplace_back(role.name);
  return names;
}

FieldMap FieldMap::parse(const std::vector<std::string>& pairs) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (const std::string& pair : pairs) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos) {
      throw Error(ErrorKind::kUsage, "fields",
                  fmt::format("expected WHAT=FIELD, found \"{}\"", pair),
                  "e.g. question=body,answer=key");
    }
    fields.emplace_back(trimmed(std::string_view(pair).substr(0, equals)),
                        trimmed(std::string_view(pair).substr(equals + 1)));
  }
  return FieldMap(fields);
}

std::string FieldMap::text() const {
  std::vector<std::string> pairs;
  for (const auto& [role, field] : fields_) pairs.push_back(role + "=" + field);
  return fmt::format("{}", fmt::join(pairs, ","));
}

bool FieldMap::reads(const std::string& column) const {
  const std::string lower = lower_ascii(column);
  return std::any_of(fields_.begin(), fields_.end(), [&](const auto& field) {
    const std::string name = lower_ascii(field.second);
    return name == lower || name.starts_with(lower + ".");
  });
}

std::vector<bool> FieldMap::found_in(const Json& row) const {
  std::vector<bool> found;
  for (const auto& field : fields_) found.push_back(value_of(row, field.second) != nullptr);
  return found;
}

Json FieldMap::apply(const Json& row) const {
  if (!row.is_object()) return row;
  Json mapped = Json::object();
  for (const auto& [role, field] : fields_) {
    if (const Json* value = value_of(row, field)) mapped[role_named(role).field] = *value;
  }
  const auto is_rival = [&](const std::string& key, const Json& value) {
    const std::string lower = lower_ascii(key);
    return std::any_of(fields_.begin(), fields_.end(), [&](const auto& field) {
      const Role& role = role_named(field.first);
      if (lower == lower_ascii(role.field) || lower == lower_ascii(field.second)) return true;
      const bool rival = std::any_of(role.rivals.begin(), role.rivals.end(),
                                     [&](const char* name) { return lower_ascii(name) == lower; });
      // The turns of the question, where the response stands apart.
      const bool asks = field.first == "response" && value.is_array() && !has_response(value);
      return rival && !asks;
    });
  };
  for (const auto& [key, value] : row.items()) {
    if (!is_rival(key, value)) mapped[key] = value;
  }
  return mapped;
}

}  // namespace ponder::data
