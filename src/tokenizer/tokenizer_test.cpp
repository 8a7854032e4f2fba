#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/philox.h"
#include "testing/error_text.h"
#include "testing/folders.h"
#include "testing/sanitizers.h"
#include "testing/temporary_folder.h"
#include "tokenizer/bpe.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/unicode.h"

namespace ponder::tokenizer {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = testing::source_dir() / "tests/golden/tokenizer";
const fs::path kShared = testing::shared_data() / "tokenizers";

std::vector<Json> rows_of(const fs::path& file) {
  std::vector<Json> rows;
  JsonRowReader reader(file);
  for (JsonRow row; reader.next(row);) rows.push_back(row.value);
  return rows;
}

// Expects what `row` says of encoding and decoding; counts the row.
void check_row(const Tokenizer& tokenizer, const Json& row, int& num_rows) {
  const auto ids = row.at("ids").get<std::vector<int32_t>>();
  if (row.contains("text")) {
    const bool special = row.at("add_special_tokens").get<bool>();
    EXPECT_EQ(tokenizer.encode(row.at("text").get<std::string>(), special), ids) << dump_json(row);
  }
  EXPECT_EQ(tokenizer.decode(ids), row.at("decoded").get<std::string>()) << dump_json(row);
  if (row.contains("decoded_skip_special")) {
    EXPECT_EQ(tokenizer.decode(ids, true), row.at("decoded_skip_special").get<std::string>())
        << dump_json(row);
  }
  ++num_rows;
}

TEST(Tokenizer, GoldenIdsAndTexts) {
  const std::vector<Json> rows = rows_of(kGolden / "vectors.jsonl");
  int num_rows = 0;
  for (const char* name : {"qwen2", "gpt2", "llama3"}) {
    const Tokenizer tokenizer = Tokenizer::load(kGolden / (std::string(name) + ".json"));
    for (const Json& row : rows) {
      if (row.at("tokenizer") == name) check_row(tokenizer, row, num_rows);
    }
  }
  EXPECT_EQ(num_rows, 3 * (2 * 120 + 9));  // texts with and without special tokens, and ids alone
}

TEST(Tokenizer, GoldenIdsOfTextsWithNumbersApart) {
  const Tokenizer tokenizer = Tokenizer::load(kGolden / "smollm2.json");
  int num_rows = 0;
  for (const Json& row : rows_of(kGolden / "smollm2_vectors.jsonl")) {
    check_row(tokenizer, row, num_rows);
  }
  EXPECT_EQ(num_rows, 240);
}

// What Hugging Face leaves out silently is found, and never encoded as less than it is.
TEST(Tokenizer, BytesWithoutAToken) {
  const Tokenizer tokenizer = Tokenizer::load(kGolden / "smollm2.json");
  EXPECT_FALSE(tokenizer.byte_without_token("a\x03 1<|im_end|>\n"));
  EXPECT_FALSE(Tokenizer::load(kGolden / "gpt2.json").byte_without_token("\x04\xFF"));
  std::string missing;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text = std::string("1<|im_end|>a") + static_cast<char>(byte);
    const auto found = tokenizer.byte_without_token(text);
    if (!found) continue;
    missing += static_cast<char>(byte);
    EXPECT_EQ(found->byte, byte);
    EXPECT_EQ(found->at, text.size() - 1);
  }
  EXPECT_EQ(missing,
            "\x04\x06\x13\x14\x16\x1D\xC0\xC1\xF1\xF2\xF5\xF6\xF7\xF8\xF9\xFA\xFB\xFC"
            "\xFD\xFE\xFF");
  try {
    tokenizer.encode("say \x06 twice \x04");
    FAIL() << "encoded";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("byte 0x06 at 4"), std::string::npos) << error.what();
  }
}

TEST(Tokenizer, SharedVectors) {
  if (!fs::exists(kShared)) GTEST_SKIP() << "no shared data at " << kShared;
  const std::vector<Json> rows = rows_of(kShared / "vectors/hf_tokenizers_0.23.2_vectors.jsonl");
  int num_rows = 0;
  for (const char* name : {"qwen2.5", "qwen3"}) {
    const Tokenizer tokenizer = Tokenizer::load(kShared / name);
    for (const Json& row : rows) {
      if (row.at("tokenizer") == name) check_row(tokenizer, row, num_rows);
    }
  }
  EXPECT_EQ(num_rows, 268);
}

