#include "tokenizer/template_files.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"
#include "base/hash.h"
#include "testing/folders.h"
#include "testing/temporary_folder.h"
#include "tokenizer/tokenizer.h"

namespace ponder::tokenizer {
namespace {

namespace fs = std::filesystem;

class TemplateFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::copy_file(testing::source_dir() / "tests/golden/tokenizer/qwen2.json",
                  folder_ / "tokenizer.json");
  }
  void write(const char* name, const Json& json) { std::ofstream(folder_ / name) << json.dump(); }
  // The base's files with those in their place: what the trained model's folder holds.
  ChatTemplate trained_with(const char* name) {
    for (const auto& [file, text] : template_files(folder_, ChatTemplate::named(name)))
      std::ofstream(folder_ / file, std::ios::trunc) << text;
    EXPECT_TRUE(template_files(folder_, ChatTemplate::named(name)).empty());
    return ChatTemplate::of(Tokenizer::load(folder_));
  }
  testing::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

TEST_F(TemplateFiles, ABaseWithoutATemplateGetsOne) {
  write("tokenizer_config.json", {{"eos_token", "<|endoftext|>"}, {"model_max_length", 7}});
  write("special_tokens_map.json", {{"eos_token", "<|endoftext|>"}, {"pad_token", "x"}});
  const ChatTemplate chat = trained_with("chatml");
  EXPECT_EQ(chat.name(), "chatml");
  EXPECT_EQ(read_file(folder_ / "chat_template.jinja"), chat.text());
  const Json config = read_json_file(folder_ / "tokenizer_config.json");
  EXPECT_EQ(config.at("chat_template"), chat.text());
  EXPECT_EQ(config.at("eos_token"), "<|im_end|>");
  EXPECT_EQ(config.at("model_max_length"), 7);
  const Json tokens = read_json_file(folder_ / "special_tokens_map.json");
  EXPECT_EQ(tokens, Json({{"eos_token", "<|im_end|>"}, {"pad_token", "x"}}));
  EXPECT_EQ(Tokenizer::load(folder_).eos_token_id(),
            Tokenizer::load(folder_).token_id("<|im_end|>"));
}

TEST_F(TemplateFiles, WithoutASettingsFileOneIsMade) {
  EXPECT_EQ(trained_with("qwen3").name(), "qwen3");
  EXPECT_EQ(read_json_file(folder_ / "tokenizer_config.json").at("eos_token"), "<|im_end|>");
}

TEST_F(TemplateFiles, AnotherTemplateReplacesTheBases) {
  const Json end = {{"content", "<|im_end|>"}, {"special", true}};
  write("tokenizer_config.json",
        {{"eos_token", end}, {"chat_template", ChatTemplate::named("smollm2").text()}});
  write("chat_template.json", {{"chat_template", "other"}});
  EXPECT_EQ(ChatTemplate::of(Tokenizer::load(folder_)).name(), "smollm2");
  EXPECT_EQ(trained_with("chatml").name(), "chatml");
  const Json config = read_json_file(folder_ / "tokenizer_config.json");
  EXPECT_EQ(config.at("eos_token"), end);  // it says so already
  EXPECT_EQ(config.at("chat_template"), ChatTemplate::named("chatml").text());
  EXPECT_EQ(read_json_file(folder_ / "chat_template.json").at("chat_template"),
            ChatTemplate::named("chatml").text());
}

TEST_F(TemplateFiles, WhatSaysSoAlreadyStays) {
  const std::string text = ChatTemplate::named("qwen2.5").text();
  write("tokenizer_config.json", {{"eos_token", "<|im_end|>"}, {"chat_template", text}});
  EXPECT_TRUE(template_files(folder_, ChatTemplate::named("qwen2.5")).empty());
  std::ofstream(folder_ / "chat_template.jinja") << text;
  EXPECT_TRUE(template_files(folder_, ChatTemplate::named("qwen2.5")).empty());
  write("tokenizer_config.json", {{"eos_token", "<|im_end|>"}});
  EXPECT_TRUE(template_files(folder_, ChatTemplate::named("qwen2.5")).empty());
  EXPECT_EQ(template_record(ChatTemplate::named("qwen2.5")),
            Json({{"template_sha256", sha256_hex("qwen2.5")},
                  {"chat_template", "qwen2.5"},
                  {"template_text_sha256", sha256_hex(text)}}));
}

}  // namespace
}  // namespace ponder::tokenizer
