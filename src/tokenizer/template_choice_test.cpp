#include "tokenizer/template_choice.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "testing/error_text.h"
#include "testing/folders.h"
#include "testing/temporary_folder.h"
#include "tokenizer/tokenizer.h"

namespace ponder::tokenizer {
namespace {

namespace fs = std::filesystem;

constexpr const char* kChatmlText =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' "
    "}}{% endif %}";

class TemplateChoices : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::copy_file(testing::source_dir() / "tests/golden/tokenizer/qwen2.json",
                  folder_ / "tokenizer.json");
  }
  void record(const Json& json) { std::ofstream(folder_ / "ponder.json") << json.dump(); }
  void template_text(const std::string& text) {
    std::ofstream(folder_ / "chat_template.jinja") << text;
  }
  ChatTemplate choose(const TemplateChoice& choice = {}) {
    return template_for(folder_, Tokenizer::load(folder_), choice);
  }
  std::string error_of(const TemplateChoice& choice = {}) {
    return testing::error_text([&] { choose(choice); });
  }
  testing::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

TEST_F(TemplateChoices, OfTheFolderOrByName) {
  EXPECT_EQ(choose().name(), "chatml");
  EXPECT_EQ(choose({"qwen3"}).name(), "qwen3");
  EXPECT_EQ(choose({"qwen3"}).sha256(), sha256_hex("qwen3"));
  template_text(kChatmlText);
  EXPECT_EQ(choose().sha256(), sha256_hex("chatml"));
  EXPECT_EQ(choose().text(), kChatmlText);
  EXPECT_EQ(choose({"chatml"}).text(), kChatmlText);  // named, and the file's own
  EXPECT_NE(error_of({"llama"}).find("deepseek-r1"), std::string::npos);
  template_text("{{ messages }}");
  EXPECT_NE(error_of().find("--chat-template"), std::string::npos) << error_of();
  EXPECT_NE(error_of().find("qwen2.5"), std::string::npos) << error_of();
  EXPECT_EQ(choose({"chatml"}).name(), "chatml");
}

TEST_F(TemplateChoices, RefusesAnotherThanTheCheckpointWasTrainedWith) {
  record({{"template_sha256", sha256_hex("qwen3")}});
  EXPECT_NE(error_of().find("trained with the chat template"), std::string::npos) << error_of();
  EXPECT_NE(error_of().find("(qwen3)"), std::string::npos) << error_of();
  EXPECT_NE(error_of().find("--allow-template-change"), std::string::npos) << error_of();
  EXPECT_EQ(choose({"", true}).name(), "chatml");
  EXPECT_EQ(choose({"qwen3"}).name(), "qwen3");
  record({{"template_sha256", "an unknown text's"}});
  EXPECT_NE(error_of(), "(no error)");
  // As earlier versions recorded a text that they knew.
  record({{"template_sha256", sha256_hex(kChatmlText)}});
  template_text(kChatmlText);
  EXPECT_EQ(choose().text(), kChatmlText);
  record({{"parents", Json::array()}});  // a record without a template refuses nothing
  EXPECT_EQ(choose({"qwen2.5"}).name(), "qwen2.5");
  record({{"template_sha256", 7}});
  EXPECT_NE(error_of().find("template_sha256"), std::string::npos);
}

TEST_F(TemplateChoices, AChoiceByNameIsKept) {
  template_text("{{ messages }}");
  record({{"template_sha256", sha256_hex("qwen3")}, {"chat_template", "qwen3"}});
  EXPECT_EQ(choose().name(), "qwen3");
  EXPECT_NE(error_of({"chatml"}), "(no error)");
  EXPECT_EQ(choose({"chatml", true}).name(), "chatml");
}

TEST(SameRendering, TextsAndNamesOfOneTemplate) {
  EXPECT_TRUE(same_rendering("x", "x"));
  EXPECT_FALSE(same_rendering("x", "y"));
  EXPECT_TRUE(same_rendering(sha256_hex("chatml"), sha256_hex(kChatmlText)));
  EXPECT_FALSE(same_rendering(sha256_hex("chatml"), sha256_hex("qwen2.5")));
  EXPECT_FALSE(same_rendering("x", sha256_hex("chatml")));
}

}  // namespace
}  // namespace ponder::tokenizer
