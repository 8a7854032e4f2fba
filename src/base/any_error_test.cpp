#include "base/any_error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <new>
#include <stdexcept>

namespace ponder {
namespace {

TEST(AnyError, IsASentenceWithWhatToTry) {
  const Error ours(ErrorKind::kNotFound, "a", "is not there", "make it");
  EXPECT_STREQ(as_error(ours).what(), "a: is not there; make it");
  EXPECT_EQ(as_error(ours).kind(), ErrorKind::kNotFound);
  const std::filesystem::filesystem_error full("cannot rename", "from", "to",
                                               std::make_error_code(std::errc::no_space_on_device));
  EXPECT_STREQ(as_error(full).what(),
               "from: No space left on device; free some space and run the same command again");
  EXPECT_STREQ(as_error(std::bad_alloc()).what(),
               "out of memory; try a smaller batch, --max-batch or --recompute");
  EXPECT_STREQ(as_error(std::runtime_error("odd")).what(), "odd");
  EXPECT_EQ(advice_of_errno(EFBIG), advice_of_errno(ENOSPC));
  EXPECT_EQ(advice_of_errno(EINVAL), "");
}

}  // namespace
}  // namespace ponder
