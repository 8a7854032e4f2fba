#include <fmt/format.h>

#include "synth/exercise.h"

namespace ponder::synth {

std::string expression_content(const std::string& expression) { return "arithmetic|" + expression; }

std::vector<std::string> contents_on_the_way(const Expression& expression) {
  std::vector<std::string> contents;
  for (Expression rest = expression; rest.num_operations() > 2;) {
    rest = rest.after(rest.next().value());
    contents.push_back(expression_content(rest.text()));
  }
  return contents;
}

std::string answer_sentence(const std::string& answer) {
  return "The answer is \\boxed{" + answer + "}.";
}

std::string join_lines(const std::vector<std::string>& lines) {
  return fmt::format("{}", fmt::join(lines, "\n"));
}

namespace {

bool every_step(Expression rest, bool carries) {
  while (rest.num_operations() > 0) {
    const Fact fact = rest.next();
    if (fact.carries() != carries) return false;
    rest = rest.after(fact.value());
  }
  return true;
}

Exercise asking(const std::string& text, int value, const TeacherOptions& options,
                RandomSequence& random) {
  const Expression expression = Expression::parse(text);
  Exercise exercise;
  exercise.content = expression_content(text);
  exercise.on_the_way = contents_on_the_way(expression);
  exercise.question = "Compute " + text;
  exercise.answer = std::to_string(value);
  exercise.answer_type = judge::AnswerType::kNumber;
  exercise.thought = join_lines(work_out(expression, options, random));
  exercise.solution = answer_sentence(exercise.answer);
  return exercise;
}

int operations_of(int level, RandomSequence& random) {
  return level == 5 ? static_cast<int>(random.between(5, 6)) : level;
}

}  // namespace

Exercise make_arithmetic(int level, const TeacherOptions& options, RandomSequence& random) {
  const int value = static_cast<int>(random.between(kMinValue, kMaxValue));
  const std::string text = grow_expression(random, value, operations_of(level, random));
  return asking(text, value, options, random);
}

Exercise make_arithmetic_of(bool carry, int level, const TeacherOptions& options,
                            RandomSequence& random) {
  for (;;) {
    const int value = static_cast<int>(random.between(kMinValue, kMaxValue));
    const std::string text = grow_expression(random, value, operations_of(level, random));
    if (every_step(Expression::parse(text), carry)) return asking(text, value, options, random);
  }
}

}  // namespace ponder::synth