TEST(Tokenizer, SharedLlamaCppVectors) {
  if (!fs::exists(kShared)) GTEST_SKIP() << "no shared data at " << kShared;
  const auto split = [](const std::string& text, const std::string& separator) {
    std::vector<std::string> parts;
    size_t begin = 0;
    for (size_t at; (at = text.find(separator, begin)) != std::string::npos;
         begin = at + separator.size()) {
      parts.push_back(text.substr(begin, at - begin));
    }
    return parts;  // what follows the last separator is nothing in these files
  };
  const auto texts =
      split(read_file(kShared / "vectors/ggml-vocab.inp"), "\n__ggml_vocab_test__\n");
  ASSERT_EQ(texts.size(), 46u);
  const std::pair<const char*, const char*> kVectors[] = {
      {"qwen2.5", "ggml-vocab-qwen2.out"},
      {"qwen2.5", "ggml-vocab-deepseek-r1-qwen.out"},
      {"llama3", "ggml-vocab-llama-bpe.out"},
  };
  for (const auto& [name, file] : kVectors) {
    const Tokenizer tokenizer = Tokenizer::load(kShared / name);
    const auto lines = split(read_file(kShared / "vectors" / file), "\n");
    ASSERT_EQ(lines.size(), texts.size()) << file;
    for (size_t i = 0; i < texts.size(); ++i) {
      std::string ids;
      for (const int32_t id : tokenizer.encode(texts[i])) ids += " " + std::to_string(id);
      EXPECT_EQ(ids, lines[i]) << file << ": " << texts[i];
    }
  }
}

TEST(Tokenizer, ReadsTheConfigBesideIt) {
  if (!fs::exists(kShared)) GTEST_SKIP() << "no shared data at " << kShared;
  const Tokenizer tokenizer = Tokenizer::load(kShared / "qwen2.5");
  EXPECT_EQ(tokenizer.vocab_size(), 151665);
  EXPECT_EQ(tokenizer.eos_token_id(), tokenizer.token_id("<|im_end|>"));
  EXPECT_EQ(tokenizer.token_id("<|im_end|>"), 151645);
  EXPECT_TRUE(tokenizer.is_special(151645));
  EXPECT_FALSE(tokenizer.is_special(151657));  // <tool_call>
  EXPECT_EQ(tokenizer.sha256(), sha256_hex(read_file(kShared / "qwen2.5/tokenizer.json.gz")));
}

class TokenizerFolder : public ::testing::Test {
 protected:
  void SetUp() override { fs::copy_file(kGolden / "qwen2.json", folder_ / "tokenizer.json"); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  std::string load_error() {
    return testing::error_text([&] { Tokenizer::load(folder_); });
  }
  testing::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

TEST_F(TokenizerFolder, WithoutConfig) {
  const Tokenizer tokenizer = Tokenizer::load(folder_);
  EXPECT_EQ(tokenizer.chat_template(), "");
  EXPECT_FALSE(tokenizer.eos_token_id().has_value());
  EXPECT_EQ(tokenizer.sha256(), sha256_hex(read_file(kGolden / "qwen2.json")));
}

TEST_F(TokenizerFolder, ConfigForms) {
  write("tokenizer_config.json", R"({"eos_token": {"content": "<|im_end|>"}, "chat_template":
      [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]})");
  {
    const Tokenizer tokenizer = Tokenizer::load(folder_);
    EXPECT_EQ(tokenizer.chat_template(), "D");
    EXPECT_EQ(tokenizer.eos_token_id(), tokenizer.token_id("<|im_end|>"));
  }
  write("chat_template.jinja", "J");
  EXPECT_EQ(Tokenizer::load(folder_).chat_template(), "J");
}

TEST_F(TokenizerFolder, ConfigThatContradicts) {
  write("tokenizer_config.json", R"({"eos_token": "<|no|>"})");
  EXPECT_NE(load_error().find("eos_token: \"<|no|>\""), std::string::npos) << load_error();
  write("tokenizer_config.json", R"({"added_tokens_decoder": {"9": {"content": "<|im_end|>"}}})");
  EXPECT_NE(load_error().find("added_tokens_decoder.9"), std::string::npos) << load_error();
  write("tokenizer_config.json", "{");
  EXPECT_NE(load_error().find("tokenizer_config.json"), std::string::npos) << load_error();
  fs::remove(folder_ / "tokenizer_config.json");
  fs::remove(folder_ / "tokenizer.json");
  EXPECT_NE(load_error().find("tokenizer.json.gz"), std::string::npos) << load_error();
}

TEST(Tokenizer, TokensByTextAndBack) {
  const Tokenizer tokenizer = Tokenizer::load(kGolden / "qwen2.json");
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    EXPECT_EQ(tokenizer.token_id(tokenizer.token_bytes(id)), id);
  }
  EXPECT_FALSE(tokenizer.token_id("no such token").has_value());
  const auto decode = [&](int32_t id) { return tokenizer.decode(std::vector<int32_t>{id}); };
  EXPECT_THROW(decode(-1), Error);
  EXPECT_THROW(decode(tokenizer.vocab_size()), Error);
  EXPECT_THROW(tokenizer.token_bytes(tokenizer.vocab_size()), Error);
  EXPECT_FALSE(tokenizer.is_special(tokenizer.vocab_size()));
}

