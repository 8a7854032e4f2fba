#include "data/demonstration_layouts.h"

#include <fmt/format.h>

#include "base/error.h"
#include "data/gold.h"
#include "data/row_fields.h"
#include "tokenizer/thought_format.h"

namespace ponder::data {
namespace {

// Splits a whole response into thought and solution. `reasoning`: the thought, where the row has it
// apart.
void take_response(const std::string& response, const std::string& reasoning,
                   const tokenizer::ThoughtTags& tags, std::string& thought,
                   std::string& solution) {
  if (!is_blank(reasoning)) {
    thought = std::string(trimmed(reasoning));
    solution = std::string(trimmed(response));
    return;
  }
  if (is_blank(response)) throw Rejection{"empty_solution", "the response is empty"};
  const tokenizer::ThoughtParts parts = tokenizer::parse_teacher_response(response, tags);
  if (parts.fault != tokenizer::ThoughtFault::kNone &&
      parts.fault != tokenizer::ThoughtFault::kNoTags) {
    throw Rejection{std::string(tokenizer::to_string(parts.fault)), parts.detail};
  }
  thought = parts.thought;
  solution = parts.solution;
}

std::string reasoning_of(const RowFields& fields) {
  return fields.text_of({"reasoning_content", "reasoning", "thinking"});
}

// Text, or a list of parts that are text.
std::string content_of(const RowFields& fields, const char* key) {
  const Json* content = fields.find(key);
  if (!content || !content->is_array()) return fields.text(key);
  std::string text;
  for (const Json& part : *content) {
    const auto type = part.is_object() ? part.find("type") : part.end();
    if (!part.is_object() || type == part.end() || *type != "text") {
      throw Rejection{"bad_field", fmt::format("expected parts of text in \"{}\", found {}", key,
                                               excerpt(dump_json(part)))};
    }
    text += RowFields(part).text("text");
  }
  return text;
}

struct TurnKeys {
  const char *role, *content;
};

// A conversation, turn by turn: [system,] user, assistant, user, assistant, …
class Conversation {
 public:
  Conversation(const Demonstration& common, const DemonstrationReadOptions& options)
      : common_(common), options_(options) {}

  void add(const Json& turns, const TurnKeys& keys) {
    if (!turns.is_array()) throw Rejection{"bad_field", "expected the turns as an array"};
    for (const Json& turn : turns) {
      if (!turn.is_object()) {
        throw Rejection{"bad_field",
                        fmt::format("expected turns with {} and {}, found {}", keys.role,
                                    keys.content, excerpt(dump_json(turn)))};
      }
      add(RowFields(turn), keys);
    }
  }
  void ask(std::string question) {
    if (asked_) throw Rejection{"turn_order", "two questions without a response between them"};
    if (is_blank(question)) throw Rejection{"empty_question", "the question is empty"};
    question_ = std::move(question);
    asked_ = true;
  }
  void answer(const std::string& response, const std::string& reasoning) {
    if (!asked_) {
      throw done_.empty()
          ? Rejection{"missing_turn", "a response before the first question"}
          : Rejection{"turn_order", "two responses without a question between them"};
    }
    Demonstration d = common_;
    d.history = history_;
    d.question = question_;
    take_response(response, reasoning, options_.thought_tags, d.thought, d.solution);
    history_.push_back({false, question_});
    history_.push_back({true, d.solution});
    done_.push_back(std::move(d));
    asked_ = false;
  }
  // The last response, or all of them.
  std::vector<Demonstration> finish() {
    if (done_.empty()) throw Rejection{"missing_turn", "no question with a response"};
    if (asked_) throw Rejection{"missing_turn", "the last question has no response"};
    if (!options_.all_turns) done_.erase(done_.begin(), done_.end() - 1);
    for (size_t i = 0; done_.size() > 1 && i < done_.size(); ++i) {
      if (!done_[i].id.empty()) done_[i].id += fmt::format("#{}", i + 1);
    }
    return std::move(done_);
  }

 private:
  void add(const RowFields& fields, const TurnKeys& keys) {
    const std::string role = fields.text(keys.role);
    if (role == "system") {
      if (asked_ || !done_.empty()) {
        throw Rejection{"turn_order", "a system turn behind the first question"};
      }
      common_.system = content_of(fields, keys.content);
    } else if (role == "user" || role == "human") {
      ask(content_of(fields, keys.content));
    } else if (role == "assistant" || role == "gpt" || role == "model") {
      answer(content_of(fields, keys.content), reasoning_of(fields));
    } else {
      throw Rejection{
          "unsupported_role",
          fmt::format("expected system, user and assistant turns, found \"{}\"", excerpt(role))};
    }
  }

