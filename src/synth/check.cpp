#include "synth/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

namespace ponder::synth {
namespace {

// A statement that is false, or none at all. Caught in check_thought.
struct Fault {
  std::string what;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// A whole number of at most six digits.
std::optional<int> take_number(std::string_view& text) {
  size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) ++digits;
  if (digits == 0 || digits > 6) return std::nullopt;
  int value = 0;
  std::from_chars(text.data(), text.data() + digits, value);
  text.remove_prefix(digits);
  return value;
}

// The value of an expression, by recursive descent; division is exact, so a double holds all.
class Evaluator {
 public:
  static std::optional<double> value(std::string_view text) {
    Evaluator evaluator{text};
    const std::optional<double> value = evaluator.sum(0);
    return value && evaluator.rest_.empty() ? value : std::nullopt;
  }

 private:
  explicit Evaluator(std::string_view text) : rest_(text) {}

  std::optional<double> sum(int depth) {
    std::optional<double> left = product(depth);
    while (left && !rest_.empty() && (rest_[0] == '+' || rest_[0] == '-')) {
      const char sign = rest_[0];
      rest_.remove_prefix(1);
      const std::optional<double> right = product(depth);
      if (!right) return std::nullopt;
      left = sign == '+' ? *left + *right : *left - *right;
    }
    return left;
  }
  std::optional<double> product(int depth) {
    std::optional<double> left = factor(depth);
    while (left && !rest_.empty() && (rest_[0] == '*' || rest_[0] == '/')) {
      const char sign = rest_[0];
      rest_.remove_prefix(1);
      const std::optional<double> right = factor(depth);
      if (!right || (sign == '/' && *right == 0)) return std::nullopt;
      left = sign == '*' ? *left * *right : *left / *right;
    }
    return left;
  }
  std::optional<double> factor(int depth) {
    if (!take(rest_, "(")) {
      const std::optional<int> number = take_number(rest_);
      return number ? std::optional<double>(*number) : std::nullopt;
    }
    if (depth == 50) return std::nullopt;
    const std::optional<double> inner = sum(depth + 1);
    return inner && take(rest_, ")") ? inner : std::nullopt;
  }

  std::string_view rest_;
};

double value_of(std::string_view expression) {
  const std::optional<double> value = Evaluator::value(expression);
  if (!value) throw Fault{fmt::format("\"{}\" is no expression", expression)};
  return *value;
}

// "17+28=45", "7-8 low", "17*8 big", "68/3 no".
struct Claim {
  int left = 0, right = 0;
  char sign = '+';
  std::optional<int> result;
  std::string word;  // where there is no result

  std::string text() const {
    const std::string question = fmt::format("{}{}{}", left, sign, right);
    return result ? fmt::format("{}={}", question, *result) : question + " " + word;
  }
  bool is_true() const {
    if (sign == '/' && right == 0) return false;
    const bool whole = sign != '/' || left % right == 0;
    const int exact = sign == '+'   ? left + right
                      : sign == '-' ? left - right
                      : sign == '*' ? left * right
                                    : left / right;
    if (result) return whole && exact == *result;
    return word == "no" ? !whole : word == "low" ? exact < 1 : exact > 99;
  }
};

Claim take_claim(std::string_view& text) {
  const std::string_view all = text;
  const auto fail = [&] { return Fault{fmt::format("\"{}\" is no step", all)}; };
  Claim claim;
  const std::optional<int> left = take_number(text);
  if (!left || text.empty() || std::string_view("+-*/").find(text[0]) == std::string_view::npos)
    throw fail();
  claim.left = *left;
  claim.sign = text[0];
  text.remove_prefix(1);
  const std::optional<int> right = take_number(text);
  if (!right) throw fail();
  claim.right = *right;
  if (take(text, "=")) {
    claim.result = take_number(text);
    if (!claim.result) throw fail();
    return claim;
  }
  for (const char* word : {"low", "big", "no"}) {
    if (!take(text, fmt::format(" {}", word))) continue;
    claim.word = word;
    return claim;
  }
  throw fail();
}

Claim take_true_claim(std::string_view& text) {
  Claim claim = take_claim(text);
  if (!claim.is_true()) throw Fault{claim.text() + " is false"};
  return claim;
}

// The lines of a thought, with the place of one that is false.
class Lines {
 public:
  explicit Lines(std::string_view thought) {
    while (!thought.empty()) {
      const size_t end = std::min(thought.find('\n'), thought.size());
      lines_.push_back(thought.substr(0, end));
      thought.remove_prefix(std::min(end + 1, thought.size()));
    }
  }
  bool empty() const { return next_ == lines_.size(); }
  std::string_view peek() const { return empty() ? std::string_view() : lines_[next_]; }
  std::string_view take() {
    if (empty()) throw Fault{"the thought ends early"};
    return lines_[next_++];
  }
  size_t place() const { return next_; }

