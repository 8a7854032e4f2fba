#include "trainers/take_over.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "testing/error_text.h"
#include "testing/temporary_folder.h"

namespace ponder::trainers {
namespace {

TEST(Probe, IsReadOrRefused) {
  const testing::TemporaryFolder folder;
  const auto file = folder / "probe.json";
  EXPECT_FALSE(read_probe(file));
  write_file_atomic(file, R"([{"row": 3, "logprobs": [-0.5, -1]}])");
  const auto rows = read_probe(file);
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ((*rows)[0].row, 3);
  EXPECT_EQ((*rows)[0].logprobs, (std::vector<float>{-0.5F, -1.0F}));
  // One without rows would agree with any weights.
  for (const auto& [text, problem] : {std::pair("[]", "has no row"), std::pair("{}", "is no list"),
                                      std::pair(R"([{"row": 3}])", "entry 0 has another form")}) {
    write_file_atomic(file, text);
    EXPECT_NE(testing::error_text([&] { read_probe(file); }).find(problem), std::string::npos);
  }
}

}  // namespace
}  // namespace ponder::trainers