  Demonstration common_;
  const DemonstrationReadOptions& options_;
  std::vector<Turn> history_;
  std::vector<Demonstration> done_;
  std::string question_;
  bool asked_ = false;
};

constexpr TurnKeys kShareGpt = {"from", "value"}, kOpenAi = {"role", "content"};

void alpaca(const RowFields& row, Conversation& conversation) {
  if (const Json* history = row.find("history")) {  // [[question, response], …]
    if (!history->is_array()) throw Rejection{"bad_field", "expected the history as an array"};
    for (const Json& turn : *history) {
      if (!turn.is_array() || turn.size() != 2 || !turn[0].is_string() || !turn[1].is_string()) {
        throw Rejection{"bad_field", "expected pairs of question and response in the history"};
      }
      conversation.ask(turn[0].get<std::string>());
      conversation.answer(turn[1].get<std::string>(), "");
    }
  }
  std::string question = row.text("instruction");
  const std::string input = row.text("input");
  if (!is_blank(input)) question += "\n" + input;
  conversation.ask(std::move(question));
  conversation.answer(row.text_of({"output", "response"}), reasoning_of(row));
}

// Text on both sides, or messages on both.
void prompt_and_completion(const RowFields& row, Conversation& conversation) {
  const Json& prompt = *row.find("prompt");
  if (prompt.is_array()) {
    conversation.add(prompt, kOpenAi);
  } else {
    conversation.ask(row.text("prompt"));
  }
  const char* key = row.has("completion") ? "completion" : "response";
  if (row.find(key)->is_array()) {
    conversation.add(*row.find(key), kOpenAi);
  } else {
    conversation.answer(row.text(key), reasoning_of(row));
  }
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
    const auto known = judge::answer_type_from_string(type);
    if (!known) {
      throw Rejection{
          "bad_answer_type",
          fmt::format("expected math, choice, number or text, found \"{}\"", excerpt(type))};
    }
    demonstration.answer_type = *known;
  } else if (gold_is_readable(demonstration.answer, judge::AnswerType::kChoice) &&
             demonstration.question.find("(" + demonstration.answer + ")") != std::string::npos) {
    demonstration.answer_type = judge::AnswerType::kChoice;
  }
  if (!demonstration.answer.empty() &&
      !gold_is_readable(demonstration.answer, demonstration.answer_type)) {
    throw Rejection{"bad_answer", fmt::format("\"{}\" cannot be read as an answer of type {}",
                                              excerpt(demonstration.answer),
                                              judge::to_string(demonstration.answer_type))};
  }
}

// ponder's own form of earlier turns: user and assistant in turn.
void take_history(const Json& history, Demonstration& demonstration) {
  if (!history.is_array()) throw Rejection{"bad_field", "expected the history as an array"};
  for (const Json& turn : history) {
    if (!turn.is_object()) throw Rejection{"bad_field", "expected turns in the history"};
    const RowFields fields(turn);
    const bool assistant = demonstration.history.size() % 2 == 1;
    if (fields.text("role") != (assistant ? "assistant" : "user")) {
      throw Rejection{"turn_order", "expected user and assistant in turn in the history"};
    }
    demonstration.history.push_back({assistant, fields.text("content")});
  }
  if (demonstration.history.size() % 2 == 1) {
    throw Rejection{"turn_order", "the history ends with a question"};
  }
}

// Throws Rejection when there is no thought and one is required, or nothing else to learn from.
void check(const Demonstration& d, const DemonstrationReadOptions& options) {
  if (is_blank(d.question)) throw Rejection{"empty_question", "the question is empty"};
  if (is_blank(d.solution)) throw Rejection{"empty_solution", "the solution is empty"};
  if (options.require_thought && is_blank(d.thought)) {
    throw Rejection{
        "no_thought",
        "expected a thought before the solution, found none (allowing direct answers keeps it)"};
  }
}

}  // namespace

bool is_preference(const RowFields& row) { return row.has("chosen") && row.has("rejected"); }

