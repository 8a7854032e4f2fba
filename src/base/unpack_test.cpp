#include "base/unpack.h"

#include <gtest/gtest.h>

#include "base/philox.h"

namespace ponder {
namespace {

// Five literals, a match of nine two bytes before (which overlaps what it makes), two literals.
const std::string kBlock(
    "\x55"
    "abcde"
    "\x02\x00"
    "\x20"
    "yz",
    11);
std::string frame(const std::string& block) {
  std::string bytes("\x04\x22\x4D\x18\x60\x40\x82", 7);
  bytes += static_cast<char>(block.size());
  return bytes + std::string(3, '\0') + block + std::string(4, '\0');
}

TEST(Unpack, Lz4) {
  const std::string text = "abcdedededededyz";
  EXPECT_EQ(unpack_lz4_block(kBlock, text.size()), text);
  EXPECT_EQ(unpack_lz4_frame(frame(kBlock), text.size()), text);
  EXPECT_EQ(unpack_lz4_frame(frame(kBlock) + frame(kBlock), 2 * text.size()), text + text);
  EXPECT_EQ(unpack_lz4_block("", 0), "");
}

TEST(Unpack, DamagedLz4IsAFault) {
  for (const uint64_t size : {0, 15, 17, 1 << 30})
    EXPECT_THROW(unpack_lz4_block(kBlock, size), UnpackFault);
  const std::string before(
      "\x10"
      "a"
      "\x02\x00",
      4),
      endless(1 << 12, '\xFF');
  EXPECT_THROW(unpack_lz4_block(before, 5), UnpackFault);
  EXPECT_THROW(unpack_lz4_block(endless, 100), UnpackFault);
  EXPECT_THROW(unpack_lz4_frame(kBlock, 16), UnpackFault);
  RandomSequence random(3, 3);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = round % 2 == 0 ? kBlock : frame(kBlock);
    bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    if (round % 3 == 0) bytes.resize(random.below(bytes.size() + 1));
    try {
      const std::string out =
          round % 2 == 0 ? unpack_lz4_block(bytes, 16) : unpack_lz4_frame(bytes, 16);
      EXPECT_EQ(out.size(), 16u);
    } catch (const UnpackFault&) {
    }
  }
}

}  // namespace
}  // namespace ponder
