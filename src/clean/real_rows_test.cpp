// What the filters take of public sets: the table of docs/data.md.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "clean/filters.h"
#include "testing/folders.h"

namespace ponder::clean {
namespace {

namespace fs = std::filesystem;

class RealRows : public ::testing::Test {
 protected:
  // The lines that the filter alone takes.
  static std::string lines_taken(const std::string& file, Filter filter) {
    data::RowAccount account;
    std::vector<data::Demonstration> rows = data::read_demonstrations(
        testing::shared_data() / "imitation" / file, account, {.require_thought = false});
    account = data::RowAccount::of(rows.size());
    Options options;
    options.filters = {filter};
    Cleaner(options).clean(rows, account);
    EXPECT_EQ(account.rows, account.kept + account.rejected[reason_of(filter)]);
    std::string lines;
    for (const data::RejectedRow& row : account.examples) lines += std::to_string(row.line) + " ";
    return lines;
  }
};

TEST_F(RealRows, AreTakenAsTheTableSays) {
  if (!fs::exists(testing::shared_data() / "imitation")) GTEST_SKIP() << "no shared data";
  const std::string still = "still_format.jsonl", marco = "originals/marco_o1_cot_demo.json";
  for (const Filter filter : {Filter::kBrokenFormat, Filter::kTruncated, Filter::kGibberish,
                              Filter::kMixedLanguage, Filter::kRepetition, Filter::kNearDuplicate})
    EXPECT_EQ(lines_taken(still, filter), "") << to_string(filter);
  EXPECT_EQ(lines_taken(still, Filter::kWrongAnswer), "243 ");
  // Replacement characters in the middle of its words, and English thoughts on Chinese questions.
  EXPECT_EQ(lines_taken(marco, Filter::kGibberish), "2 60 73 107 ");
  EXPECT_EQ(lines_taken(marco, Filter::kMixedLanguage), "11 24 44 73 76 107 ");
  EXPECT_EQ(lines_taken("originals/huatuogpt_o1_demo_60.json", Filter::kWrongAnswer), "");
}

}  // namespace
}  // namespace ponder::clean
