#include "data/demonstration_layouts.h"

#include <fmt/format.h>

#include "base/error.h"
#include "data/gold.h"
#include "data/row_fields.h"
#include "tokenizer/thought_format.h"

namespace ponder {
namespace {

// Splits a whole response into thought and solution.
void take_response(const std::string& response, Demonstration& demonstration) {
  if (is_blank(response)) throw RowFault{"empty_solution", "the response is empty"};
  const ThoughtParts parts = parse_thought(response);
  if (parts.fault != ThoughtFault::kNone && parts.fault != ThoughtFault::kNoTags) {
    throw RowFault{std::string(to_string(parts.fault)), parts.detail};
  }
  demonstration.thought = parts.thought;
  demonstration.solution = parts.solution;
}

struct TurnKeys {
  const char *role, *content;
};

// ShareGPT and OpenAI alike: an optional system turn, one question, one response.
void take_turns(const Json& turns, const TurnKeys& keys, Demonstration& demonstration) {
  if (!turns.is_array()) throw RowFault{"bad_field", "expected the turns as an array"};
  int questions = 0, responses = 0;
  std::string response, reasoning;
  for (const Json& turn : turns) {
    if (!turn.is_object()) {
      throw RowFault{"bad_field", fmt::format("expected turns with {} and {}, found {}", keys.role,
                                              keys.content, excerpt(dump_json(turn)))};
    }
    const RowFields fields(turn);
    const std::string role = fields.text(keys.role);
    if (role == "system") {
      demonstration.system = fields.text(keys.content);
    } else if (role == "user" || role == "human") {
      ++questions;
      demonstration.question = fields.text(keys.content);
    } else if (role == "assistant" || role == "gpt") {
      if (questions == 0) throw RowFault{"missing_turn", "a response before the first question"};
      ++responses;
      response = fields.text(keys.content);
      reasoning = fields.text("reasoning_content");
    } else {
      throw RowFault{
          "unsupported_role",
          fmt::format("expected system, user and assistant turns, found \"{}\"", excerpt(role))};
    }
  }
  if (questions > 1 || responses > 1) {
    throw RowFault{"multi_turn",
                   fmt::format("{} questions and {} responses in one row", questions, responses)};
  }
  if (questions == 0 || responses == 0) {
    throw RowFault{"missing_turn",
                   fmt::format("{} questions and {} responses in one row", questions, responses)};
  }
  if (is_blank(reasoning)) {
    take_response(response, demonstration);
  } else {
    demonstration.thought = std::string(trimmed(reasoning));
    demonstration.solution = std::string(trimmed(response));
  }
}

void alpaca(const RowFields& row, Demonstration& demonstration) {
  const Json* history = row.find("history");
  if (history && !history->empty()) throw RowFault{"multi_turn", "the row has a history"};
  demonstration.question = row.text("instruction");
  const std::string input = row.text("input");
  if (!is_blank(input)) demonstration.question += "\n" + input;
  demonstration.system = row.text("system");
  take_response(row.text_of({"output", "response"}), demonstration);
}

// Question, reasoning and answer in fields of their own.
void separate_parts(const RowFields& row, const char* thought, const char* solution,
                    Demonstration& demonstration) {
  demonstration.thought = std::string(trimmed(row.text(thought)));
  demonstration.solution = std::string(trimmed(row.text(solution)));
}

void take_gold(const RowFields& row, Demonstration& demonstration) {
  const std::string type = row.text("answer_type");
  if (!type.empty()) {
    const auto known = answer_type_from_string(type);
    if (!known) {
      throw RowFault{
          "bad_answer_type",
          fmt::format("expected math, choice, number or text, found \"{}\"", excerpt(type))};
    }
    demonstration.answer_type = *known;
  } else if (gold_is_readable(demonstration.answer, AnswerType::kChoice) &&
             demonstration.question.find("(" + demonstration.answer + ")") != std::string::npos) {
    demonstration.answer_type = AnswerType::kChoice;
  }
  if (!demonstration.answer.empty() &&
      !gold_is_readable(demonstration.answer, demonstration.answer_type)) {
    throw RowFault{"bad_answer", fmt::format("\"{}\" cannot be read as an answer of type {}",
                                             excerpt(demonstration.answer),
                                             to_string(demonstration.answer_type))};
  }
}

}  // namespace

bool is_demonstration(const RowFields& row) {
  if (row.has("ground_truth")) return false;
  for (const char* key : {"combined_text", "conversations", "messages", "instruction", "thought",
                          "Complex_CoT", "reasoning"}) {
    if (row.has(key)) return true;
  }
  return row.has("question") && (row.has("response") || row.has("gold_answer"));
}

Demonstration demonstration_from_row(const Json& json, bool require_thought) {
  const RowFields row(json);
  Demonstration d;
  d.id = row.text_of({"id", "unique_id"});
  d.domain = row.text_of({"domain", "subject"});
  d.source = row.text("source");
  d.level = row.text_of({"level", "difficulty"});
  d.system = row.text("system");
  if (row.has("combined_text")) {
    d.question = row.text_of({"question", "problem"});
    d.answer = row.text_of({"gold", "answer"});
    take_response(row.text("combined_text"), d);
  } else if (row.has("conversations")) {
    take_turns(*row.find("conversations"), {"from", "value"}, d);
    d.answer = row.text_of({"gold", "answer"});
  } else if (row.has("messages")) {
    take_turns(*row.find("messages"), {"role", "content"}, d);
    d.answer = row.text_of({"gold", "answer"});
  } else if (row.has("instruction") && (row.has("output") || row.has("response"))) {
    alpaca(row, d);
    d.answer = row.text_of({"gold", "answer"});
  } else if (row.has("Complex_CoT") && row.has("Response")) {  // HuatuoGPT-o1
    d.question = row.text("Question");
    d.answer = row.text("Ground-True Answer");
    if (!row.has("answer_type")) d.answer_type = AnswerType::kText;
    separate_parts(row, "Complex_CoT", "Response", d);
  } else if (row.has("reasoning") && row.has("answer_text")) {  // R1 traces of MMLU-Pro
    d.question = row.text("question");
    if (row.has("options")) {
      const auto options = options_of(row);
      d.answer = option_letter(row, options.size());
      if (!is_blank(d.question)) d.question = with_options(d.question, options);
    }
    const std::string predicted = row.text("predicted_letter");
    if (!predicted.empty() && predicted != d.answer) {
      throw RowFault{"wrong_answer", fmt::format("the teacher chose {}, the gold answer is {}",
                                                 excerpt(predicted), d.answer)};
    }
    separate_parts(row, "reasoning", "answer_text", d);
  } else if (row.has("question") && row.has("solution") && row.has("thought")) {
    d.question = row.text("question");
    d.answer = row.text("answer");
    separate_parts(row, "thought", "solution", d);
  } else if (row.has("question") && (row.has("solution") || row.has("response"))) {
    d.question = row.text("question");
    d.answer = row.text_of({"gold_answer", "gold", "answer"});
    take_response(row.text_of({"response", "solution"}), d);
  } else {
    throw RowFault{"unknown_layout",
                   "no question and response in any known layout among the fields " + row.keys()};
  }
  d.answer = std::string(trimmed(d.answer));
  if (is_blank(d.question)) throw RowFault{"empty_question", "the question is empty"};
  if (is_blank(d.solution)) throw RowFault{"empty_solution", "the solution is empty"};
  if (require_thought && is_blank(d.thought)) {
    throw RowFault{"no_thought", "expected a thought before the solution, found none"};
  }
  take_gold(row, d);
  return d;
}

}  // namespace ponder
