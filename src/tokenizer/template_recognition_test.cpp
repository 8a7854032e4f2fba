#include "tokenizer/template_recognition.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "testing/error_text.h"
#include "testing/folders.h"
#include "testing/temporary_folder.h"
#include "tokenizer/tokenizer.h"

namespace ponder::tokenizer {
namespace {

namespace fs = std::filesystem;

const fs::path kTemplates = testing::source_dir() / "tests/golden/jinja/templates";

std::string published(const char* name) { return read_file(kTemplates / name); }

// QwQ's text as first published, or with another end of its generation prompt.
std::string qwq(const std::string& opened) {
  std::string text = published("Qwen-QwQ-32B.jinja");
  const auto replace = [&](const std::string& from, const std::string& to) {
    EXPECT_NE(text.rfind(from), text.npos);
    text.replace(text.rfind(from), from.size(), to);
  };
  replace("    {%- if not enable_thinking -%}{{- '</think>' -}}{%- endif -%}\n", "");
  replace("<think>\\n", opened);
  return text;
}

class Recognised : public ::testing::Test {
 protected:
  // A tokenizer of bytes alone, with these special tokens.
  Tokenizer with(const std::string& text, const std::vector<std::string>& specials,
                 const Json& named = Json::object()) {
    Json json = read_json_file(testing::source_dir() / "tests/golden/tokenizer/qwen2.json");
    json["added_tokens"] = Json::array();
    auto id = static_cast<int64_t>(json.at("model").at("vocab").size());
    for (const std::string& token : specials) {
      json["added_tokens"].push_back({{"id", id++},
                                      {"content", token},
                                      {"single_word", false},
                                      {"lstrip", false},
                                      {"rstrip", false},
                                      {"normalized", false},
                                      {"special", true}});
    }
    Json config = named;
    config["chat_template"] = text;
    std::ofstream(temporary_.path() / "tokenizer.json", std::ios::trunc) << json.dump();
    std::ofstream(temporary_.path() / "tokenizer_config.json", std::ios::trunc) << config.dump();
    return Tokenizer::load(temporary_.path());
  }
  ChatTemplate of(const std::string& text, const std::vector<std::string>& specials,
                  const Json& named = Json::object()) {
    return ChatTemplate::of(with(text, specials, named));
  }
  testing::TemporaryFolder temporary_;
};

TEST_F(Recognised, EveryNamedTextIsItself) {
  for (const ChatStyle& style : chat_styles()) {
    const Recognition found = recognise(jinja::Template(style.text), {});
    ASSERT_TRUE(found.style) << style.name << ": " << found.difference;
    EXPECT_EQ(found.style->name, style.name);
  }
}

TEST_F(Recognised, PublishedTexts) {
  const std::vector<std::string> ends = {"<|im_start|>", "<|im_end|>"};
  EXPECT_EQ(of(published("Qwen-Qwen2.5-7B-Instruct.jinja"), ends).name(), "qwen2.5");
  EXPECT_EQ(of(published("Qwen-Qwen3-0.6B.jinja"), ends).name(), "qwen3");
  // White space and comments between tags change nothing that it does.
  EXPECT_EQ(of("{#- mine -#}\n" + published("Qwen-Qwen3-0.6B.jinja"), ends).name(), "qwen3");
  EXPECT_EQ(of(qwq("<think>\\n"), ends).name(), "qwq");
  const ChatTemplate unopened = of(qwq(""), ends);
  EXPECT_EQ(unopened.name(), "own");
  EXPECT_EQ(unopened.end_of_turn(), "<|im_end|>");
  EXPECT_EQ(unopened.response_prefix(), "");
}

TEST_F(Recognised, ATextOfItsOwnIsUsedAsItIs) {
  const std::string phi = published("microsoft-Phi-3.5-mini-instruct.jinja");
  const std::vector<std::string> tokens = {"<|endoftext|>", "<|assistant|>", "<|end|>",
                                           "<|system|>", "<|user|>"};
  const ChatTemplate chat = of(phi, tokens, {{"eos_token", "<|endoftext|>"}});
  EXPECT_EQ(chat.name(), "own");
  EXPECT_EQ(chat.sha256(), sha256_hex(phi));
  EXPECT_EQ(chat.text(), phi);
  EXPECT_EQ(chat.end_of_turn(), "<|end|>");
  EXPECT_EQ(chat.control_texts(),
            (std::vector<std::string>{"<|end|>", "<|assistant|>", "<|user|>"}));
  EXPECT_EQ(chat.render({{"user", "Hi"}}, true), "<|user|>\nHi<|end|>\n<|assistant|>\n");
  EXPECT_EQ(chat.render({{"user", "Hi"}}, false), "<|user|>\nHi<|end|>\n<|endoftext|>");
  // Mistral's, whose tokens are those that tokenizer_config.json names.
  const ChatTemplate nemo = of(published("mistralai-Mistral-Nemo-Instruct-2407.jinja"),
                               {"<s>", "</s>", "[INST]", "[/INST]"},
                               {{"bos_token", "<s>"}, {"eos_token", {{"content", "</s>"}}}});
  EXPECT_EQ(nemo.end_of_turn(), "</s>");
  EXPECT_EQ(nemo.render({{"system", "Be brief."}, {"user", "Hi"}}, true),
            "<s>[INST]Be brief.\n\nHi[/INST]");
  EXPECT_THROW(nemo.render({{"user", "Hi"}, {"user", "Ho"}}, true), Error);
  // A thought that the generation prompt opens, and one that an answer shows empty.
  const ChatTemplate opening = of("{{ 'x' }}" + qwq("<think>"), {"<|im_start|>", "<|im_end|>"});
  EXPECT_EQ(opening.name(), "own");
  EXPECT_EQ(opening.response_prefix(), "<think>");
  std::string named = published("Qwen-Qwen3-0.6B.jinja");
  EXPECT_EQ(of("{{ 'x' }}" + named, {"<|im_end|>"}).name(), "own");
}

TEST_F(Recognised, WhatRowsCannotBeMadeWithIsRefused) {
  const auto why = [&](const std::string& text, const std::vector<std::string>& tokens) {
    return testing::error_text([&] { of(text, tokens, {{"eos_token", nullptr}}); });
  };
  const std::string chatml = ChatTemplate::named("chatml").text();
  const std::vector<std::string> ends = {"<|im_start|>", "<|im_end|>"};
  const auto expect_said = [](const std::string& message, const std::string& words) {
    EXPECT_NE(message.find(words), std::string::npos) << message;
  };
  const std::string trailing = why(chatml + " ", ends);
  expect_said(trailing, "nearest is chatml; first difference (a question): chatml");
  expect_said(trailing, "--chat-template NAME");
  expect_said(why("{{ messages[0].role }}", ends),
              "does not show a question and its answer as they are");
  expect_said(why("{{ messages }}", ends), "an answer begins with");
  expect_said(why(published("Qwen-QwQ-32B.jinja"), ends),
              "its generation prompt goes on with \"<think>\\n</think>\"");
  expect_said(why("{{ messages[5].content.x }}", ends), "refuses a question");
  expect_said(why("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}"
                  "{% if add_generation_prompt %}<|assistant|>{% endif %}",
                  ends),
              "begins with no special token");
  // A space before an answer would be trained nowhere.
  expect_said(why("{% for m in messages %}{{ m.role }}:{{ ' ' if m.role == 'assistant' }}{{ "
                  "m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}assistant:"
                  "{% endif %}",
                  ends),
              "writes \" \" before an answer");
  expect_said(why("{% for m in messages %}{{ m.content }}"
                  "{% if m.role == 'assistant' and loop.last %}<|im_end|>{% endif %}{% endfor %}",
                  ends),
              "an earlier answer does not end with");
  expect_said(why("{% include 'x' %}", ends), "chat_template:1: the statement \"include\"");
  expect_said(why("{% include 'x' %}", ends), "--chat-template NAME");
  EXPECT_EQ(ChatTemplate::of(with("{% include 'x' %}", ends), "qwen3").name(), "qwen3");
}

TEST_F(Recognised, AnswersToOtherPromptsAreRefused) {
  const std::string message = testing::error_text([&] {
    of("{% for m in messages %}{{ m.role }} {{ m.content }}<|im_end|>{% endfor %}"
       "{% if add_generation_prompt %}Answer: {% endif %}",
       {"<|im_end|>"});
  });
  EXPECT_NE(message.find("an answer begins with"), std::string::npos) << message;
}

}  // namespace
}  // namespace ponder::tokenizer
