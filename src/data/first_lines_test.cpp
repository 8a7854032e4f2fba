#include "data/first_lines.h"

#include <gtest/gtest.h>

#include <string>

namespace ponder::data {
namespace {

TEST(FirstLines, KnowsEveryTextInMemoryAndBelow) {
  for (const size_t in_memory : {size_t{1}, size_t{7}, size_t{1000}, size_t{100000}}) {
    const uint64_t count = in_memory == 1 ? 300 : 20000;
    FirstLines lines(in_memory);
    for (uint64_t i = 1; i <= count; ++i) {
      const std::string text = "row " + std::to_string(i);
      ASSERT_FALSE(lines.find('q', text)) << i;
      lines.add('q', text, i);
      ASSERT_EQ(lines.find('q', text), i);
      const uint64_t earlier = 1 + i * 7919 % i;
      ASSERT_EQ(lines.find('q', "row " + std::to_string(earlier)), earlier) << in_memory;
    }
    for (uint64_t i = 1; i <= count; ++i) {
      ASSERT_EQ(lines.find('q', "row " + std::to_string(i)), i) << in_memory;
      ASSERT_FALSE(lines.find('i', "row " + std::to_string(i))) << "of another kind";
    }
  }
}

}  // namespace
}  // namespace ponder::data
