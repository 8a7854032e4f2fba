// The version that is kept with every score follows the rules: golden verdicts on answers of all shapes, in
// two spellings, a little changed and others, by lenient and by strict judging.
#include <gtest/gtest.h>

#include <fstream>

#include "base/json.h"
#include "judge/judge.h"
#include "testing/folders.h"

namespace ponder::judge {
namespace {

constexpr int kVersionOfTheFile = 1;

// c, i or u: the answer by itself and in a box, by default and by every strictness.
std::string verdicts_of(const std::string& gold, const std::string& answer) {
  JudgeOptions strict;
  strict.units = strict.order = Strictness::kStrict;
  strict.forms = Forms::kEvaluated;
  std::string verdicts;
  for (const JudgeOptions& options : {JudgeOptions(), strict}) {
    verdicts += to_string(judge_answer(gold, answer, options).verdict)[0];
    verdicts += to_string(
        judge_response(gold, "Thus \\boxed{" + answer + "}.", ResponseEnd::kFinished, options)
            .verdict)[0];
  }
  return verdicts;
}

TEST(Version, IsRaisedWithEveryVerdictThatChanges) {
  const std::filesystem::path file =
      ponder::testing::source_dir() / "tests/golden/judge/verdicts.jsonl";
  const std::string written = ::testing::TempDir() + "verdicts.jsonl";
  std::ofstream out(written);
  int rows = 0, changed = 0;
  JsonRowReader reader(file);
  for (JsonRow row; reader.next(row); ++rows) {
    const std::string gold = row.value["gold"], answer = row.value["answer"];
    const std::string found = verdicts_of(gold, answer), before = row.value["verdicts"];
    if (found != before && ++changed <= 10)
      ADD_FAILURE() << gold << "   " << answer << ": " << found;
    out << Json{{"gold", gold}, {"answer", answer}, {"verdicts", found}}.dump() << "\n";
  }
  EXPECT_EQ(rows, 3000);
  EXPECT_EQ(kVersion, kVersionOfTheFile);
  EXPECT_EQ(changed, 0) << "verdicts are others than those of version " << kVersionOfTheFile
                        << ": where that is meant, raise judge::kVersion and copy " << written
                        << " over the file; scores of both are then not compared";
}

}  // namespace
}  // namespace ponder::judge
