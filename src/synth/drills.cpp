// Drills: what the base model practises. Each row asks several small things of one kind and answers
// each on a line of its own, in the words and signs of the thoughts, but never chains two steps.
#include <fmt/format.h>

#include <algorithm>

#include "synth/exercise.h"

namespace ponder::synth {

namespace {

struct Row {
  std::vector<std::string> questions, answers;
  void add(std::string question, std::string answer) {
    questions.push_back(std::move(question));
    answers.push_back(std::move(answer));
  }
};

int number(RandomSequence& random) {
  return static_cast<int>(random.between(kMinValue, kMaxValue));
}

// A fact whose result is in range, every sign and every pair of numbers within reach.
Fact random_fact(RandomSequence& random) {
  const int kind = static_cast<int>(random.below(10));
  if (kind < 3) {
    const int sum = static_cast<int>(random.between(2, kMaxValue));
    const int left = static_cast<int>(random.between(1, sum - 1));
    return {left, '+', sum - left};
  }
  if (kind < 6) {
    const int left = static_cast<int>(random.between(2, kMaxValue));
    return {left, '-', static_cast<int>(random.between(1, left - 1))};
  }
  int small = static_cast<int>(random.between(1, 9));
  if (small == 1) small = static_cast<int>(random.between(1, 33));
  int other = static_cast<int>(random.between(1, kMaxValue / small));
  const int product = small * other;
  if (random.below(2) == 0) std::swap(small, other);
  if (kind < 9) return {small, '*', other};
  return {product, '/', small};
}

// Any fact a thought may write, out of range or not whole too.
Fact any_fact(RandomSequence& random) {
  const uint64_t kind = random.below(8);
  if (kind == 0) return {number(random), '+', number(random)};
  if (kind == 1) return {number(random), '-', static_cast<int>(random.between(1, 30))};
  if (kind == 2) return {number(random), '*', static_cast<int>(random.between(2, 20))};
  if (kind == 3) return {number(random), '/', static_cast<int>(random.between(2, 20))};
  return random_fact(random);
}

Row facts(RandomSequence& random) {
  Row row;
  for (int i = 0; i < 8; ++i) {
    const Fact fact = any_fact(random);
    row.add(fact.question(), fact.text());
  }
  return row;
}

Row checks(RandomSequence& random) {
  Row row;
  for (int i = 0; i < 6; ++i) {
    const Fact fact = random_fact(random);
    const int wrong = random.below(2) == 0 ? plausible_slip(fact, random) : 0;
    const int claimed = wrong != 0 ? wrong : fact.value();
    row.add(fact.claim(claimed),
            fmt::format("{}, check {}", fact.claim(claimed), check_text(fact, claimed)));
  }
  return row;
}

Row letters(RandomSequence& random) {
  std::vector<int> choices;
  while (choices.size() < 4) {
    const int choice = number(random);
    if (std::find(choices.begin(), choices.end(), choice) == choices.end())
      choices.push_back(choice);
  }
  Row row;
  for (int i = 0; i < 4; ++i) {
    const size_t pick = random.below(4);
    row.add(std::to_string(choices[pick]),
            fmt::format("{} is {}", choices[pick], static_cast<char>('A' + pick)));
  }
  for (size_t i = 0; i < 4; ++i) {
    row.questions.back() += fmt::format("\n({}) {}", static_cast<char>('A' + i), choices[i]);
  }
  return row;
}

Row steps(RandomSequence& random, std::vector<std::string>& on_the_way) {
  Row row;
  for (int i = 0; i < 3; ++i) {
    std::string text;
    // A quarter are what choice questions ask for: they know divisions and mean values.
    if (random.below(4) == 0) {
      text = tell_story(static_cast<int>(random.between(2, 5)), random).expression;
    } else {
      text = grow_expression(random, number(random), static_cast<int>(random.between(1, 6)));
    }
    const Expression expression = Expression::parse(text);
    if (expression.num_operations() > 1) on_the_way.push_back(expression_content(text));
    if (expression.num_operations() > 2) {
      on_the_way.push_back(expression_content(expression.after(expression.next().value()).text()));
    }
    row.add(text, step_line(expression));
  }
  return row;
}

Row backward(RandomSequence& random) {
  Row row;
  for (int i = 0; i < 2; ++i) {
    const std::string signs = random.below(4) == 0 ? "+-" : "+-*";
    const int target = number(random);
    const int last = static_cast<int>(random.between(2, 20));
    std::string answer = join_lines(backward_lines(target, last, signs));
    answer += fmt::format("\nNeed {}", fmt::join(backward_values(target, last, signs), ","));
    row.add(fmt::format("{} by {}{}", target, signs, last), answer);
  }
  return row;
}

// Is a result among the needed ones? Half of them are.
Row needs(RandomSequence& random) {
  std::vector<int> wanted;
  for (uint64_t i = 0, count = 1 + random.below(3); i < count; ++i)
    wanted.push_back(number(random));
  Row row;
  for (int i = 0; i < 6; ++i) {
    Fact fact = any_fact(random);
    if (random.below(2) == 0) {
      const int hit = wanted[random.below(wanted.size())];
      const int other = static_cast<int>(random.between(2, 20));
      fact = hit > other ? Fact{hit - other, '+', other} : Fact{hit + other, '-', other};
    }
    const bool in_range = fact.outcome() == Outcome::kNumber;
    const bool found =
        in_range && std::find(wanted.begin(), wanted.end(), fact.value()) != wanted.end();
    row.add(fact.question(), fact.text() + (!in_range ? "" : found ? " yes" : " no"));
  }
  row.questions.front() = fmt::format("Need {}: {}", fmt::join(wanted, ","), row.questions.front());
  return row;
}

Row stories(RandomSequence& random, std::vector<std::string>& on_the_way) {
  const Story story = tell_story(static_cast<int>(random.between(1, 5)), random);
  on_the_way.push_back(story.content);
  if (Expression::parse(story.expression).num_operations() > 1) {
    on_the_way.push_back(expression_content(story.expression));
  }
  Row row;
  row.add(ask(story, random).text, story.expression);
  return row;
}

}  // namespace

Exercise make_drill(int level, RandomSequence& random) {
  Exercise exercise;
  const bool second = random.below(2) == 0;
  Row row;
  std::string name;
  switch (level) {
    case 1:
      name = "Facts";
      row = facts(random);
      break;
    case 2:
      name = second ? "Find" : "Check";
      row = second ? letters(random) : checks(random);
      break;
    case 3:
      name = "Step";
      row = steps(random, exercise.on_the_way);
      break;
    case 4:
      name = second ? "Match" : "Reach";
      row = second ? needs(random) : backward(random);
      break;
    default:
      name = "Set up";
      row = stories(random, exercise.on_the_way);
      break;
  }
  exercise.question = fmt::format("{}: {}", name, fmt::join(row.questions, ";"));
  exercise.answer = join_lines(row.answers);
  exercise.answer_type = judge::AnswerType::kText;
  exercise.solution = exercise.answer;
  exercise.content = "facts|" + exercise.question;
  return exercise;
}

}  // namespace ponder::synth
