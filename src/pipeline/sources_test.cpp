#include "pipeline/sources.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace ponder {
namespace {

TEST(Sources, RowsBeyondTheCountAreAccountedFor) {
  const auto file = std::filesystem::temp_directory_path() /
                    ("ponder_sources_" + std::to_string(::getpid()) + ".jsonl");
  std::ofstream(file) << "{\"id\":\"a\",\"question\":\"1+1\",\"answer\":\"2\"}\n"
                         "{\"id\":\"b\",\"question\":\"1+2\",\"answer\":\"3\"}\n"
                         "{\"id\":\"c\",\"question\":\"1+3\",\"answer\":\"4\"}\n";
  Source source;
  source.file = file;
  source.count = 2;
  ReadReport report;
  EXPECT_EQ(problems_of(source, report).size(), 2u);
  std::filesystem::remove(file);
  EXPECT_EQ(report.rows, 3u);
  EXPECT_EQ(report.kept, 2u);
  EXPECT_EQ(report.rejected["beyond_count"], 1u);
}

}  // namespace
}  // namespace ponder
