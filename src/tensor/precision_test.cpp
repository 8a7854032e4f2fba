#include "tensor/precision.h"

#include <gtest/gtest.h>

namespace ponder::tensor {
namespace {

// What is kept under "bf16" is of a definition that nothing computes in any more.
TEST(Precision, AChangedDefinitionIsAnotherNameInWhatIsKept) {
  for (const Precision precision :
       {Precision::kF32, Precision::kBf16, Precision::kBf16Second, Precision::kBf16First})
    EXPECT_EQ(precision_from_stored(stored_name(precision)), precision);
  EXPECT_EQ(precision_from_string("f32"), Precision::kF32);
  EXPECT_EQ(precision_from_string("bf16"), Precision::kBf16);
  EXPECT_EQ(precision_from_stored("f32"), Precision::kF32);
  EXPECT_EQ(precision_from_stored("bf16"), Precision::kBf16First);
  EXPECT_EQ(precision_from_stored("bf16-2"), Precision::kBf16Second);
  EXPECT_EQ(stored_name(Precision::kBf16), "bf16-3");
  for (const char* name :
       {"bf16-3", "bf16 (second definition)", "bf16 (first definition)", "fp8", ""})
    EXPECT_FALSE(precision_from_string(name)) << name;
  for (const char* name : {"bf16-4", "fp8", ""}) EXPECT_FALSE(precision_from_stored(name)) << name;
  for (const Precision precision : {Precision::kF32, Precision::kBf16})
    EXPECT_FALSE(is_former(precision));
  for (const Precision precision : {Precision::kBf16First, Precision::kBf16Second})
    EXPECT_TRUE(is_former(precision));
}

}  // namespace
}  // namespace ponder::tensor
