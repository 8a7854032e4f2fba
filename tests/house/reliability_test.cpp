// What docs/reliability.md says of tests is so: its figures are those that the drivers wrote, and
// the tests it names for its promises are there.
#include <gtest/gtest.h>

#include <regex>

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

TEST(ReliabilityPromises, NameTestsThatAreThere) {
  std::string tests;
  for (const char* folder : {"src", "tests"}) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(testing::source_dir() / folder)) {
      if (entry.path().filename().string().ends_with("_test.cpp")) tests += read_file(entry.path());
    }
  }
  size_t promises = 0;
  const std::regex named("`([A-Z][A-Za-z]*)\\.([A-Z][A-Za-z]*)`");
  for (const std::string& line :
       testing::lines_of(read_file(testing::source_dir() / "docs/reliability.md"))) {
    auto test = std::sregex_iterator(line.begin(), line.end(), named);
    promises += line.starts_with("| ") && test != std::sregex_iterator();
    for (; test != std::sregex_iterator(); ++test) {
      const std::string both = (*test)[1].str() + ", " + (*test)[2].str();
      EXPECT_NE(tests.find("(" + both + ")"), std::string::npos) << "there is no test " << both;
    }
  }
  EXPECT_GE(promises, 12u);
}

}  // namespace
}  // namespace ponder
