#include "tokenizer/token_addition.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "testing/byte_tokenizer.h"
#include "testing/error_text.h"
#include "testing/folders.h"
#include "testing/temporary_folder.h"
#include "tokenizer/tokenizer.h"

namespace ponder::tokenizer {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kTags = {"<reason>", "</reason>"};

TEST(TokenAddition, NewIdsFollowAndTextsAreNeverSplit) {
  const std::string json = testing::byte_tokenizer_json();
  const TokenAddition addition = add_tokens(json, "bytes", kTags);
  ASSERT_EQ(addition.tokens.size(), 2u);
  EXPECT_EQ(addition.tokens[0].id, 260);
  EXPECT_EQ(addition.tokens[1].id, 261);
  const Tokenizer before = Tokenizer::parse(json, "bytes"),
                  after = Tokenizer::parse(addition.tokenizer_json, "bytes");
  EXPECT_EQ(before.vocab_size() + 2, after.vocab_size());
  EXPECT_EQ(before.encode("<reason>").size(), 8u);
  EXPECT_EQ(after.encode("a<reason>b</reason>\n"),
            (std::vector<int32_t>{'a', 260, 'b', 261, '\n'}));
  // Written, not said: decoding keeps them.
  EXPECT_EQ(after.decode(after.encode("<reason>b"), true), "<reason>b");
  EXPECT_FALSE(after.is_special(260));
}

TEST(TokenAddition, WhatIsThereStaysWhatItIs) {
  const std::string json = testing::byte_tokenizer_json();
  EXPECT_EQ(add_tokens(json, "bytes", {"<|im_end|>"}).tokenizer_json, json);
  EXPECT_TRUE(add_tokens(json, "bytes", {"<|im_end|>"}).tokens.empty());
  // Twice is once.
  const std::string once = add_tokens(json, "bytes", kTags).tokenizer_json;
  EXPECT_EQ(add_tokens(once, "bytes", kTags).tokenizer_json, once);
  // A word of the vocabulary keeps its id.
  const TokenAddition word = add_tokens(json, "bytes", {"a", "<new>"});
  ASSERT_EQ(word.tokens.size(), 2u);
  EXPECT_TRUE(word.tokens[0].in_vocabulary);
  EXPECT_EQ(word.tokens[0].id, 'a');
  EXPECT_EQ(word.tokens[1].id, 260);
  EXPECT_EQ(Tokenizer::parse(word.tokenizer_json, "bytes").vocab_size(), 261);
}

TEST(TokenAddition, TextsThatAreNoTokens) {
  const auto error = [](const std::vector<std::string>& contents) {
    return testing::error_text(
        [&] { add_tokens(testing::byte_tokenizer_json(), "bytes", contents); });
  };
  EXPECT_NE(error({" "}).find("expected a text"), std::string::npos);
  EXPECT_NE(error({"<a>", "<a>"}).find("named twice"), std::string::npos);
  EXPECT_NE(error({std::string(600, 'x')}).find("at most 512"), std::string::npos);
  EXPECT_NE(error({"\xff"}).find("no UTF-8"), std::string::npos);
}

TEST(TokenAddition, EveryFileThatNamesTokensSaysSo) {
  const testing::TemporaryFolder folder;
  const fs::path base = folder / "base";
  fs::create_directories(base);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    fs::copy_file(testing::source_dir() / "models/nano-base" / name, base / name);
  write_file_atomic(base / "added_tokens.json", R"({"<|im_end|>": 507})");
  std::map<std::string, std::string> files = {
      {"tokenizer_config.json", R"({"eos_token": "<|im_end|>", "added_tokens_decoder": {}})"}};
  put_added_tokens(base, kTags, files);
  EXPECT_EQ(files.size(), 3u);
  const Json config = parse_json(files.at("tokenizer_config.json"), "config");
  EXPECT_EQ(config.at("eos_token"), "<|im_end|>");  // what stood in its place is kept
  EXPECT_EQ(config.at("added_tokens_decoder").at("513").at("content"), "</reason>");
  EXPECT_EQ(parse_json(files.at("added_tokens.json"), "added").at("<reason>"), 512);
  for (const auto& [name, text] : files) write_file_atomic(base / name, text);
  const Tokenizer saved = Tokenizer::load(base),
                  loaded = Tokenizer::load_with(testing::source_dir() / "models/nano-base", kTags);
  EXPECT_EQ(saved.encode("<reason>7+8</reason>"), loaded.encode("<reason>7+8</reason>"));
  EXPECT_EQ(saved.token_id("<reason>"), 512);
  files.clear();
  put_added_tokens(base, kTags, files);  // they have them now
  EXPECT_TRUE(files.empty());
}

}  // namespace
}  // namespace ponder::tokenizer
