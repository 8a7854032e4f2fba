// The version that is kept with every score follows the rules: verdicts on answers of all shapes, in two
// spellings and a little changed, by every kind of strictness.
#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/philox.h"
#include "judge/answer_test_support.h"
#include "judge/judge.h"

namespace ponder::judge::testing {
namespace {

Spelling drawn_spelling(Draw& draw) {
  Spelling spelling;
  spelling.fraction = draw.one_of<std::string>({"\\frac", "\\dfrac", "\\tfrac", "/"});
  spelling.times = draw.one_of<std::string>({"", " \\cdot ", " \\times ", "*"});
  spelling.braces = draw.coin();
  spelling.unicode = draw.below(3) == 0;
  spelling.plain = draw.below(4) == 0;
  spelling.doubled_brackets = draw.below(5) == 0;
  return spelling;
}

std::string verdicts() {
  RandomSequence random(20, 0);
  JudgeOptions strict;
  strict.units = strict.order = Strictness::kStrict;
  strict.forms = Forms::kEvaluated;
  std::string all;
  for (int i = 0; i < 3000; ++i) {
    std::vector<uint32_t> row;
    while (row.size() < 120) row.push_back(static_cast<uint32_t>(random.below(1 << 20)));
    Draw draw(row);
    // One after the other: compilers evaluate arguments in orders of their own.
    const Answer answer = random_answer(draw);
    const Answer changed = perturbed(answer, draw);
    const Answer other = random_answer(draw);
    const Spelling first = drawn_spelling(draw), second = drawn_spelling(draw);
    const std::string gold = print(answer, first);
    for (const std::string& text :
         {print(answer, second), print(changed, second), print(other, second)}) {
      for (const JudgeOptions& options : {JudgeOptions(), strict}) {
        all += to_string(judge_answer(gold, text, options).verdict)[0];
        all += to_string(
            judge_response(gold, "Thus \\boxed{" + text + "}.", ResponseEnd::kFinished, options)
                .verdict)[0];
      }
    }
  }
  return all;
}

TEST(Version, IsRaisedWithEveryVerdictThatChanges) {
  const std::string found = verdicts();
  EXPECT_GT(std::count(found.begin(), found.end(), 'c'), 5000);
  EXPECT_GT(std::count(found.begin(), found.end(), 'i'), 5000);
  EXPECT_EQ(kVersion, 1);
  EXPECT_EQ(sha256_hex(found), "aff899b9d745e860cdf5661d6b00bc5ecc43db71502ee503c4f1ce3ba2e650de")
      << "verdicts are others than those of version " << kVersion
      << ": where that is meant, raise judge::kVersion and write the new version and hash here; "
         "scores of both are then not compared";
}

}  // namespace
}  // namespace ponder::judge::testing
