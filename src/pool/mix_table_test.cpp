// How a set's parts are shown.
#include "pool/mix_table.h"

#include <gtest/gtest.h>

namespace ponder::pool {
namespace {

TEST(MixLines, ManyPartsEndInOneLineForTheRest) {
  std::vector<MixPart> parts;
  for (int i = 0; i < 20; ++i) parts.push_back({"math", "teacher-" + std::to_string(i), 2, 100});
  EXPECT_EQ(mix_lines(parts).size(), 20u);
  EXPECT_EQ(mix_lines(parts).back(), "math, teacher-19: 2 rows, 100 tokens (5.0 %)");
  parts.push_back({"", "", 1, 0});
  const std::vector<std::string> lines = mix_lines(parts);
  ASSERT_EQ(lines.size(), 20u);
  EXPECT_EQ(lines[18], "math, teacher-18: 2 rows, 100 tokens (5.0 %)");
  EXPECT_EQ(lines[19], "and 2 more: 3 rows, 100 tokens (5.0 %)");
}

}  // namespace
}  // namespace ponder::pool