// An added token stands for its content as written, also where all its characters happen to be ones
// that byte-level tokens are written in.
TEST(Tokenizer, AddedTokensAreNoByteLevelText) {
  Json json = read_json_file(kGolden / "qwen2.json");
  json["added_tokens"][3]["content"] = "né";
  const Tokenizer tokenizer = Tokenizer::parse(json.dump(), "t.json");
  const std::vector<int32_t> ids = tokenizer.encode("né");
  EXPECT_EQ(ids, std::vector<int32_t>{json["added_tokens"][3]["id"].get<int32_t>()});
  EXPECT_EQ(tokenizer.decode(ids), "né");
}

// Random text of characters that matter to the patterns, with broken UTF-8 among them if `broken`.
std::string random_text(RandomSequence& random, bool broken) {
  static const char* kParts[] = {"a",  "the",  " the", "'s",     "'LL",        " ",      "  ",
                                 "\n", "\r\n", "\t",   "1",      "42",         "!",      "...",
                                 "é",  "漢",   "👍",    "\u3000", "<|im_end|>", "<tool>", "<"};
  static const char* kBroken[] = {"\xFF", "\xC3", "\xE2\x82", "\x80"};
  std::string text;
  for (int64_t n = random.between(0, 30); n > 0; --n) {
    if (broken && random.below(4) == 0) {
      text += kBroken[random.below(std::size(kBroken))];
    } else {
      text += kParts[random.below(std::size(kParts))];
    }
  }
  return text;
}

TEST(Tokenizer, EveryByteComesBack) {
  for (const char* name : {"qwen2", "gpt2", "llama3"}) {
    const Tokenizer tokenizer = Tokenizer::load(kGolden / (std::string(name) + ".json"));
    RandomSequence random(1, stable_hash64(name));
    for (int i = 0; i < 500; ++i) {
      const std::string text = random_text(random, true);
      std::string bytes;
      for (const int32_t id : tokenizer.encode(text)) bytes += tokenizer.token_bytes(id);
      EXPECT_EQ(bytes, text);
    }
  }
}