bool is_demonstration(const RowFields& row) {
  if (row.has("ground_truth")) return false;
  for (const char* key : {"combined_text", "conversations", "messages", "instruction", "thought",
                          "Complex_CoT", "reasoning", "deepseek_reasoning"}) {
    if (row.has(key)) return true;
  }
  if (row.has("prompt")) return row.has("completion") || row.has("response");
  return row.has("question") && (row.has("response") || row.has("gold_answer"));
}

std::vector<Demonstration> demonstrations_from_row(const Json& json,
                                                   const DemonstrationReadOptions& options) {
  const RowFields row(json);
  Demonstration d;
  d.id = row.text_of({"id", "unique_id"});
  d.domain = row.text_of({"domain", "subject"});
  d.source = row.text("source");
  d.level = row.text_of({"level", "difficulty"});
  d.system = row.text("system");
  const bool turns = row.has("conversations") || row.has("messages");
  const bool alpaca_like = row.has("instruction") && (row.has("output") || row.has("response"));
  const bool pair = row.has("prompt") && (row.has("completion") || row.has("response"));
  if (!row.has("combined_text") && (turns || alpaca_like || pair)) {
    d.answer = std::string(trimmed(row.text_of({"gold", "answer", "gold_answer"})));
    Conversation conversation(d, options);
    if (row.has("conversations")) {
      const Json& list = *row.find("conversations");
      const bool open_ai = list.is_array() && !list.empty() && list[0].contains("role");
      conversation.add(list, open_ai ? kOpenAi : kShareGpt);
    } else if (turns) {
      conversation.add(*row.find("messages"), kOpenAi);
    } else if (alpaca_like) {
      alpaca(row, conversation);
    } else {
      prompt_and_completion(row, conversation);
    }
    std::vector<Demonstration> all = conversation.finish();
    for (Demonstration& each : all) {
      check(each, options);
      take_gold(row, each);
    }
    return all;
  }
  const auto whole = [&](const std::string& response) {
    take_response(response, "", options.thought_tags, d.thought, d.solution);
  };
  if (row.has("combined_text")) {
    d.question = row.text_of({"question", "problem"});
    d.answer = row.text_of({"gold", "answer"});
    whole(row.text("combined_text"));
  } else if (row.has("Complex_CoT") && row.has("Response")) {  // HuatuoGPT-o1
    d.question = row.text("Question");
    d.answer = row.text("Ground-True Answer");
    if (!row.has("answer_type")) d.answer_type = judge::AnswerType::kText;
    separate_parts(row, "Complex_CoT", "Response", d);
  } else if (row.has("reasoning") && row.has("answer_text")) {  // R1 traces of MMLU-Pro
    d.question = row.text("question");
    if (row.has("options")) {
      const auto choices = options_of(row);
      d.answer = option_letter(row, choices.size());
      if (!is_blank(d.question)) d.question = with_options(d.question, choices);
    }
    const std::string predicted = row.text("predicted_letter");
    if (!predicted.empty() && predicted != d.answer) {
      throw Rejection{"wrong_answer", fmt::format("the teacher chose {}, the gold answer is {}",
                                                  excerpt(predicted), d.answer)};
    }
    separate_parts(row, "reasoning", "answer_text", d);
  } else if (row.has("deepseek_reasoning") && row.has("deepseek_solution")) {  // OpenThoughts
    d.question = row.text_of({"problem", "question"});
    separate_parts(row, "deepseek_reasoning", "deepseek_solution", d);
  } else if (row.has("question") && row.has("solution") && row.has("thought")) {
    d.question = row.text("question");
    d.answer = row.text("answer");
    if (const Json* history = row.find("history")) take_history(*history, d);
    separate_parts(row, "thought", "solution", d);
  } else if (row.has("question") && (row.has("solution") || row.has("response"))) {
    d.question = row.text("question");
    d.answer = row.text_of({"gold_answer", "gold", "answer"});
    take_response(row.text_of({"response", "solution"}), reasoning_of(row), options.thought_tags,
                  d.thought, d.solution);
  } else {
    throw Rejection{"unknown_layout",
                    "no question and response in any known layout among the fields " + row.keys()};
  }
  d.answer = std::string(trimmed(d.answer));
  check(d, options);
  take_gold(row, d);
  return {std::move(d)};
}

}  // namespace ponder::data
