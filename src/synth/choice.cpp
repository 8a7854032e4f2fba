#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "synth/exercise.h"

namespace ponder::synth {

namespace {

// The words of one quantity that adds up from products. {0} and {1} are the two factors, {0} alone
// an amount.
struct Theme {
  const char* name;
  const char* first;     // "A car goes 12 m/s for 5 s"
  const char* further;   // ", then 3 m/s for 4 s"
  const char* gain;      // ", then 7 m more"
  const char* loss;      // ", then 7 m back"
  const char* question;  // the total
};

constexpr std::array<Theme, 7> kThemes = {{
    {"motion", "A car goes {} m/s for {} s", ", then {} m/s for {} s", ", then {} m more",
     ", then {} m back", "How far is it from the start?"},
    {"energy", "A lamp takes {} W for {} s", ", then {} W for {} s", ", then {} J more",
     ", but {} J come from the sun", "How much energy is bought?"},
    {"work", "A force of {} N acts over {} m", ", then {} N over {} m", ", then {} J more",
     ", but {} J are lost", "How much work is done?"},
    {"charge", "A current of {} A flows for {} s", ", then {} A for {} s", ", then {} C more",
     ", then {} C flow back", "How much charge is it?"},
    {"mass", "A block has {} cm3 of {} g/cm3", " and {} cm3 of {} g/cm3", " and {} g more",
     ", less {} g cut off", "What is its mass?"},
    {"force", "An engine moves {} kg at {} m/s2", " and {} kg at {} m/s2",
     " against {} N of friction", " with {} N of help", "What force is needed?"},
    {"momentum", "A cart has {} kg at {} m/s", " and one {} kg at {} m/s",
     " and one a momentum of {}", " and one a momentum of {} backward",
     "What is the total momentum?"},
}};

struct Quotient {
  const char* name;
  const char* text;
};

constexpr std::array<Quotient, 4> kQuotients = {{
    {"speed", "A car goes {} m in {} s. What is its speed?"},
    {"density", "A block of {} g has {} cm3. What is its density?"},
    {"power", "A lamp takes {} J in {} s. What is its power?"},
    {"acceleration", "A force of {} N acts on {} kg. What is the acceleration?"},
}};

bool in_range(const Expression& expression) {
  Expression rest = expression;
  while (rest.num_operations() > 0) {
    const Fact fact = rest.next();
    if (fact.outcome() != Outcome::kNumber) return false;
    rest = rest.after(fact.value());
  }
  return true;
}

int evaluate(const Expression& expression) {
  Expression rest = expression;
  Fact last;
  while (rest.num_operations() > 0) {
    last = rest.next();
    rest = rest.after(last.value());
  }
  return last.value();
}

Story tell_quotient(RandomSequence& random) {
  const Quotient& quotient = kQuotients[random.below(kQuotients.size())];
  const int divisor = static_cast<int>(random.between(2, 30));
  const int result = static_cast<int>(random.between(2, std::max(2, kMaxValue / divisor)));
  Story story;
  story.expression = fmt::format("{}/{}", divisor * result, divisor);
  story.text = fmt::format(fmt::runtime(quotient.text), divisor * result, divisor);
  story.content = fmt::format("choice|{}|{}", quotient.name, story.expression);
  return story;
}

// Distance over time for the whole way.
Story tell_average(RandomSequence& random) {
  std::string text, distance, time;
  for (int i = 0; i < 2; ++i) {
    const int speed = static_cast<int>(random.between(2, 25));
    const int seconds = static_cast<int>(random.between(2, 12));
    text +=
        fmt::format(fmt::runtime(i == 0 ? kThemes[0].first : kThemes[0].further), speed, seconds);
    distance += fmt::format("{}{}*{}", i == 0 ? "" : "+", speed, seconds);
    time += fmt::format("{}{}", i == 0 ? "" : "+", seconds);
  }
  Story story;
  story.expression = fmt::format("({})/({})", distance, time);
  story.text = text + ". What is its mean speed?";
  story.content = "choice|mean|" + story.expression;
  return story;
}

// Products, and at even levels an amount more or less: 1, 1 + amount, 2, 2 + amount, 3 products.
Story tell_total(int level, RandomSequence& random) {
  const Theme& theme = kThemes[random.below(kThemes.size())];
  const int num_products = (level + 1) / 2;
  const int largest = num_products == 1 ? 40 : 20;
  Story story;
  for (int i = 0; i < num_products; ++i) {
    const int first = static_cast<int>(random.between(2, largest));
    const int second = static_cast<int>(random.between(2, std::max(2, 80 / num_products / first)));
    story.text += fmt::format(fmt::runtime(i == 0 ? theme.first : theme.further), first, second);
    story.expression += fmt::format("{}{}*{}", i == 0 ? "" : "+", first, second);
  }
  if (level % 2 == 0 || (level == 5 && random.below(2) == 0)) {
    const bool gains = random.below(2) == 0;
    const int amount = static_cast<int>(random.between(2, 40));
    story.text += fmt::format(fmt::runtime(gains ? theme.gain : theme.loss), amount);
    story.expression += fmt::format("{}{}", gains ? "+" : "-", amount);
  }
  story.text += fmt::format(". {}", theme.question);
  story.content = fmt::format("choice|{}|{}", theme.name, story.expression);
  return story;
}

// Results of plausible mistakes: a part left out, the sign of the last part turned, a slip of one
// or ten.
std::vector<int> distractors(const std::string& expression, int gold, RandomSequence& random) {
  std::vector<int> candidates;
  for (size_t i = 0; i < expression.size(); ++i) {
    if (expression[i] != '+' && expression[i] != '-') continue;
    if (expression.find('(') != std::string::npos)
      continue;  // a cut there would leave half a bracket
    const Expression head = Expression::parse(expression.substr(0, i));
    if (head.num_operations() > 0 && in_range(head)) candidates.push_back(evaluate(head));
  }
  for (const int offset : {1, -1, 2, -2, 10, -10, 11, -9, 20, -20})
    candidates.push_back(gold + offset);
  std::vector<int> usable;
  for (const int candidate : candidates) {
    const bool known = std::find(usable.begin(), usable.end(), candidate) != usable.end();
    if (candidate >= kMinValue && candidate <= kMaxValue && candidate != gold && !known) {
      usable.push_back(candidate);
    }
  }
  random.shuffle(usable);
  usable.resize(3);  // the offsets alone always give four or more in range
  return usable;
}

}  // namespace

Story tell_story(int level, RandomSequence& random) {
  for (;;) {
    const uint64_t kind = random.below(4);
    const Story story = level == 1 && kind == 0   ? tell_quotient(random)
                        : level >= 4 && kind == 0 ? tell_average(random)
                                                  : tell_total(level, random);
    if (in_range(Expression::parse(story.expression))) return story;
  }
}

ChoiceQuestion ask(const Story& story, RandomSequence& random) {
  const int gold = evaluate(Expression::parse(story.expression));
  std::vector<int> choices = distractors(story.expression, gold, random);
  choices.push_back(gold);
  random.shuffle(choices);
  ChoiceQuestion question;
  question.text = story.text;
  question.gold = gold;
  for (size_t i = 0; i < choices.size(); ++i) {
    const char letter = static_cast<char>('A' + i);
    question.choices.push_back(fmt::format("({}) {}", letter, choices[i]));
    question.text += "\n" + question.choices.back();
    if (choices[i] == gold) question.letter = letter;
  }
  return question;
}

// A story's exercise but for its question and answer: the expression that it means, worked out.
struct ToldExercise {
  Exercise exercise;
  std::vector<std::string> lines;
};
ToldExercise told(const Story& story, const TeacherOptions& options, RandomSequence& random) {
  const Expression expression = Expression::parse(story.expression);
  ToldExercise it;
  it.exercise.content = story.content;
  it.exercise.on_the_way = contents_on_the_way(expression);
  if (expression.num_operations() > 1)
    it.exercise.on_the_way.push_back(expression_content(story.expression));
  it.lines = work_out(expression, options, random);
  it.lines.insert(it.lines.begin(), story.expression);
  return it;
}

Exercise make_choice(int level, const TeacherOptions& options, RandomSequence& random) {
  const Story story = tell_story(level, random);
  const ChoiceQuestion question = ask(story, random);
  auto [exercise, lines] = told(story, options, random);
  exercise.question = question.text;
  exercise.answer = std::string(1, question.letter);
  exercise.answer_type = judge::AnswerType::kChoice;
  // The choices one by one, up to the one that is the result.
  for (size_t i = 0;; ++i) {
    const bool found = static_cast<char>('A' + i) == question.letter;
    lines.push_back(question.choices[i] + (found ? " yes" : " no"));
    if (found) break;
  }
  exercise.thought = join_lines(lines);
  exercise.solution = answer_sentence(exercise.answer);
  return exercise;
}

Exercise make_story(int level, const TeacherOptions& options, RandomSequence& random) {
  const Story story = tell_story(level, random);
  auto [exercise, lines] = told(story, options, random);
  exercise.question = story.text;
  exercise.answer = std::to_string(evaluate(Expression::parse(story.expression)));
  exercise.answer_type = judge::AnswerType::kNumber;
  exercise.thought = join_lines(lines);
  exercise.solution = answer_sentence(exercise.answer);
  return exercise;
}

}  // namespace ponder::synth
