#include "data/problem_layouts.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "base/error.h"
#include "base/philox.h"
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

void take_domain(const RowFields& row, Problem& problem, std::string_view fallback) {
  const std::string domain = row.text("domain");
  if (!is_blank(domain)) {
    problem.domain = domain;
    return;
  }
  const std::string subject = row.text_of({"subject", "type", "category"});
  problem.domain = is_blank(subject) ? std::string(fallback) : domain_of_subject(subject);
}

// A letter as "C", "(C)" or "c".
std::string choice_letter(std::string_view gold) {
  gold = trimmed(gold);
  if (gold.size() == 3 && gold[0] == '(' && gold[2] == ')') gold = gold.substr(1, 1);
  std::string letter(gold);
  if (letter.size() == 1 && letter[0] >= 'a' && letter[0] <= 'z') letter[0] -= 'a' - 'A';
  return letter;
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

void with_choices(const RowFields& row, Problem& problem) {
  const std::string question = row.text("question");
  problem.choices = options_of(row);
  problem.answer = option_letter(row, problem.choices.size());
  problem.answer_type = judge::AnswerType::kChoice;
  problem.question = is_blank(question) ? "" : with_options(question, problem.choices);
  take_domain(row, problem, "");
}

void knights_and_knaves(const RowFields& row, Problem& problem) {
  problem.question = row.text("quiz");
  problem.answer = row.text("solution_text");
  problem.answer_type = judge::AnswerType::kText;
  problem.domain = "puzzle";
  problem.level = row.text("people");
}

void scibench(const RowFields& row, Problem& problem) {
  problem.question = row.text_of({"content", "problem_text"});
  problem.answer = std::string(trimmed(row.text_of({"answer_number", "answer"})));
  problem.answer_type = judge::AnswerType::kNumber;
  problem.tolerance = 0.05;  // SciBench's own
  const std::string unit(trimmed(row.text("unit")));
  if (!unit.empty() && !is_blank(problem.question)) {
    problem.question += fmt::format(" The unit of the answer should be {}.", unit);
  }
  problem.source = row.text_of({"source", "book"});
  take_domain(row, problem, "");
}

// `messages`, an array or its JSON text: the user's turn is the question.
std::string question_of_messages(const Json& field) {
  Json parsed;
  const Json* messages = &field;
  if (field.is_string()) {
    try {
      parsed = parse_json(field.get_ref<const std::string&>(), "messages");
    } catch (const Error& error) {
      throw Rejection{"bad_field", "messages: " + error.problem()};
    }
    messages = &parsed;
  }
  if (!messages->is_array()) throw Rejection{"bad_field", "expected messages as an array"};
  std::string question;
  int turns = 0;
  for (const Json& message : *messages) {
    if (!message.is_object())
      throw Rejection{"bad_field", "expected messages with role and content"};
    const RowFields fields(message);
    const std::string role = fields.text("role");
    if (role == "system") continue;
    if (role != "user")
      throw Rejection{"multi_turn", fmt::format("a turn of \"{}\" in a problem", excerpt(role))};
    if (++turns > 1) throw Rejection{"multi_turn", "two user turns in a problem"};
    question = fields.text("content");
  }
  return question;
}

void ground_truth(const RowFields& row, Problem& problem) {
  const Json* messages = row.find("messages");
  problem.question = messages ? question_of_messages(*messages) : row.text("prompt");
  problem.answer = row.text("ground_truth");
  problem.source = row.text("source");
  if (messages) {  // golds of many subjects: words, some of them numbers
    problem.answer_type = gold_is_readable(problem.answer, judge::AnswerType::kNumber)
                              ? judge::AnswerType::kNumber
                              : judge::AnswerType::kText;
    take_domain(row, problem, "");
  } else {
    take_domain(row, problem, "math");
  }
}

// ponder's own, MATH, OlymMATH, AIME, GSM8K, DeepMath as published.
void question_and_answer(const RowFields& row, Problem& problem) {
  problem.question = row.text_of({"problem", "question"});
  problem.source = row.text("source");
  const bool has_answer = row.has("answer") || row.has("final_answer");
  problem.answer = row.text_of({"answer", "final_answer"});
  if (!has_answer) problem.answer = last_boxed(row.text("solution"));
  take_domain(row, problem, row.has("problem") || row.has("final_answer") ? "math" : "");

  if (row.has("answer_type")) {
    const std::string type = row.text("answer_type");
    const auto known = judge::answer_type_from_string(type);
    if (!known) {
      throw Rejection{
          "bad_answer_type",
          fmt::format("expected math, choice, number or text, found \"{}\"", excerpt(type))};
    }
    problem.answer_type = *known;
  } else if (const size_t mark = problem.answer.rfind("####");
             mark != std::string::npos) {  // GSM8K
    problem.answer = std::string(trimmed(std::string_view(problem.answer).substr(mark + 4)));
    std::erase(problem.answer, ',');
    problem.answer_type = judge::AnswerType::kNumber;
    if (problem.domain.empty()) problem.domain = "math";
  }
  if (problem.answer_type == judge::AnswerType::kChoice)
    problem.answer = choice_letter(problem.answer);
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

std::string id_of(const RowFields& row, bool own, const std::string& stem, uint64_t line) {
  if (row.has("year") &&
      row.has("problem_number")) {  // AIME by year; no field of it is an id by itself
    return fmt::format("aime-{}-{}-{}", row.text("year"), row.text("aime_number"),
                       row.text("problem_number"));
  }
  const std::string id(trimmed(row.text_of({"id", "unique_id", "question_id"})));
  if (id.empty()) return fmt::format("{}-{}", stem, line);
  // A bare number is an id only inside its file.
  return !own && is_digits(id) ? fmt::format("{}-{}", stem, id) : id;
}

}  // namespace

Problem problem_from_row(const Json& json, const std::string& stem, uint64_t line,
                         uint64_t choice_seed) {
  const RowFields row(json);
  Problem problem;
  problem.level = row.text_of({"level", "difficulty"});
  if (row.has("Question") && row.has("Correct Answer")) {
    gpqa(row, problem, choice_seed);
  } else if (row.has("question") && row.has("options")) {
    with_choices(row, problem);
    problem.source = row.text("source");
  } else if (row.has("quiz") && row.has("solution_text")) {
    knights_and_knaves(row, problem);
  } else if (row.has("content") || row.has("problem_text")) {
    scibench(row, problem);
  } else if (row.has("ground_truth") && (row.has("prompt") || row.has("messages"))) {
    ground_truth(row, problem);
  } else if (row.has("question") || row.has("problem")) {
    question_and_answer(row, problem);
  } else {
    throw Rejection{"unknown_layout",
                    "no question in any known layout among the fields " + row.keys()};
  }
  problem.id = id_of(row, row.has("answer_type"), stem, line);
  problem.answer = std::string(trimmed(problem.answer));
  if (is_blank(problem.question)) throw Rejection{"empty_question", "the question is empty"};
  if (problem.answer.empty()) {
    throw Rejection{"no_answer",
                    "expected a gold answer, found none among the fields " + row.keys()};
  }
  if (!gold_is_readable(problem.answer, problem.answer_type)) {
    throw Rejection{"bad_answer",
                    fmt::format("\"{}\" cannot be read as an answer of type {}",
                                excerpt(problem.answer), judge::to_string(problem.answer_type))};
  }
  return problem;
}

}  // namespace ponder::data
