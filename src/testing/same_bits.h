// Whether floats are equal in every bit: NaN equals itself, and 0 is not -0.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <ios>
#include <span>

namespace ponder::testing {

inline ::testing::AssertionResult same_bits(std::span<const float> expected,
                                            std::span<const float> found) {
  if (expected.size() != found.size()) {
    return ::testing::AssertionFailure() << "sizes " << expected.size() << " and " << found.size();
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::bit_cast<uint32_t>(expected[i]) == std::bit_cast<uint32_t>(found[i])) continue;
    return ::testing::AssertionFailure()
           << "element " << i << " of " << expected.size() << ": expected " << expected[i] << " (0x"
           << std::hex << std::bit_cast<uint32_t>(expected[i]) << "), found " << found[i] << " (0x"
           << std::bit_cast<uint32_t>(found[i]) << ")";
  }
  return ::testing::AssertionSuccess();
}

}  // namespace ponder::testing