// Byte-pair encoding as its definition reads, in quadratic time.
std::vector<int32_t> merge_plainly(const TokenizerData& data, const std::string& word) {
  std::vector<int32_t> ids;
  for (const char c : word) ids.push_back(data.byte_ids[static_cast<uint8_t>(c)]);
  for (;;) {
    size_t best_rank = data.merges.size(), best = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      for (size_t rank = 0; rank < best_rank; ++rank) {
        if (data.merges[rank].left == ids[i] && data.merges[rank].right == ids[i + 1]) {
          best_rank = rank;
          best = i;
        }
      }
    }
    if (best_rank == data.merges.size()) return ids;
    ids[best] = data.merges[best_rank].merged;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

TEST(Bpe, MergesInOrderOfRank) {
  const TokenizerData data = parse_tokenizer_json(read_file(kGolden / "qwen2.json"), "qwen2.json");
  const Bpe bpe(data.byte_ids, data.merges);
  RandomSequence random(1, 2);
  for (int i = 0; i < 300; ++i) {
    std::string word;
    for (int64_t n = random.between(1, 40); n > 0; --n) word += " theansiot.x"[random.below(12)];
    std::vector<int32_t> ids;
    bpe.encode_word(word, ids);
    EXPECT_EQ(ids, merge_plainly(data, word)) << word;
  }
}

// Long words are merged another way. Also where ranks are in no order, so that a merge makes a pair
// of a lower rank than its own, and where every place of a rank is made by merges.
TEST(Bpe, LongWordsMergeAsShortOnesDo) {
  RandomSequence random(2, 3);
  for (int table = 0; table < 60; ++table) {
    TokenizerData data;
    for (size_t byte = 0; byte < 256; ++byte) data.byte_ids[byte] = static_cast<int32_t>(byte);
    std::vector<std::string> texts = {"a", "b", "c"};
    std::map<std::string, int32_t> ids = {{"a", 'a'}, {"b", 'b'}, {"c", 'c'}};
    std::set<std::pair<int32_t, int32_t>> pairs;
    for (int i = 0; i < 25; ++i) {
      const std::string left = texts[random.below(texts.size())],
                        right = texts[random.below(texts.size())];
      if (!pairs.emplace(ids[left], ids[right]).second) continue;
      if (ids.emplace(left + right, 300 + i).second) texts.push_back(left + right);
      data.merges.push_back({ids[left], ids[right], ids[left + right]});
    }
    if (table % 2 == 0) random.shuffle(data.merges);
    const Bpe bpe(data.byte_ids, data.merges);
    std::string word;
    const bool one_letter = table % 3 == 0;
    while (word.size() < Bpe::kLongWordBytes + 100) word += "abc"[one_letter ? 0 : random.below(3)];
    std::vector<int32_t> merged;
    bpe.encode_word(word, merged);
    EXPECT_EQ(merged, merge_plainly(data, word)) << table;
    const std::string_view part = std::string_view(word).substr(0, Bpe::kLongWordBytes - 1);
    merged.clear();
    bpe.encode_word(part, merged);
    EXPECT_EQ(merged, merge_plainly(data, std::string(part))) << table;
  }
}

TEST(Unicode, NormalFormC) {
  EXPECT_EQ(to_nfc("e\u0301"), "\u00e9");
  EXPECT_EQ(to_nfc("\u1100\u1161\u11a8"), "\uac01");
  EXPECT_EQ(to_nfc("\u212b \u2126"), "\u00c5 \u03a9");
  EXPECT_EQ(to_nfc("\u0958"), "\u0915\u093c");                        // excluded from composition
  EXPECT_EQ(to_nfc("q\u0307\u0323"), "q\u0323\u0307");                // marks in canonical order
  EXPECT_EQ(to_nfc("\U00011935\U00011930"), "\U00011935\U00011930");  // joined since Unicode 13
  EXPECT_EQ(to_nfc("e\u0898\u0301"), "e\u0898\u0301");                // a mark since Unicode 14
  EXPECT_EQ(to_nfc("e\xFF\u0301\xE2\x82"), "e\xFF\u0301\xE2\x82");
  RandomSequence random(3, 4);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (int64_t n = random.between(0, 8); n > 0; --n) {
      append_utf8(static_cast<uint32_t>(random.below(4) ? random.below(0x500)
                                                        : 0x1000 + random.below(0x2000)),
                  text);
    }
    const std::string normal = to_nfc(text);
    EXPECT_EQ(to_nfc(normal), normal);
    if (is_surely_nfc(text)) {
      EXPECT_EQ(normal, text);
    }
  }
}

TEST(Tokenizer, TimeIsLinear) {
  const Tokenizer tokenizer = Tokenizer::load(kGolden / "qwen2.json");
  const auto repeat = [](const std::string& part, size_t num_bytes) {
    std::string text;
    while (text.size() < num_bytes) text += part;
    return text;
  };
  const std::string kParts[] = {"a",     "the", " ",      "\n ",     "\u0301\u0316",
                                "<|im_", "'",   "\u3000", "<tool> ", "\xF0\x9F"};
  for (const std::string& part : kParts) {
    const std::string text = repeat(part, part == "a" ? 1000000 : 300000);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_GT(tokenizer.encode(text).size(), 0u);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    // Measured 0.01 to 0.3 s; a quadratic step takes minutes.
    EXPECT_LT(seconds.count(), 20 * testing::kSlowdown) << part;
  }
}

TEST(Tokenizer, ThreadsShareIt) {
  const Tokenizer tokenizer = Tokenizer::load(kGolden / "qwen2.json");
  std::vector<std::string> texts;
  std::vector<std::vector<int32_t>> expected;
  RandomSequence random(5, 6);
  for (int i = 0; i < 200; ++i) texts.push_back(random_text(random, false));
  for (const std::string& text : texts) expected.push_back(tokenizer.encode(text));
  const Tokenizer shared = Tokenizer::load(kGolden / "qwen2.json");  // its cache is empty
  std::vector<std::thread> threads;
  std::vector<int> num_equal(4);
  for (size_t t = 0; t < num_equal.size(); ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < texts.size(); ++i)
        num_equal[t] += shared.encode(texts[i]) == expected[i];
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int n : num_equal) EXPECT_EQ(n, 200);
}

}  // namespace
}  // namespace ponder::tokenizer
