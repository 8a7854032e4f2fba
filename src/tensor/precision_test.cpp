#include "tensor/precision.h"

#include <gtest/gtest.h>

namespace ponder::tensor {
namespace {

// What is kept under "bf16" is of a definition that nothing computes in any more.
TEST(Precision, AChangedDefinitionIsAnotherNameInWhatIsKept) {
  for (const Precision precision : {Precision::kF32, Precision::kBf16, Precision::kBf16First})
    EXPECT_EQ(precision_from_stored(stored_name(precision)), precision);
  EXPECT_EQ(precision_from_string("f32"), Precision::kF32);
  EXPECT_EQ(precision_from_string("bf16"), Precision::kBf16);
  EXPECT_EQ(precision_from_stored("f32"), Precision::kF32);
  EXPECT_EQ(precision_from_stored("bf16"), Precision::kBf16First);
  EXPECT_EQ(stored_name(Precision::kBf16), "bf16-2");
  for (const char* name : {"bf16-2", "bf16 (first definition)", "fp8", ""})
    EXPECT_FALSE(precision_from_string(name)) << name;
  for (const char* name : {"bf16-3", "fp8", ""}) EXPECT_FALSE(precision_from_stored(name)) << name;
}

}  // namespace
}  // namespace ponder::tensor
