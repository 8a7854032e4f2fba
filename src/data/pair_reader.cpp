#include <fmt/format.h>

#include <map>

#include "base/error.h"
#include "data/row_source.h"
#include "data/token_rows.h"

namespace ponder::data {
namespace {

// A row that cannot be used throws its Rejection; read_pairs catches and counts it.

const Json* find(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

std::string string_of(const Json& value, const char* key) {
  if (!value.is_string())
    throw Rejection{"bad_field",
                    fmt::format("{}: expected text, found {}", key, value.type_name())};
  return value.get<std::string>();
}

std::string message_content(const Json& message, const char* key, const char* role) {
  const Json* found_role = message.is_object() ? find(message, "role") : nullptr;
  const Json* content = message.is_object() ? find(message, "content") : nullptr;
  if (!found_role || !content || *found_role != role) {
    throw Rejection{"bad_field",
                    fmt::format("{}: expected a message of role {} with content", key, role)};
  }
  return string_of(*content, key);
}

Response response_of(const Json& row, const char* key) {
  const Json* value = find(row, key);
  if (!value) throw Rejection{"missing_field", fmt::format("expected a field {}", key)};
  if (value->is_string()) return {value->get<std::string>(), {}};
  if (value->is_array() && !value->empty())
    return {message_content(value->back(), key, "assistant"), {}};
  if (value->is_object()) {
    Response response;
    if (const Json* text = find(*value, "text")) response.text = string_of(*text, key);
    if (const Json* hash = find(*value, "template_sha256"))
      response.template_sha256 = string_of(*hash, key);
    if (const Json* ids = find(*value, "token_ids")) {
      if (!ids->is_array())
        throw Rejection{"bad_field", fmt::format("{}.token_ids: expected a list", key)};
      for (const Json& id : *ids) {
        if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX) {
          throw Rejection{"bad_field", fmt::format("{}.token_ids: expected token ids", key)};
        }
        response.token_ids.push_back(id.get<int32_t>());
      }
    }
    return response;
  }
  throw Rejection{"bad_field", fmt::format("{}: expected text, a trajectory or messages", key)};
}

// The messages before the response, where both responses carry them.
std::optional<Json> implicit_prompt(const Json& row) {
  const Json *chosen = find(row, "chosen"), *rejected = find(row, "rejected");
  if (!chosen || !rejected || !chosen->is_array() || !rejected->is_array()) return std::nullopt;
  if (chosen->size() < 2 || chosen->size() != rejected->size()) return std::nullopt;
  Json prompt = Json::array();
  for (size_t i = 0; i + 1 < chosen->size(); ++i) {
    if ((*chosen)[i] != (*rejected)[i]) {
      throw Rejection{"bad_field", "chosen and rejected differ before their last messages"};
    }
    prompt.push_back((*chosen)[i]);
  }
  return prompt;
}

// The system turn (may be empty) and the user turn.
std::pair<std::string, std::string> prompt_of(const Json& row) {
  std::string system;
  if (const Json* value = find(row, "system")) system = string_of(*value, "system");
  const Json* prompt = find(row, "prompt");
  if (!prompt) prompt = find(row, "question");
  const std::optional<Json> implicit = prompt ? std::nullopt : implicit_prompt(row);
  if (implicit) prompt = &*implicit;
  if (!prompt) throw Rejection{"missing_field", "expected a field prompt or question"};
  if (!prompt->is_array()) return {system, string_of(*prompt, "prompt")};
  if (prompt->size() == 2) {
    system = message_content(prompt->front(), "prompt", "system");
  } else if (prompt->size() != 1) {
    throw Rejection{"multi_turn", fmt::format("prompt: expected one user turn, found {} messages",
                                              prompt->size())};
  }
  return {system, message_content(prompt->back(), "prompt", "user")};
}

TokenPair pair_of(const RowBuilder& builder, const Json& row, const std::string& where,
                  Align align) {
  if (!row.is_object())
    throw Rejection{"bad_row", fmt::format("expected an object, found {}", row.type_name())};
  const auto [system, question] = prompt_of(row);
  if (question.empty()) throw Rejection{"empty_question", "the prompt is empty"};
  std::string name = where;
  if (const Json* id = find(row, "id"))
    name += id->is_string() ? " " + id->get<std::string>() : " " + dump_json(*id);
  auto pair = builder.pair(name, system, question, response_of(row, "chosen"),
                           response_of(row, "rejected"), align);
  if (!pair) throw Rejection(pair.why());
  return std::move(*pair);
}

}  // namespace

std::vector<TokenPair> read_pairs(const RowBuilder& builder, const std::filesystem::path& file,
                                  Align align, RowAccount& report) {
  return read_pairs(builder, *RowSource::open(file), file, align, report);
}

std::vector<TokenPair> read_pairs(const RowBuilder& builder, RowSource& rows,
                                  const std::filesystem::path& file, Align align,
                                  RowAccount& report) {
  RowAccount own;
  std::vector<TokenPair> pairs;
  std::map<std::pair<std::vector<int32_t>, std::vector<int32_t>>, uint64_t> seen;
  JsonRow row;
  const auto on_bad = [&](uint64_t line, uint64_t offset, const std::string& problem) {
    ++own.rows;
    own.reject({{"bad_json", problem}, file.string(), line, offset});
  };
  while (rows.next(row, on_bad)) {
    ++own.rows;
    try {
      TokenPair pair = pair_of(builder, row.value,
                               fmt::format("{}:{}", file.filename().string(), row.line), align);
      const auto [first, fresh] =
          seen.emplace(std::pair(pair.chosen.tokens, pair.rejected.tokens), row.line);
      if (!fresh) {
        ++own.duplicates;
        if (own.duplicate_examples.size() < RowAccount::kMaxExamples) {
          own.duplicate_examples.push_back(
              {{"duplicate", fmt::format("repeats the pair of line {}", first->second)},
               file.string(),
               row.line,
               row.byte_offset});
        }
        continue;
      }
      pairs.push_back(std::move(pair));
      ++own.kept;
    } catch (const Rejection& why) {
      own.reject({why, file.string(), row.line, row.byte_offset});
    }
  }
  report.merge(own);
  if (pairs.empty()) {
    throw Error(file.string(), fmt::format("no pair is left to train on ({})", own.summary()),
                "rows need prompt (or question), chosen and rejected");
  }
  return pairs;
}

}  // namespace ponder::data
