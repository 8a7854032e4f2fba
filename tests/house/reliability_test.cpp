// The figures of docs/reliability.md are those that the drivers wrote.
#include <gtest/gtest.h>

#include "base/file.h"
#include "testing/folders.h"
#include "testing/process.h"

namespace ponder {
namespace {

TEST(ReliabilityFigures, AreThoseOfTheLastWholeRun) {
  const testing::Outcome table = testing::run({testing::source_dir() / "tools/reliability_table"});
  ASSERT_EQ(table.status, 0) << table.err;
  EXPECT_GT(testing::lines_of(table.out).size(), 10u);
  const std::string document = read_file(testing::source_dir() / "docs/reliability.md");
  EXPECT_NE(document.find(table.out), std::string::npos)
      << "tools/reliability_table --write puts this there:\n"
      << table.out;
}

}  // namespace
}  // namespace ponder