 private:
  std::vector<std::string_view> lines_;
  size_t next_ = 0;
};

// Steps that work out an expression, up to its value.
void follow_steps(Lines& lines, double value) {
  for (;;) {
    std::string_view line = lines.take();
    const Claim claim = take_claim(line);
    if (take(line, ". Wait, ")) {  // an operation done too early
      if (!claim.is_true()) throw Fault{claim.text() + " is false"};
      if (line != "left goes first" && line != "* goes first" && line != "/ goes first")
        throw Fault{fmt::format("\"{}\" is no reason", line)};
      continue;
    }
    if (line == ". Wait") continue;  // taken back without a reason
    bool taken_back = false;
    while (!taken_back && take(line, ", check ")) {
      const Claim check = take_true_claim(line);
      const char inverse = claim.sign == '+'   ? '-'
                           : claim.sign == '-' ? '+'
                           : claim.sign == '*' ? '/'
                                               : '*';
      if (!claim.result || check.left != *claim.result || check.right != claim.right ||
          check.sign != inverse)
        throw Fault{check.text() + " does not check " + claim.text()};
      const bool confirmed = check.result == claim.left;
      const bool says_no = !check.result || take(line, " no");
      if (!says_no && !take(line, " ok"))
        throw Fault{fmt::format("\"{}\" is neither ok nor no", line)};
      if (says_no == confirmed) throw Fault{check.text() + " says the opposite"};
      if (says_no) {
        if (line != ". Wait") throw Fault{"a refuted step is not taken back"};
        taken_back = true;
      }
    }
    if (taken_back) continue;
    if (!claim.is_true() || !claim.result) throw Fault{claim.text() + " is false"};
    if (take(line, ", so ")) {
      if (value_of(line) != value)
        throw Fault{fmt::format("{} is {:g}, not {:g}", line, value_of(line), value)};
      continue;
    }
    if (!line.empty()) throw Fault{fmt::format("\"{}\" is no rest", line)};
    if (*claim.result != value)
      throw Fault{fmt::format("the last step gives {}, not {:g}", *claim.result, value)};
    return;
  }
}

void check_arithmetic(std::string_view question, Lines& lines) {
  if (!take(question, "Compute ")) throw Fault{"is no such question"};
  follow_steps(lines, value_of(question));
}

// A choice, "(A) 98".
struct Option {
  std::string_view text;
  int value = 0;
};

std::vector<Option> options_of(std::string_view question) {
  std::vector<Option> options;
  for (char letter = 'A'; letter <= 'Z'; ++letter) {
    const std::string head = fmt::format("\n({}) ", letter);
    const size_t at = question.find(head);
    if (at == std::string_view::npos) break;
    std::string_view rest = question.substr(at + 1);
    rest = rest.substr(0, rest.find('\n'));
    std::string_view number = rest.substr(head.size() - 1);
    const std::optional<int> value = take_number(number);
    if (!value || !number.empty()) break;
    options.push_back({rest, *value});
  }
  return options;
}

// Whatever the story means, it comes to the gold number.
double check_story(std::string_view story, int gold, Lines& lines) {
  const std::string_view expression = lines.take();
  const double value = value_of(expression);
  if (value != gold) throw Fault{fmt::format("{} is {:g}, not {}", expression, value, gold)};
  for (size_t i = 0; i < expression.size(); ++i) {
    if (!is_digit(expression[i]) || (i > 0 && is_digit(expression[i - 1]))) continue;
    std::string_view number = expression.substr(i);
    number = number.substr(0, std::min(number.find_first_not_of("0123456789"), number.size()));
    if (story.find(number) == std::string_view::npos)
      throw Fault{fmt::format("{} is not in the story", number)};
  }
  follow_steps(lines, value);
  return value;
}

void check_choice(const data::Problem& problem, Lines& lines) {
  const std::vector<Option> options = options_of(problem.question);
  const size_t gold =
      problem.answer.size() == 1 ? static_cast<size_t>(problem.answer[0] - 'A') : 99;
  if (gold >= options.size()) throw Fault{"is no such question"};
  const std::string_view story =
      std::string_view(problem.question).substr(0, problem.question.find('\n'));
  const double value = check_story(story, options[gold].value, lines);
  for (const Option& option : options) {
    const bool right = option.value == value;
    if (lines.take() != fmt::format("{} {}", option.text, right ? "yes" : "no"))
      throw Fault{fmt::format("expected \"{} {}\"", option.text, right ? "yes" : "no")};
    if (right) return;
  }
}

struct AskedPuzzle {
  int target = 0;
  std::vector<int> numbers;
  std::string signs;
};

AskedPuzzle asked_puzzle(std::string_view question) {
  AskedPuzzle puzzle;
  const auto fail = [] { return Fault{"is no such question"}; };
  if (!take(question, "Reach ")) throw fail();
  const std::optional<int> target = take_number(question);
  if (!target || !take(question, " from ")) throw fail();
  puzzle.target = *target;
  do {
    const std::optional<int> number = take_number(question);
    if (!number) throw fail();
    puzzle.numbers.push_back(*number);
  } while (take(question, ","));
  if (!take(question, " left to right with ") || puzzle.numbers.size() < 2) throw fail();
  for (const char c : question.substr(0, question.find('.')))
    if (c != ' ') puzzle.signs += c;
  return puzzle;
}

// The words of the last line reach the target.
void check_signs(const AskedPuzzle& puzzle, std::string_view words) {
  int value = puzzle.numbers[0];
  for (size_t gap = 1; gap < puzzle.numbers.size(); ++gap) {
    if (gap > 1 && !take(words, " ")) throw Fault{"too few signs"};
    const int number = puzzle.numbers[gap];
    if (take(words, "plus")) {
      value += number;
    } else if (take(words, "minus")) {
      value -= number;
    } else if (take(words, "times")) {
      value *= number;
    } else {
      throw Fault{fmt::format("\"{}\" is no sign", words)};
    }
    if (value < 1 || value > 99) throw Fault{"the signs leave the range"};
  }
  if (!words.empty()) throw Fault{"too many signs"};
  if (value != puzzle.target) throw Fault{fmt::format("the signs reach {}", value)};
}

void check_target(std::string_view question, Lines& lines) {
  const AskedPuzzle puzzle = asked_puzzle(question);
  const bool searches = puzzle.numbers.size() > 2;  // a last step is worked backward
  std::vector<int> wanted = {puzzle.target};
  if (searches) {
    wanted.clear();
    for (const char sign : puzzle.signs) {
      std::string_view line = lines.take();
      const Claim claim = take_true_claim(line);
      const char inverse = sign == '+' ? '-' : sign == '-' ? '+' : '/';
      if (claim.left != puzzle.target || claim.right != puzzle.numbers.back() ||
          claim.sign != inverse || !line.empty())
        throw Fault{claim.text() + " is not the last step backward"};
      if (claim.result) wanted.push_back(*claim.result);
    }
    if (lines.take() != fmt::format("Need {}", fmt::join(wanted, ",")))
      throw Fault{fmt::format("what is needed is {}", fmt::join(wanted, ","))};
  }
  for (;;) {
    std::string_view line = lines.take();
    if (line == "Back") continue;
    if (take(line, "So ")) return check_signs(puzzle, line);
    take(line, "Try ");
    const Claim claim = take_true_claim(line);
    if (line.empty() || !claim.result) continue;
    const bool is_wanted = std::find(wanted.begin(), wanted.end(), *claim.result) != wanted.end();
    if (line == " ok") {
      if (*claim.result != puzzle.target) throw Fault{claim.text() + " is not ok"};
    } else if (line == " no") {
      if (is_wanted) throw Fault{claim.text() + " is one that is needed"};
    } else if (line == " yes") {
      const bool taken_back = lines.peek().ends_with(". Wait no");
      if (is_wanted == taken_back)
        throw Fault{claim.text() + (is_wanted ? " is taken back" : " is not needed")};
      if (!taken_back) continue;
      std::string_view back = lines.take();
      const Claim shown = take_true_claim(back);
      if (shown.result == puzzle.target) throw Fault{shown.text() + " is the target"};
    } else {
      throw Fault{fmt::format("\"{}\" is no verdict", line)};
    }
  }
}

}  // namespace

std::optional<ThoughtCheck> check_thought(const data::Problem& problem, std::string_view thought) {
  const bool arithmetic = problem.source == "synth:arithmetic" || problem.source == "synth:plain" ||
                          problem.source == "synth:carry",
             choice = problem.source == "synth:choice", story = problem.source == "synth:story";
  if (!arithmetic && !choice && !story && problem.source != "synth:target") return std::nullopt;
  Lines lines(thought);
  try {
    if (arithmetic) {
      check_arithmetic(problem.question, lines);
    } else if (choice) {
      check_choice(problem, lines);
    } else if (story) {
      std::string_view gold = problem.answer;
      const std::optional<int> number = take_number(gold);
      if (!number || !gold.empty()) throw Fault{"is no such question"};
      check_story(problem.question, *number, lines);
    } else {
      check_target(problem.question, lines);
    }
    if (!lines.empty()) throw Fault{"goes on behind its end"};
  } catch (const Fault& fault) {
    return ThoughtCheck{fmt::format("line {}: {}", lines.place(), fault.what)};
  }
  return ThoughtCheck{};
}

}  // namespace ponder::synth
