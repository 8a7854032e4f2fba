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

Exercise make_arithmetic(int level, const TeacherOptions& options, RandomSequence& random) {
  const int value = static_cast<int>(random.between(kMinValue, kMaxValue));
  const int num_operations = level == 5 ? static_cast<int>(random.between(5, 6)) : level;
  const std::string text = grow_expression(random, value, num_operations);
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

}  // namespace ponder::synth
