#include "base/text.h"

#include <gtest/gtest.h>

#include "base/machine.h"

namespace ponder {
namespace {

TEST(Text, TrimsAtBothEndsOnly) {
  EXPECT_EQ(trimmed(" \t\r\n\f\va b\n"), "a b");
  EXPECT_EQ(trimmed("a"), "a");
  EXPECT_EQ(trimmed(" \n "), "");
  EXPECT_EQ(trimmed(""), "");
  EXPECT_EQ(trimmed("\f a \f", " "), "\f a \f");
}

TEST(Text, LowersAsciiAlone) { EXPECT_EQ(lower_ascii("aZ@[\xC3\x84 9"), "az@[\xC3\x84 9"); }

TEST(Text, KnowsBlanksAndDigits) {
  EXPECT_TRUE(is_blank("") && is_blank(" \t\v"));
  EXPECT_FALSE(is_blank(" a "));
  EXPECT_TRUE(is_digits("0918"));
  EXPECT_FALSE(is_digits("") || is_digits("1a") || is_digits("-1") || is_digits("/") ||
               is_digits(":"));
}

TEST(Machine, HasSomeMemoryAndNotMoreAvailableThanThereIs) {
  const MachineMemory memory = machine_memory();
  EXPECT_GT(memory.available_bytes, 0);
  EXPECT_GE(memory.total_bytes, memory.available_bytes);
}

}  // namespace
}  // namespace ponder
