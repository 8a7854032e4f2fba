// What each domain of the synthetic world makes: a question with its gold answer, and the teacher's
// response. One function per domain; all are pure functions of their arguments.
#pragma once

#include <string>
#include <vector>

#include "base/philox.h"
#include "judge/judge.h"
#include "synth/teacher.h"

namespace ponder::synth {

struct Exercise {
  // What is asked, without its dress: decides the split, so that one content is never in both.
  std::string content;
  // Contents of other problems that show up on the way (the rest of an expression after a step).
  // None of a train exercise may be a test problem's.
  std::vector<std::string> on_the_way;
  std::string question, answer;
  judge::AnswerType answer_type = judge::AnswerType::kNumber;
  std::string thought;   // the teacher's; empty in drills
  std::string solution;  // the final sentence with \boxed{…}; the whole answer of a drill
};

// Multi-step expressions; `level` signs, 5 or 6 at level 5. Answer: a number.
Exercise make_arithmetic(int level, const TeacherOptions& options, RandomSequence& random);

// The same where no step carries (Fact::carries), or where every one does.
Exercise make_arithmetic_of(bool carry, int level, const TeacherOptions& options,
                            RandomSequence& random);

// Which signs between the given numbers, worked left to right, reach the target? One gap at level
// 1, two at 2 (+ -) and 3 (+ - *), three at 4 (numbers 2 to 9) and 5 (2 to 20). Answer: the only
// right row of signs, in words ("times plus").
Exercise make_target(int level, const TeacherOptions& options, RandomSequence& random);

// Small questions on motion, energy, force, … with four choices, `level` + 1 quantities or so.
// Answer: a letter.
Exercise make_choice(int level, const TeacherOptions& options, RandomSequence& random);

// The same stories without choices. Answer: the number.
Exercise make_story(int level, const TeacherOptions& options, RandomSequence& random);

// Rows of drills for pretraining, never a chain of steps. Level 1: facts; 2: checks and finding a
// number among others; 3: one step of an expression; 4: the parts of a target search; 5: reading a
// choice question.
Exercise make_drill(int level, RandomSequence& random);

// The content of an expression, and those of the expressions it turns into that still have two or
// more signs.
std::string expression_content(const std::string& expression);
std::vector<std::string> contents_on_the_way(const Expression& expression);

// "The answer is \boxed{…}."
std::string answer_sentence(const std::string& answer);

// Lines joined by newlines.
std::string join_lines(const std::vector<std::string>& lines);

// A choice question's story without its choices, and the expression that answers it: what drills
// need of it.
struct Story {
  std::string content, text, expression;
};
Story tell_story(int level, RandomSequence& random);

// The story with four choices, three of them results of plausible mistakes.
struct ChoiceQuestion {
  std::string text;
  std::vector<std::string> choices;  // as they stand in the text: "(B) 72"
  char letter = 'A';                 // of the gold choice
  int gold = 0;
};
ChoiceQuestion ask(const Story& story, RandomSequence& random);

// The parts of a target search, as thoughts write them: the last step worked backward for each sign
// ("68-8=60", "68+8=76", "68/8 no"), and the values that would do.
std::vector<std::string> backward_lines(int target, int last, const std::string& signs);
std::vector<int> backward_values(int target, int last, const std::string& signs);

}  // namespace ponder::synth
