#include "data/given_response.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "data/response_reading.h"
#include "tokenizer/thought_format.h"

namespace ponder::data {

std::string text_or_empty(const RowFields& row, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const Json* value = row.find(key);
    if (value && (value->is_string() || value->is_number())) return row.text(key);
  }
  return {};
}

const Json* object_in(const RowFields& row, const char* key) {
  const Json* value = row.find(key);
  return value && value->is_object() ? value : nullptr;
}

void take_settings(const Json& settings, Json& sampling) {
  if (!settings.is_object()) return;
  const RowFields row(settings);
  const auto number = [&](const char* name, std::initializer_list<const char*> keys, double low,
                          double high, bool whole) {
    for (const char* key : keys) {
      const Json* value = row.find(key);
      if (!value || !value->is_number()) continue;
      const double n = value->get<double>();
      if (!(n >= low && n <= high) || (whole && !value->is_number_integer())) continue;
      sampling[name] = whole ? *value : Json(n);
      return;
    }
  };
  constexpr double kMostTokens = std::numeric_limits<int>::max();
  const Json* do_sample = row.find("do_sample");
  if (do_sample && *do_sample == false) sampling["temperature"] = 0.0;
  number("temperature", {"temperature"}, 0, 1e6, false);
  number("top_p", {"top_p"}, 0, 1, false);
  number("top_k", {"top_k"}, 0, kMostTokens, true);
  number("max_tokens",
         {"max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens",
          "max_gen_toks"},
         1, kMostTokens, true);
  const Json* seed = row.find("seed");
  if (seed && (seed->is_number_unsigned() || (seed->is_number_integer() && *seed >= 0)))
    sampling["seed"] = seed->get<uint64_t>();
}

ToldResponse told_in(const Json& content) {
  if (content.is_null()) return {};
  if (content.is_string()) return {content.get<std::string>(), ""};
  ToldResponse told;
  if (!content.is_array()) throw Rejection{"bad_field", "expected a response as text or parts"};
  for (const Json& part : content) {
    if (!part.is_object()) throw Rejection{"bad_field", "expected parts of a response as objects"};
    const RowFields fields(part);
    const std::string type = text_or_empty(fields, {"type"});
    const std::string text = text_or_empty(fields, {"text", "reasoning", "thinking", "content"});
    if (type == "text" || type == "output_text") {
      told.content += text;
    } else if (type == "reasoning" || type == "thinking" || type == "reasoning_text") {
      told.thought += text;
    } else {
      throw Rejection{"unsupported_part",
                      fmt::format("a part of type \"{}\", which a model of text cannot be told",
                                  excerpt(type))};
    }
  }
  return told;
}

ToldResponse told_by(const Json& json) {
  if (json.is_string()) return {json.get<std::string>(), ""};
  if (json.is_array() && !json.empty()) return told_by(json.back());  // turns: the last
  if (!json.is_object())
    throw Rejection{"bad_field", "expected a response, found " + excerpt(dump_json(json))};
  const RowFields row(json);
  for (const char* key : {"tool_calls", "function_call"}) {
    const Json* calls = row.find(key);
    if (calls && !calls->empty()) {
      throw Rejection{"unsupported_part",
                      fmt::format("a response has {}, which a model of text cannot be told", key)};
    }
  }
  ToldResponse told;
  for (const char* key : {"content", "value", "text", "response", "output", "generated_text"}) {
    if (const Json* content = row.find(key)) {
      told = told_in(*content);
      break;
    }
  }
  const ApartThought apart = apart_thought(row, false);
  if (!apart.text.empty()) told.thought = apart.text;
  return told;
}

std::string whole_text(const ToldResponse& told, Changes& changes) {
  std::string text = without_end_tokens(told.content, changes);
  const std::string thought(trimmed(told.thought));
  const bool opened = text.find("<think>") != text.npos,
             closed = text.find("</think>") != text.npos;
  if (thought.empty()) {
    if (is_blank(text)) throw Rejection{"empty_response", "the response is empty"};
    if (opened || !closed) return text;
    ++changes["thought_opened"];  // by the prompt
    return (text.front() == '\n' ? "<think>" : "<think>\n") + text;
  }
  if (opened || closed || text.find("<|begin_of_thought|>") != text.npos) {
    const tokenizer::ThoughtParts parts = tokenizer::parse_teacher_response(text);
    if (normalised_question(parts.thought) != normalised_question(thought))
      throw Rejection{"repeated_tag", "one thought stands apart and another in tags"};
    ++changes["thought_given_twice"];
    return text;
  }
  if (is_blank(text)) return "<think>\n" + thought;
  return fmt::format("<think>\n{}\n</think>\n\n{}", thought, text);
}

FinishReason finish_named(const std::string& given, Changes& changes) {
  const std::string word = lower_ascii(trimmed(given));
  const auto is_one_of = [&](std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  if (word.empty()) {
    ++changes["finish_not_known"];
    return FinishReason::kStop;
  }
  if (is_one_of({"stop", "eos", "eos_token", "end_turn", "stop_sequence", "completed"}))
    return FinishReason::kStop;
  if (is_one_of({"length", "max_tokens", "max_output_tokens", "max_length"}))
    return FinishReason::kLength;
  if (word == "repetition") return FinishReason::kRepetition;
  throw Rejection{"unusable_finish", fmt::format("ended by \"{}\"", excerpt(given))};
}

}  // namespace ponder::data
