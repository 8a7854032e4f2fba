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

TEST(Text, BytesAreToldInUnitsThatAPersonReads) {
  EXPECT_EQ(bytes_text(0), "0.0 MiB");
  EXPECT_EQ(bytes_text(300'000), "0.3 MiB");
  EXPECT_EQ(bytes_text(17'000'000), "16 MiB");
  EXPECT_EQ(bytes_text((int64_t{1} << 30) - 1), "1.0 GiB");
  EXPECT_EQ(bytes_text(int64_t{1500} << 20), "1.5 GiB");
}

TEST(Text, EscapedShowsControlCharactersAndBrokenBytes) {
  EXPECT_EQ(escaped("a\x1b[2Jb\x07\r\n\tc\x7f"), "a\\x1b[2Jb\\x07\\x0d\\n\\x09c\\x7f");
  EXPECT_EQ(escaped("a\n\tb\x1b\r", Lines::kKeep), "a\n\tb\\x1b\\x0d");
  const std::string whole = "§ é 中 😀 \xC2\xA0 \xED\x9F\xBF \xF4\x8F\xBF\xBF";
  EXPECT_EQ(escaped(whole), whole);
  EXPECT_EQ(escaped("\xC2\x9B"
                    "2J"),
            "\\xc2\\x9b2J");  // C1's CSI
  EXPECT_EQ(escaped(std::string_view("\0", 1)), "\\x00");
  for (const std::string broken : {"\x9B", "\xC2", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80",
                                   "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xFF", "\xE4\xB8"}) {
    for (const char c : escaped(broken)) EXPECT_GT(c, 0x1F) << "of " << escaped(broken);
  }
  EXPECT_EQ(escaped("a\\x1b"), "a\\x1b");  // what was escaped stays as it is
}

}  // namespace
}  // namespace ponder
