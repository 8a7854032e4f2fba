#include "tokenizer/chat_template.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "testing/folders.h"
#include "testing/temporary_folder.h"
#include "tokenizer/chat_messages.h"
#include "tokenizer/chat_styles.h"
#include "tokenizer/tokenizer.h"

namespace ponder::tokenizer {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = testing::source_dir() / "tests/golden/tokenizer";
const fs::path kShared = testing::shared_data() / "tokenizers";

TEST(ChatTemplate, Qwen25Vectors) {
  if (!fs::exists(kShared)) GTEST_SKIP() << "no shared data at " << kShared;
  const Tokenizer tokenizer = Tokenizer::load(kShared / "qwen2.5");
  const ChatTemplate chat = ChatTemplate::of(tokenizer);
  EXPECT_EQ(chat.name(), "qwen2.5");
  EXPECT_EQ(chat.sha256(), sha256_hex("qwen2.5"));
  EXPECT_EQ(chat.text(), tokenizer.chat_template());
  int num_equal = 0;
  JsonRowReader reader(kShared / "vectors/chat_template_qwen2.5.jsonl");
  for (JsonRow row; reader.next(row);) {
    const Conversation conversation = conversation_of(row.value);
    const std::string text = chat.render(conversation.messages, conversation.options);
    EXPECT_EQ(text, row.value.at("rendered").get<std::string>());
    EXPECT_EQ(tokenizer.encode(text), row.value.at("ids").get<std::vector<int32_t>>());
    ++num_equal;
  }
  EXPECT_EQ(num_equal, 23);
}

TEST(ChatTemplate, WhatStandsBeforeAnAnswerByTheSwitch) {
  const std::string empty = "<think>\n\n</think>\n\n";
  const ChatTemplate qwen3 = ChatTemplate::named("qwen3");
  EXPECT_TRUE(qwen3.has_thinking_switch());
  EXPECT_EQ(qwen3.response_prefix(), "");
  EXPECT_EQ(qwen3.response_prefix(true), "");
  EXPECT_EQ(qwen3.response_prefix(false), empty);
  EXPECT_EQ(qwen3.direct_prefix(), empty);
  for (const char* name :
       {"chatml", "qwen2.5", "llama3.1", "qwen3-instruct", "qwq", "deepseek-r1"}) {
    const ChatTemplate other = ChatTemplate::named(name);
    EXPECT_FALSE(other.has_thinking_switch()) << name;
    EXPECT_EQ(other.direct_prefix(), "") << name;
  }
  // It opens the thought itself: that a direct answer closes it is what rows do.
  EXPECT_EQ(ChatTemplate::named("qwen3-thinking").direct_prefix(), "");
}

// The texts with names, against what jinja2 makes of the published ones.
TEST(ChatTemplate, GoldenConversations) {
  std::map<std::string, int> num_rows;
  JsonRowReader reader(testing::source_dir() / "tests/golden/chat/conversations.jsonl.gz");
  for (JsonRow row; reader.next(row);) {
    const std::string hash = row.value.at("template_sha256").get<std::string>();
    const ChatStyle* const style = style_of(hash);
    ASSERT_TRUE(style) << hash;
    const Conversation conversation = conversation_of(row.value);
    EXPECT_EQ(ChatTemplate::named(style->name).render(conversation.messages, conversation.options),
              row.value.at("rendered").get<std::string>())
        << style->name << ", line " << row.line;
    ++num_rows[hash];
  }
  EXPECT_EQ(num_rows.size(), 17u);
  for (const auto& [hash, count] : num_rows) EXPECT_EQ(count, 100) << hash;
}

TEST(ChatTemplate, DefaultSystemTurn) {
  const std::vector<Message> user = {{"user", "Hi"}};
  EXPECT_EQ(ChatTemplate::named("chatml").render(user, true),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(ChatTemplate::named("qwen2.5").render(user, false),
            "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful "
            "assistant.<|im_end|>\n"
            "<|im_start|>user\nHi<|im_end|>\n");
  const std::vector<Message> both = {{"system", ""}, {"user", "Hi"}, {"assistant", "Yo"}};
  for (const char* name : {"chatml", "qwen2.5"}) {
    EXPECT_EQ(ChatTemplate::named(name).render(both, false),
              "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
              "<|im_start|>assistant\nYo<|im_end|>\n");
    EXPECT_EQ(ChatTemplate::named(name).end_of_turn(), "<|im_end|>");
  }
}

TEST(ChatTemplate, Refuses) {
  EXPECT_THROW(ChatTemplate::named("llama"), Error);
  EXPECT_THROW(ChatTemplate::named("chatml").render({}, true), Error);
  EXPECT_THROW(ChatTemplate::named("chatml").render({{"user", "x"}, {"tool", "y"}}, true), Error);
  EXPECT_THROW(ChatTemplate::of(Tokenizer::load(kGolden / "gpt2.json")), Error);  // no <|im_start|>
}

TEST(ChatTemplate, RecognisedByItsText) {
  const testing::TemporaryFolder temporary;
  const fs::path folder = temporary.path();
  fs::copy_file(kGolden / "qwen2.json", folder / "tokenizer.json");
  const auto with_template = [&](const std::string& text) {
    std::ofstream(folder / "tokenizer_config.json") << Json{{"chat_template", text}}.dump();
    return ChatTemplate::of(Tokenizer::load(folder));
  };
  EXPECT_EQ(ChatTemplate::of(Tokenizer::load(folder)).name(),
            "chatml");  // no template: by its tokens
  EXPECT_EQ(ChatTemplate::of(Tokenizer::load(folder)).sha256(), sha256_hex("chatml"));
  for (const std::string line_end : {"\n", "\\n"}) {
    const std::string text =
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '" + line_end +
        "' + message['content'] + '<|im_end|>' + '" + line_end +
        "'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant" + line_end +
        "' }}{% endif %}";
    const std::string with_default =
        "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% "
        "endif %}" +
        text;
    EXPECT_EQ(with_template(text).name(), "chatml");
    EXPECT_EQ(with_template(text).sha256(), sha256_hex("chatml"));
    EXPECT_EQ(with_template(text).text(), text);
    EXPECT_EQ(with_template(with_default).name(), "chatml");
    EXPECT_THROW(with_template(text + " "), Error);
  }
}

}  // namespace
}  // namespace ponder::tokenizer
