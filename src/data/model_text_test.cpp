#include "data/model_text.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "testing/byte_tokenizer.h"
#include "testing/error_text.h"
#include "testing/temporary_folder.h"

namespace ponder::data {
namespace {

class ModelTexts : public ::testing::Test {
 protected:
  void SetUp() override {
    write_file_atomic(folder / "tokenizer.json", testing::byte_tokenizer_json());
    write_file_atomic(folder / "tokenizer_config.json", R"({"eos_token":"!"})");
  }
  const testing::TemporaryFolder folder;
  const std::filesystem::path& path = folder.path();
};

TEST_F(ModelTexts, EveryEndTokenOnceTheTurnsFirst) {
  const ModelText text(path, {{}, 260, {258, 259, 258}});
  EXPECT_EQ(text.end_of_turn_id(), 259);
  EXPECT_EQ(text.stop_ids(), (std::vector<int32_t>{259, 258, '!'}));
  EXPECT_EQ(ModelText(path).stop_ids(), (std::vector<int32_t>{259, '!'}));
}

TEST_F(ModelTexts, PromptsAreTheTemplatesTurns) {
  const ModelText text(path);
  const auto shown = [&](const std::vector<int32_t>& ids) { return text.tokenizer().decode(ids); };
  const std::string asked = "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n";
  EXPECT_EQ(shown(text.prompt_ids("q")), asked);
  EXPECT_EQ(shown(text.prompt_ids("q", "s")), "<|im_start|>system\ns<|im_end|>\n" + asked);
  EXPECT_EQ(shown(text.prompt_ids("q", "", {{false, "a"}, {true, "b"}})),
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n" + asked);
  EXPECT_EQ(text.prompt_ids({{"user", "q"}}), text.prompt_ids("q"));
}

TEST_F(ModelTexts, AnInstructionStandsAroundTheQuestionThatIsAsked) {
  tokenizer::TemplateChoice choice;
  choice.prompt_prefix = "Think: ";
  choice.prompt_suffix = " Well?";
  const ModelText text(path, {choice});
  EXPECT_EQ(text.tokenizer().decode(text.prompt_ids("q", "", {{false, "a"}, {true, "b"}})),
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
            "<|im_start|>user\nThink: q Well?<|im_end|>\n<|im_start|>assistant\n");
}

TEST_F(ModelTexts, RefusesWhatDoesNotBelongTogether) {
  EXPECT_NO_THROW(ModelText(path, {{}, 260, {}}));
  EXPECT_NE(testing::error_text([&] {
              ModelText(path, {{}, 259, {}});
            }).find("260 ids, its model only 259"),
            std::string::npos);
  EXPECT_NE(testing::error_text([&] {
              ModelText(path, {{"llama3", false}, 0, {}});
            }).find("<|eot_id|>"),
            std::string::npos);
}

}  // namespace
}  // namespace ponder::data
