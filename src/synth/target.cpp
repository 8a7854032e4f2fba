#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "synth/exercise.h"

namespace ponder::synth {

namespace {

struct Puzzle {
  std::vector<int> numbers;
  std::string solution;  // one sign per gap
  std::string signs;     // those that may be used
  int target = 0;
};

std::string word(char sign) { return sign == '+' ? "plus" : sign == '-' ? "minus" : "times"; }

std::string in_words(const std::string& signs) {
  std::string words;
  for (const char sign : signs) words += (words.empty() ? "" : " ") + word(sign);
  return words;
}

// Left to right; nothing when a value leaves the range.
std::optional<int> play(const std::vector<int>& numbers, const std::string& signs) {
  int value = numbers[0];
  for (size_t i = 0; i < signs.size(); ++i) {
    const Fact fact{value, signs[i], numbers[i + 1]};
    if (fact.outcome() != Outcome::kNumber) return std::nullopt;
    value = fact.value();
  }
  return value;
}

// How many rows of signs reach the target, values out of range allowed: one, or the answer is not
// unique.
int count_solutions(const Puzzle& puzzle, size_t gap, int value) {
  if (gap + 1 == puzzle.numbers.size()) return value == puzzle.target;
  int count = 0;
  for (const char sign : puzzle.signs) {
    count += count_solutions(puzzle, gap + 1, Fact{value, sign, puzzle.numbers[gap + 1]}.value());
  }
  return count;
}

Puzzle make_puzzle(int level, RandomSequence& random) {
  const int num_gaps = level == 1 ? 1 : level <= 3 ? 2 : 3;
  const int largest = level == 1 ? 60 : level == 2 ? 30 : level == 4 ? 9 : 20;
  Puzzle puzzle;
  puzzle.signs = level == 2 ? "+-" : "+-*";
  for (;;) {
    // Signs first, and several tries for the numbers, so that products are not crowded out.
    puzzle.solution.clear();
    for (int i = 0; i < num_gaps; ++i)
      puzzle.solution += puzzle.signs[random.below(puzzle.signs.size())];
    for (int attempt = 0; attempt < 50; ++attempt) {
      puzzle.numbers.clear();
      for (int i = 0; i <= num_gaps; ++i) {
        puzzle.numbers.push_back(static_cast<int>(random.between(2, largest)));
      }
      const auto value = play(puzzle.numbers, puzzle.solution);
      if (!value) continue;
      puzzle.target = *value;
      if (count_solutions(puzzle, 0, puzzle.numbers[0]) == 1) return puzzle;
    }
  }
}

// Depth first over all gaps but the last, whose value was worked backward; the search ends with the
// solution.
class Search {
 public:
  Search(const Puzzle& puzzle, bool slips, RandomSequence& random)
      : puzzle_(puzzle), slips_(slips), random_(random) {
    last_gap_ = puzzle.numbers.size() - 2;
    if (last_gap_ == 0) {
      wanted_ = {puzzle.target};
      return;
    }
    lines_ = backward_lines(puzzle.target, puzzle.numbers.back(), puzzle.signs);
    wanted_ = backward_values(puzzle.target, puzzle.numbers.back(), puzzle.signs);
    lines_.push_back(fmt::format("Need {}", fmt::join(wanted_, ",")));
  }

  std::vector<std::string> run() {
    visit(0, puzzle_.numbers[0]);
    lines_.push_back("So " + in_words(puzzle_.solution));
    return lines_;
  }

 private:
  // True when the solution has been found below.
  bool visit(size_t gap, int value) {
    const size_t last_tried = last_gap_ == 0 ? 0 : last_gap_ - 1;
    for (const char sign : puzzle_.signs) {
      const Fact fact{value, sign, puzzle_.numbers[gap + 1]};
      std::string line = (gap == 0 ? "Try " : "") + fact.text();
      if (fact.outcome() != Outcome::kNumber) {
        lines_.push_back(line);
      } else if (gap < last_tried) {
        lines_.push_back(line);
        if (visit(gap + 1, fact.value())) return true;
        lines_.push_back("Back");
      } else if (std::find(wanted_.begin(), wanted_.end(), fact.value()) == wanted_.end()) {
        if (slips_ && last_gap_ > 0 && random_.below(3) == 0) {
          slips_ = false;
          lines_.push_back(line + " yes");
          const char last = puzzle_.signs[random_.below(puzzle_.signs.size())];
          line = Fact{fact.value(), last, puzzle_.numbers.back()}.text() + ". Wait";
        }
        lines_.push_back(line + " no");
      } else {
        lines_.push_back(line + " yes");
        if (last_gap_ > 0) {
          const char last = puzzle_.solution.back();
          lines_.push_back(Fact{fact.value(), last, puzzle_.numbers.back()}.text() + " ok");
        }
        return true;
      }
    }
    return false;
  }

  const Puzzle& puzzle_;
  bool slips_;
  RandomSequence& random_;
  size_t last_gap_ = 0;
  std::vector<int> wanted_;
  std::vector<std::string> lines_;
};

Fact backward_fact(int target, int last, char sign) {
  return {target, sign == '+' ? '-' : sign == '-' ? '+' : '/', last};
}

}  // namespace

std::vector<std::string> backward_lines(int target, int last, const std::string& signs) {
  std::vector<std::string> lines;
  for (const char sign : signs) lines.push_back(backward_fact(target, last, sign).text());
  return lines;
}

std::vector<int> backward_values(int target, int last, const std::string& signs) {
  std::vector<int> values;
  for (const char sign : signs) {
    const Fact fact = backward_fact(target, last, sign);
    if (fact.outcome() == Outcome::kNumber) values.push_back(fact.value());
  }
  return values;
}

Exercise make_target(int level, const TeacherOptions& options, RandomSequence& random) {
  const Puzzle puzzle = make_puzzle(level, random);
  const std::string numbers = fmt::format("{}", fmt::join(puzzle.numbers, ","));
  Exercise exercise;
  exercise.content = fmt::format("target|{}={} {}", numbers, puzzle.target, puzzle.signs);
  exercise.question = fmt::format("Reach {} from {} left to right with {}. Which signs?",
                                  puzzle.target, numbers, fmt::join(puzzle.signs, " "));
  exercise.answer = in_words(puzzle.solution);
  exercise.answer_type = judge::AnswerType::kText;
  const bool slips = random.uniform() < options.slip_probability;
  exercise.thought = join_lines(Search(puzzle, slips, random).run());
  exercise.solution = answer_sentence(exercise.answer);
  return exercise;
}

}  // namespace ponder::synth
