#include "synth/check.h"

#include <gtest/gtest.h>

#include "base/philox.h"
#include "synth/synth.h"

namespace ponder::synth {
namespace {

SynthStream stream_of(Domain domain, uint64_t seed = 5) {
  SynthOptions options;
  options.domains = {domain};
  options.lowest_level = 1;
  options.highest_level = 5;
  options.seed = seed;
  return SynthStream(options);
}

TEST(ThoughtCheck, RefusesNoThoughtOfTheTeachers) {
  for (const Domain domain : {Domain::kArithmetic, Domain::kTarget, Domain::kChoice, Domain::kStory,
                              Domain::kPlain, Domain::kCarry}) {
    SynthStream stream = stream_of(domain);
    for (int i = 0; i < 3000; ++i) {
      const SynthRow row = stream.next();
      const auto check = check_thought(row.problem, row.thought);
      ASSERT_TRUE(check);
      ASSERT_EQ(check->fault, "") << row.problem.question << "\n" << row.thought;
    }
  }
}

// Another digit in place of one changes a number somewhere.
TEST(ThoughtCheck, FindsAlmostEveryChangedDigit) {
  RandomSequence random(3, 4);
  for (const Domain domain :
       {Domain::kArithmetic, Domain::kTarget, Domain::kChoice, Domain::kStory}) {
    SynthStream stream = stream_of(domain, 9);
    int changed = 0, found = 0;
    for (int i = 0; i < 1000; ++i) {
      const SynthRow row = stream.next();
      std::vector<size_t> digits;
      for (size_t at = 0; at < row.thought.size(); ++at)
        if (row.thought[at] >= '0' && row.thought[at] <= '9') digits.push_back(at);
      std::string thought = row.thought;
      char& digit = thought[digits[random.below(digits.size())]];
      digit = static_cast<char>('0' + (digit - '0' + 1 + static_cast<int>(random.below(9))) % 10);
      ++changed;
      found += !check_thought(row.problem, thought)->is_true();
    }
    // What is left is another true thought: a slip that is another slip, a search of another branch.
    EXPECT_GT(found, changed * 97 / 100) << to_string(domain);
  }
}

ThoughtCheck check(const std::string& expression, const std::string& thought) {
  data::Problem problem;
  problem.source = "synth:arithmetic";
  problem.question = "Compute " + expression;
  return *check_thought(problem, thought);
}

TEST(ThoughtCheck, TellsTrueFromFalse) {
  EXPECT_EQ(check("2+3*4", "3*4=12, so 2+12\n2+12=14").fault, "");
  EXPECT_EQ(check("2+3*4", "2+3=5. Wait, * goes first\n3*4=12, so 2+12\n2+12=14").fault, "");
  EXPECT_EQ(check("(76-73)*14", "76-73=5, check 5+73=78 no. Wait\n76-73=3, so 3*14\n3*14=42").fault,
            "");
  EXPECT_EQ(check("2+3", "2+3=5, check 5-3=2 ok").fault, "");
  // More than the teacher does, and true.
  EXPECT_EQ(check("2+3", "2+3=5, check 5-3=2 ok, check 5-3=2 ok").fault, "");
  EXPECT_EQ(check("2+3", "2+3=6. Wait\n2+3=5").fault, "");
  EXPECT_EQ(check("2+3", "2+3=6. Wait").fault, "line 1: the thought ends early");
  // True facts, but products go first.
  EXPECT_EQ(check("2+3*4", "2+3=5, so 5*4\n5*4=20").fault, "line 1: 5*4 is 20, not 14");
  EXPECT_EQ(check("2+3*4", "3*4=11, so 2+12\n2+12=14").fault, "line 1: 3*4=11 is false");
  EXPECT_EQ(check("2+3*4", "3*4=12, so 2+12\n2+12=15").fault, "line 2: 2+12=15 is false");
  EXPECT_EQ(check("2+3*4", "3*4=12, so 2+12\n3+12=15").fault,
            "line 2: the last step gives 15, not 14");
  EXPECT_EQ(check("2+3*4", "3*4=12, so 2+12").fault, "line 1: the thought ends early");
  EXPECT_EQ(check("2+3", "2+3=5\nSo 5").fault, "line 1: goes on behind its end");
  EXPECT_EQ(check("2+3", "2+3=6, check 6-3=3 no. Wait").fault, "line 1: the thought ends early");
  EXPECT_EQ(check("2+3", "2+3=6, check 6-3=2 ok").fault, "line 1: 6-3=2 is false");
  EXPECT_EQ(check("2+3", "2+3=5, check 5-2=3 ok").fault, "line 1: 5-2=3 does not check 2+3=5");
  EXPECT_EQ(check("2+3", "2+3=5, check 5-3=2 no. Wait\n2+3=5").fault,
            "line 1: 5-3=2 says the opposite");
  EXPECT_FALSE(check("2+3", "").is_true());
  EXPECT_FALSE(check("2+3", "five").is_true());
  EXPECT_FALSE(check("2+3", "2+3=99999999999999").is_true());
  EXPECT_FALSE(check("8-3", "8-3=5, so " + std::string(5000, '(')).is_true());
}

TEST(ThoughtCheck, KnowsNothingOfOtherProblems) {
  data::Problem problem;
  problem.question = "Compute 2+3";
  EXPECT_FALSE(check_thought(problem, "2+3=5"));
  problem.source = "synth:facts";
  EXPECT_FALSE(check_thought(problem, "2+3=5"));
}

}  // namespace
}  // namespace ponder::synth
