// Weights with a NaN: every command that would compute with them says so, and none succeeds.
#include <fstream>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

class NotFinite : public ::testing::Test {
 protected:
  NotFinite() {
    make_tiny_base(folder_ / "base");
    // The last f32 of the file, whatever tensor it is of, and one at a third of its length.
    std::fstream file(folder_ / "base/model.safetensors",
                      std::ios::in | std::ios::out | std::ios::binary);
    const auto size =
        static_cast<std::streamoff>(fs::file_size(folder_ / "base/model.safetensors"));
    for (const std::streamoff at : {size - 4, size / 3 / 4 * 4 + size % 4}) {
      file.seekp(at);
      file.write("\x00\x00\xc0\x7f", 4);
    }
    file.close();
    fs::remove(folder_ / "base/ponder.json");  // or its hash would be refused
  }
  testing::Outcome ponder(std::initializer_list<std::string> arguments) {
    return e2e::ponder(arguments,
                       {.folder = folder_.path(), .input = "", .limit = testing::kLimit});
  }

  testing::TemporaryFolder folder_;
};

TEST_F(NotFinite, IsFoundByInspect) {
  const testing::Outcome text = ponder({"inspect", "base"});
  EXPECT_EQ(text.status, 1);
  EXPECT_NE(text.out.find("values are not finite"), std::string::npos) << text.out;
  EXPECT_EQ(testing::lines_of(text.err).size(), 1u) << text.err;
  const testing::Outcome json = ponder({"inspect", "base", "--json"});
  EXPECT_EQ(json.status, 1);
  EXPECT_GE(json_lines(json.out).at(0).at("problems").size(), 1u);
  EXPECT_EQ(ponder({"inspect", testing::source_dir() / "models/nano-base"}).status, 0);
}

TEST_F(NotFinite, IsNeverScoredSampledOrTrainedOn) {
  write_file_atomic(folder_ / "rows.jsonl", R"({"prompt": "Compute 7+8", "response": "15"})");
  ASSERT_EQ(ponder({"synth", "--domain", "choice", "--count", "8", "--demonstrations", "--out",
                    "d.jsonl"})
                .status,
            0);
  write_file_atomic(folder_ / "pairs.jsonl",
                    R"({"prompt": "Compute 1+1", "chosen": "2", "rejected": "3"})");
  for (const testing::Outcome& outcome :
       {ponder({"score", "--model", "base", "--data", "rows.jsonl"}),
        ponder({"generate", "--model", "base", "--prompt", "Compute 1+1"}),
        ponder({"sft", "--model", "base", "--data", "d.jsonl", "--out", "out", "--epochs", "1"}),
        ponder({"dpo", "--model", "base", "--data", "pairs.jsonl", "--out", "out", "--epochs", "2",
                "--align", "response", "--quiet"})}) {
    EXPECT_EQ(outcome.status, 1) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err.find("ponder inspect"), std::string::npos) << outcome.err;
  }
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

}  // namespace
}  // namespace ponder::e2e
