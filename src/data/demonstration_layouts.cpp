#include "data/demonstration_layouts.h"

#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "data/choices.h"
#include "data/gold.h"
#include "data/response_reading.h"

namespace ponder::data {
namespace {

// Thought and solution in fields of their own; the fields of the question are those of ask_of.
struct Parts {
  const char *thought, *solution;
  const char* grade;  // the set's own verdict: "Yes" or "No"; may be null
};
constexpr std::array kParts = {
    Parts{"Complex_CoT", "Response", nullptr},                                    // HuatuoGPT-o1
    Parts{"deepseek_reasoning", "deepseek_solution", nullptr},                    // OpenThoughts
    Parts{"deepseek_thinking_trajectory", "deepseek_attempt", "deepseek_grade"},  // s1K-1.1
    Parts{"gemini_thinking_trajectory", "gemini_attempt", "gemini_grade"},        // s1K-1.1
    Parts{"thinking_trajectories", "attempt", nullptr},                           // s1K
    Parts{"model_reasoning", "model_answer", nullptr},                            // GeneralThought
    Parts{"reasoning_content", "content", nullptr},  // Chinese-DeepSeek-R1
    Parts{"thought", "solution", nullptr},           // ponder's own
};

// A whole response, or several: thought and solution in one text, or messages.
constexpr std::array kResponses = {
    "completion",   "response",           "output",
    "llm_response", "generated_solution", "reannotated_assistant_content",
    "r1_solution",  "responses",          "solution"};
constexpr std::array kDeepMath = {"r1_solution_1", "r1_solution_2", "r1_solution_3"};
constexpr std::array kConversations = {"reannotated_messages", "conversations", "messages",
                                       "conversation", "dialogue"};

const Parts* parts_in(const RowFields& row) {
  for (const Parts& parts : kParts) {
    if (row.has(parts.thought) && row.has(parts.solution)) return &parts;
  }
  return nullptr;
}

const char* response_in(const RowFields& row) {
  for (const char* key : kResponses) {
    if (row.has(key)) return key;
  }
  return nullptr;
}

const Json* conversation_in(const RowFields& row) {
  for (const char* key : kConversations) {
    if (const Json* turns = row.find(key)) return turns;
  }
  return nullptr;
}

bool has_question(const RowFields& row) {
  return conversation_in(row) ||
         row.has_any({"prompt", "instruction", "query", "question", "problem", "input"});
}

bool ends_with_response(const Json& field) {
  Json parsed;
  const Json& turns = parsed_list(field, parsed);
  return turns.is_array() && !turns.empty() && has_response(Json::array({turns.back()}));
}

// A text, or the one text of a list.
std::string text_of_part(const RowFields& row, const char* key) {
  const Json& value = *row.find(key);
  if (!value.is_array() || value.size() != 1 || !value[0].is_string()) return row.text(key);
  return value[0].get<std::string>();
}

using Found = std::vector<Accepted<Demonstration>>;

void append(Found& all, Found more) {
  for (auto& one : more) all.push_back(std::move(one));
}

// One response to the row's question, in a conversation of its own.
template <class Answer>
void respond(const RowFields& row, const Demonstration& common,
             const DemonstrationReadOptions& options, Changes& changes, Found& all,
             const Answer& answer) {
  Conversation conversation(common, options, changes);
  try {
    if (!ask_of(row, conversation)) {
      throw Rejection{"unknown_layout",
                      "no question in any known layout among the fields " + row.keys()};
    }
    answer(conversation);
    append(all, conversation.finish());
  } catch (const Rejection& why) {
    all.emplace_back(why);
  }
}

// OpenR1-Math: several responses, of each of which the set says whether it is whole and right.
Found generations(const RowFields& row, const Demonstration& common,
                  const DemonstrationReadOptions& options, Changes& changes) {
  Json parsed;
  const Json& list = parsed_list(*row.find("generations"), parsed);
  if (!list.is_array()) throw Rejection{"bad_field", "expected generations as an array"};
  const auto flag = [&](const char* key, size_t i) -> std::optional<bool> {
    const Json* flags = row.find(key);
    if (!flags || !flags->is_array() || i >= flags->size() || !(*flags)[i].is_boolean())
      return std::nullopt;
    return (*flags)[i].get<bool>();
  };
  Found all;
  for (size_t i = 0; i < list.size(); ++i) {
    if (flag("is_reasoning_complete", i) == false) {
      all.emplace_back(
          Rejection{"unfinished", fmt::format("is_reasoning_complete[{}] is false", i)});
      continue;
    }
    if (flag("correctness_math_verify", i) == false && flag("correctness_llama", i) != true) {
      all.emplace_back(
          Rejection{"wrong_answer", fmt::format("correctness_math_verify[{}] is false", i)});
      continue;
    }
    respond(row, common, options, changes, all, [&](Conversation& conversation) {
      if (!list[i].is_string()) throw Rejection{"bad_field", "expected generations as texts"};
      conversation.answer(list[i].get<std::string>(), {});
    });
  }
  return all;
}

// Whole responses under `key`: a text, messages, a list of texts or of objects with a response.
void whole_responses(const RowFields& row, const char* key, const Demonstration& common,
                     const DemonstrationReadOptions& options, Changes& changes, Found& all) {
  Json parsed;
  const Json& value = parsed_list(*row.find(key), parsed);
  const bool turns = value.is_array() && !value.empty() && value[0].is_object() &&
                     RowFields(value[0]).has_any({"role", "from"});
  if (!value.is_array() || turns || value.empty()) {
    return respond(row, common, options, changes, all, [&](Conversation& conversation) {
      if (value.is_array() || value.is_object()) {
        conversation.add(value);
      } else {
        conversation.answer(row.text(key), apart_thought(row, true));
      }
    });
  }
  for (const Json& one : value) {
    respond(row, common, options, changes, all, [&](Conversation& conversation) {
      const Json wrapped = {{"response", one}};
      conversation.answer(RowFields(one.is_object() ? one : wrapped).text("response"), {});
    });
  }
}

// R1 traces of MMLU-Pro.
void traces(const RowFields& row, Demonstration& d, Changes& changes) {
  d.question = row.text("question");
  if (has_choices(row)) {
    const Choices choices = choices_of(row);
    d.answer = choice_letter_of(row, choices);
    if (!is_blank(d.question)) d.question = with_options(d.question, choices.texts);
  }
  const std::string predicted = row.text("predicted_letter");
  if (!predicted.empty() && predicted != d.answer) {
    throw Rejection{"wrong_answer", fmt::format("the teacher chose {}, the gold answer is {}",
                                                excerpt(predicted), d.answer)};
  }
  take_parts(row.text("reasoning"), row.text("answer_text"), d, changes);
}

// s1K as its trainer wrote it: a conversation whose thought is a turn.
bool s1k_text(const std::string& text, Demonstration& d, Changes& changes) {
  constexpr std::string_view kThink = "<|im_start|>think\n", kAnswer = "<|im_start|>answer\n";
  const size_t think = text.find(kThink), answer = text.find(kAnswer);
  if (think == text.npos || answer == text.npos || answer < think) return false;
  const size_t begin = think + kThink.size();
  take_parts(text.substr(begin, answer - begin), text.substr(answer + kAnswer.size()), d, changes);
  return true;
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

// [[question, response], …]
void add_pairs(const Json& history, Conversation& conversation) {
  if (!history.is_array()) throw Rejection{"bad_field", "expected the history as an array"};
  for (const Json& turn : history) {
    if (!turn.is_array() || turn.size() != 2 || !turn[0].is_string() || !turn[1].is_string()) {
      throw Rejection{"bad_field", "expected pairs of question and response in the history"};
    }
    conversation.ask(turn[0].get<std::string>());
    conversation.answer(turn[1].get<std::string>(), {});
  }
}

// The layouts that are no conversation: one demonstration, complete but for its gold; false for others.
bool single(const RowFields& row, Demonstration& d, const DemonstrationReadOptions& options,
            Changes& changes) {
  if (row.has("combined_text")) {
    d.question = row.text_of({"question", "problem"});
    take_response(row.text("combined_text"), {}, options.thought_tags, d, changes);
  } else if (row.has("Complex_CoT") && row.has("Response")) {
    d.question = row.text("Question");
    if (!row.has("answer_type")) d.answer_type = judge::AnswerType::kText;
    take_parts(row.text("Complex_CoT"), row.text("Response"), d, changes);
  } else if (row.has("question") && row.has("thought") && row.has("solution")) {
    d.question = row.text("question");
    if (const Json* history = row.find("history")) take_history(*history, d);
    take_parts(row.text("thought"), row.text("solution"), d, changes);
  } else if (row.has("reasoning") && row.has("answer_text")) {
    traces(row, d, changes);
  } else if (row.has("question") && row.has("text") && s1k_text(row.text("text"), d, changes)) {
    d.question = row.text("question");
  } else {
    return false;
  }
  return true;
}

// A trajectory that says itself that it is not whole, or wrong.
void refuse_failed(const RowFields& row) {
  if (!row.has("problem_id") || !row.has("finish_reason")) return;
  const std::string finish = row.text("finish_reason");
  if (finish != "stop") throw Rejection{"unfinished", "ended by " + excerpt(finish)};
  if (row.has("verdict") && row.text("verdict") == "incorrect")
    throw Rejection{"wrong_answer", "the verdict is incorrect"};
}

Found several(const RowFields& row, const Demonstration& common,
              const DemonstrationReadOptions& options, Changes& changes) {
  Found all;
  if (row.has("generations") && has_question(row))
    return generations(row, common, options, changes);
  const Json* turns = conversation_in(row);
  if (turns && (has_response(*turns) || !(parts_in(row) || response_in(row) ||
                                          (row.has("reasoning") && row.has("answer"))))) {
    Conversation conversation(common, options, changes);
    conversation.add(*turns);
    return conversation.finish();
  }
  if (turns && row.has("reasoning") && row.has("answer") && !response_in(row)) {  // dolphin-r1
    respond(row, common, options, changes, all, [&](Conversation& conversation) {
      conversation.answer_in_parts(row.text("reasoning"), row.text("answer"));
    });
    return all;
  }
  if (!has_question(row)) return all;
  if (const Parts* parts = parts_in(row)) {
    if (parts->grade && lower_ascii(row.text(parts->grade)) == "no") {
      all.emplace_back(Rejection{"wrong_answer", fmt::format("{} is \"No\"", parts->grade)});
      return all;
    }
    respond(row, common, options, changes, all, [&](Conversation& conversation) {
      conversation.answer_in_parts(text_of_part(row, parts->thought),
                                   text_of_part(row, parts->solution));
    });
    return all;
  }
  for (const char* key : kDeepMath) {
    if (row.has(key)) whole_responses(row, key, common, options, changes, all);
  }
  if (!all.empty()) return all;
  if (const char* key = response_in(row)) whole_responses(row, key, common, options, changes, all);
  return all;
}

// Where the row keeps a longer text in a field that no layout reads, that is what is wanted.
std::string longer_text_in(const Json& json, size_t size) {
  std::string longest;
  const auto is_question = [](std::string_view key) {
    for (const std::string_view known : {"prompt", "instruction", "query", "question", "problem",
                                         "input", "system", "system_prompt"}) {
      if (key == known) return true;
    }
    return false;
  };
  for (const auto& [key, value] : json.items()) {
    if (is_question(key) || !value.is_string() ||
        value.get_ref<const std::string&>().size() <= size)
      continue;
    size = value.get_ref<const std::string&>().size();
    longest = key;
  }
  return longest;
}

}  // namespace

Demonstration common_of(const RowFields& row, Changes& changes) {
  Demonstration d;
  d.id = row.metadata({"id", "unique_id"}, changes);
  d.domain = row.metadata({"domain", "subject"}, changes);
  d.source = row.metadata({"source"}, changes);
  d.level = row.metadata({"level", "difficulty"}, changes);
  const std::string system = row.text("system"), column = row.text("system_prompt");
  d.system = system;
  if (is_blank(system)) {
    d.system = column;
  } else if (!is_blank(column) && trimmed(system) != trimmed(column)) {
    d.system += "\n\n" + column;
    ++changes["system_turns_joined"];
  }
  return d;
}

void take_gold(const RowFields& row, const std::string& gold, Demonstration& d, Changes& changes) {
  const Json* type = row.find("answer_type");
  std::optional<judge::AnswerType> known;
  if (type && type->is_string()) known = answer_type_named(type->get<std::string>(), gold);
  if (type && !known) ++changes["metadata_left_empty"];
  d.answer = std::string(trimmed(gold));
  if (known) {
    d.answer_type = *known;
  } else if (gold_is_readable(d.answer, judge::AnswerType::kChoice) &&
             d.question.find("(" + d.answer + ")") != std::string::npos) {
    d.answer_type = judge::AnswerType::kChoice;
  }
  if (d.answer.empty()) return;
  if (stands_for_no_gold(d.answer) || !gold_is_readable(d.answer, d.answer_type)) {
    d.answer.clear();
    ++changes["gold_left_empty"];
  }
}

bool ask_of(const RowFields& row, Conversation& conversation) {
  // Turns that end with a response of their own (OpenR1-Math) are not the question, if it stands apart.
  const Json* asked = conversation_in(row);
  if (asked &&
      !(ends_with_response(*asked) && row.has_any({"prompt", "query", "question", "problem"}))) {
    conversation.add(*asked);
    return true;
  }
  if (const Json* history = row.find("history")) add_pairs(*history, conversation);
  if (row.has("instruction")) {
    conversation.ask(instruction_with_input(row));
    return true;
  }
  for (const char* key : {"prompt", "query", "question", "problem", "input"}) {
    const Json* value = row.find(key);
    if (!value) continue;
    Json parsed;
    const Json& turns = parsed_list(*value, parsed);
    const bool is_turns = turns.is_array() && !turns.empty() && turns[0].is_object();
    if (is_turns || value->is_array()) {
      conversation.add(turns);
    } else {
      conversation.ask(row.text(key));
    }
    return true;
  }
  return false;
}

bool is_demonstration(const RowFields& row) {
  const Json* turns = conversation_in(row);
  if (turns && has_response(*turns)) return true;
  if (row.has("combined_text") || parts_in(row)) return true;
  if (row.has("ground_truth") || row.has("reward_model")) return row.has("generations");
  if (turns ||
      row.has_any({"instruction", "thought", "Complex_CoT", "reasoning", "deepseek_reasoning"}))
    return true;
  if (!has_question(row)) return false;
  if (row.has("text") && row.find("text")->is_string() &&
      row.text("text").find("<|im_start|>think") != std::string::npos)
    return true;
  if (row.has_any({"completion", "response", "output", "llm_response", "generated_solution",
                   "generations", "r1_solution_1", "reannotated_assistant_content"}))
    return true;
  return row.has("question") && row.has("gold_answer");
}

std::vector<Accepted<Demonstration>> demonstrations_from_row(
    const Json& json, const DemonstrationReadOptions& options, Changes& changes) {
  const RowFields row(json);
  refuse_other_media(row);
  refuse_failed(row);
  Demonstration d = common_of(row, changes);
  // Of dolphin-r1 and of Huatuo "answer" and "Response" are no gold answers.
  std::string gold;
  const Json* turns = conversation_in(row);
  const bool answer_is_response = turns && !has_response(*turns) && row.has("reasoning");
  if (row.has("Ground-True Answer")) {
    gold = row.text("Ground-True Answer");
  } else if (!answer_is_response) {
    try {
      gold = gold_of(row);
    } catch (const Rejection&) {
      ++changes["gold_left_empty"];
    }
  }
  Found all;
  if (single(row, d, options, changes)) {
    check_demonstration(d, options);
    all.emplace_back(std::move(d));
  } else {
    all = several(row, d, options, changes);
  }
  if (all.empty()) {
    throw Rejection{"unknown_layout",
                    "no question and response in any known layout among the fields " + row.keys()};
  }
  for (auto& one : all) {
    if (one) {
      take_gold(row, one->answer.empty() ? gold : one->answer, *one, changes);
    } else if (one.why().reason == "no_thought" && all.size() == 1 && !turns) {
      const char* key = response_in(row);
      const std::string field =
          key ? longer_text_in(json, row.find(key)->is_string() ? row.text(key).size() : 0) : "";
      if (!field.empty()) {
        one = Accepted<Demonstration>(
            Rejection{"no_thought",
                      fmt::format("expected a thought before the solution, found none in \"{}\"; "
                                  "\"{}\", which no layout reads, holds a longer text",
                                  key, field)});
      }
    }
  }
  return all;
}

}  // namespace ponder::data
