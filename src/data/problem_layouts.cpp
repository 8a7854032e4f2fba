#include "data/problem_layouts.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "base/error.h"
#include "base/philox.h"
#include "data/choices.h"
#include "data/gold.h"
#include "data/row_fields.h"

namespace ponder::data {
namespace {

// The subjects of MATH and OlymMATH are parts of one domain.
std::string domain_of_subject(std::string_view subject) {
  const std::string lower = lower_ascii(trimmed(subject));
  for (const std::string_view part : {"algebra", "geometry", "combinatorics", "calculus",
                                      "number theory", "probability", "math"}) {
    if (lower.find(part) != std::string::npos) return "math";
  }
  return lower;
}

void take_domain(const RowFields& row, Problem& problem, std::string_view fallback,
                 Changes& changes) {
  const std::string domain = row.metadata({"domain"}, changes);
  if (!is_blank(domain)) {
    problem.domain = domain;
    return;
  }
  const std::string subject = row.metadata({"subject", "type", "category"}, changes);
  problem.domain = is_blank(subject) ? std::string(fallback) : domain_of_subject(subject);
}

void gpqa(const RowFields& row, Problem& problem, uint64_t choice_seed) {
  problem.question = row.text("Question");
  problem.domain = lower_ascii(row.text("High-level domain"));
  problem.answer_type = judge::AnswerType::kChoice;
  if (row.has("Correct Choice")) {
    problem.answer = choice_letter(row.text("Correct Choice"));
    if (!is_blank(problem.question) &&
        problem.question.find("(" + problem.answer + ")") == std::string::npos) {
      throw Rejection{"bad_answer",
                      fmt::format("Correct Choice is \"{}\", which the question does not list",
                                  excerpt(problem.answer))};
    }
    return;
  }
  std::vector<std::string> options;
  for (const char* key :
       {"Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"}) {
    options.emplace_back(trimmed(row.text(key)));
    if (options.back().empty())
      throw Rejection{"bad_options", fmt::format("\"{}\" is missing or empty", key)};
  }
  const std::string correct = options[0];
  RandomSequence random(choice_seed, stable_hash64(normalised_question(problem.question)));
  random.shuffle(options);
  for (size_t i = 0; i < options.size(); ++i) {
    if (options[i] == correct) problem.answer = std::string(1, static_cast<char>('A' + i));
  }
  if (!is_blank(problem.question)) problem.question = with_options(problem.question, options);
  problem.choices = std::move(options);
  problem.source = fmt::format("GPQA, choices shuffled by seed {}", choice_seed);
}

void asked_with_choices(const RowFields& row, Problem& problem, Changes& changes) {
  const std::string question =
      row.text_of({"question", "question_stem", "problem", "query", "prompt"});
  Choices choices = choices_of(row);
  problem.answer = choice_letter_of(row, choices);
  problem.choices = std::move(choices.texts);
  problem.answer_type = judge::AnswerType::kChoice;
  problem.question = is_blank(question) ? "" : with_options(question, problem.choices);
  problem.source = row.metadata({"source"}, changes);
  take_domain(row, problem, "", changes);
}

void knights_and_knaves(const RowFields& row, Problem& problem) {
  problem.question = row.text("quiz");
  problem.answer = row.text("solution_text");
  problem.answer_type = judge::AnswerType::kText;
  problem.domain = "puzzle";
  problem.level = row.text("people");
}

void ask_for_unit(const RowFields& row, Problem& problem) {
  const std::string unit(trimmed(row.text("unit")));
  if (!unit.empty() && !is_blank(problem.question))
    problem.question += fmt::format(" The unit of the answer should be {}.", unit);
}

void scibench(const RowFields& row, Problem& problem, Changes& changes) {
  problem.question = row.text_of({"content", "problem_text"});
  problem.answer = std::string(trimmed(row.text_of({"answer_number", "answer"})));
  problem.answer_type = judge::AnswerType::kNumber;
  problem.tolerance = 0.05;  // SciBench's own
  ask_for_unit(row, problem);
  problem.source = row.metadata({"source", "book"}, changes);
  take_domain(row, problem, "", changes);
}

// The one user turn of messages; a gold answer may stand in a turn behind it (ORZ).
struct AskedTurn {
  std::string question, gold;
};
AskedTurn asked_turn(const Json& messages) {
  if (!messages.is_array()) throw Rejection{"bad_field", "expected messages as an array"};
  AskedTurn asked;
  int turns = 0;
  for (const Json& message : messages) {
    if (!message.is_object())
      throw Rejection{"bad_field", "expected messages with role and content"};
    const RowFields fields(message);
    const std::string role = lower_ascii(fields.text_of({"role", "from"}));
    if (role == "system" || role == "developer") continue;
    if (role != "user" && role != "human") {
      asked.gold = gold_of(fields);
      if (!asked.gold.empty()) continue;
      throw Rejection{"multi_turn", fmt::format("a turn of \"{}\" in a problem", excerpt(role))};
    }
    if (++turns > 1) throw Rejection{"multi_turn", "two user turns in a problem"};
    asked.question = fields.text_of({"content", "value"});
  }
  return asked;
}

void take_answer_type(const RowFields& row, Problem& problem, Changes& changes) {
  if (const Json* field = row.find("answer_type")) {
    std::optional<judge::AnswerType> known;
    if (field->is_string())
      known = answer_type_named(field->get_ref<const std::string&>(), problem.answer);
    if (known) problem.answer_type = *known;
    const Json* several = row.find("is_multiple_answer");
    if (several && *several == true) problem.answer_type = judge::AnswerType::kMath;
    if (!known) ++changes["metadata_left_empty"];
  } else if (const size_t mark = problem.answer.rfind("####"); mark != std::string::npos) {
    problem.answer = std::string(trimmed(std::string_view(problem.answer).substr(mark + 4)));
    std::erase(problem.answer, ',');  // GSM8K
    problem.answer_type = judge::AnswerType::kNumber;
    if (problem.domain.empty()) problem.domain = "math";
  }
  if (problem.answer_type == judge::AnswerType::kChoice)
    problem.answer = choice_letter(problem.answer);
}

void take_tolerance(const RowFields& row, Problem& problem) {
  problem.tolerance = tolerance_of_error(row, problem.answer);
  if (const Json* tolerance = row.find("tolerance")) {
    const double value = tolerance->is_number() ? tolerance->get<double>() : -1;
    if (!(value >= 0 && value < 1)) {
      throw Rejection{"bad_tolerance",
                      fmt::format("expected a share of at least 0 and below 1, found {}",
                                  excerpt(dump_json(*tolerance)))};
    }
    problem.tolerance = value;
  }
}

// A question, a gold answer, each under one of its names: ponder's own, MATH, OlymMATH, AIME, GSM8K,
// DeepMath, verl, DAPO, ORZ, OpenMathReasoning.
void question_and_answer(const RowFields& row, Problem& problem, Changes& changes) {
  std::string gold_in_turn;
  bool turns = false;
  for (const char* key : {"problem", "question", "messages", "prompt", "conversations", "query",
                          "instruction", "input"}) {
    const Json* value = row.find(key);
    if (!value) continue;
    Json parsed;
    const Json& list = parsed_list(*value, parsed);
    turns = std::string_view(key) == "messages" || std::string_view(key) == "conversations";
    if (turns || (list.is_array() && !list.empty() && list[0].is_object())) {
      AskedTurn asked = asked_turn(list);
      problem.question = std::move(asked.question);
      gold_in_turn = std::move(asked.gold);
    } else {
      const bool instruction = std::string_view(key) == "instruction";
      problem.question = instruction ? instruction_with_input(row) : row.text(key);
    }
    break;
  }
  problem.source = row.metadata({"source", "data_source"}, changes);
  problem.answer = gold_or_solution(row, changes);
  if (problem.answer.empty()) problem.answer = gold_in_turn;
  const bool of_subjects = turns && row.has("ground_truth");
  const bool math = row.has_any({"problem", "final_answer", "reward_model"}) ||
                    (row.has("ground_truth") && !turns);
  take_domain(row, problem, math ? "math" : "", changes);
  if (of_subjects) {  // words, some of them numbers
    problem.answer_type = gold_is_readable(problem.answer, judge::AnswerType::kNumber)
                              ? judge::AnswerType::kNumber
                              : judge::AnswerType::kText;
  } else {
    take_answer_type(row, problem, changes);
  }
  take_tolerance(row, problem);
  ask_for_unit(row, problem);
}

std::string id_of(const RowFields& row, bool own, const std::string& stem, uint64_t line,
                  Changes& changes) {
  if (row.has("year") &&
      row.has("problem_number")) {  // AIME by year; no field of it is an id by itself
    return fmt::format("aime-{}-{}-{}", row.text("year"), row.text("aime_number"),
                       row.text("problem_number"));
  }
  const std::string id(trimmed(row.metadata({"id", "unique_id", "question_id"}, changes)));
  if (id.empty()) return fmt::format("{}-{}", stem, line);
  // A bare number is an id only inside its file.
  return !own && is_digits(id) ? fmt::format("{}-{}", stem, id) : id;
}

}  // namespace

Problem problem_from_row(const Json& json, const std::string& stem, uint64_t line,
                         uint64_t choice_seed, Changes& changes) {
  const RowFields row(json);
  refuse_other_media(row);
  Problem problem;
  problem.level = row.metadata({"level", "difficulty"}, changes);
  if (row.has("Question") && row.has("Correct Answer")) {
    gpqa(row, problem, choice_seed);
  } else if (row.has_any({"question", "question_stem", "query", "problem", "prompt"}) &&
             has_choices(row)) {
    asked_with_choices(row, problem, changes);
  } else if (row.has("quiz") && row.has("solution_text")) {
    knights_and_knaves(row, problem);
  } else if (row.has("content") || row.has("problem_text")) {
    scibench(row, problem, changes);
  } else if (row.has_any({"question", "problem", "prompt", "messages", "conversations", "query",
                          "instruction", "input"})) {
    question_and_answer(row, problem, changes);
  } else {
    throw Rejection{"unknown_layout",
                    "no question in any known layout among the fields " + row.keys()};
  }
  problem.id = id_of(row, row.has("answer_type"), stem, line, changes);
  problem.answer = std::string(trimmed(problem.answer));
  if (is_blank(problem.question)) throw Rejection{"empty_question", "the question is empty"};
  if (problem.answer.empty()) {
    throw Rejection{"no_answer",
                    "expected a gold answer, found none among the fields " + row.keys()};
  }
  if (problem.answer_type != judge::AnswerType::kText && stands_for_no_gold(problem.answer)) {
    throw Rejection{"no_answer", fmt::format("\"{}\" stands where the gold answer should",
                                             excerpt(problem.answer))};
  }
  if (!gold_is_readable(problem.answer, problem.answer_type)) {
    throw Rejection{"bad_answer",
                    fmt::format("\"{}\" cannot be read as an answer of type {}",
                                excerpt(problem.answer), judge::to_string(problem.answer_type))};
  }
  return problem;
}

}  // namespace ponder::data
