// Every code point of Unicode, in seven contexts, against hashes of what Hugging Face tokenizers
// makes of them.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "base/hash.h"
#include "base/json.h"
#include "testing/folders.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode.h"

namespace ponder::tokenizer {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = testing::source_dir() / "tests/golden/tokenizer";
const fs::path kShared = testing::shared_data() / "tokenizers";
constexpr uint32_t kBlock = 4096, kEnd = 0x110000;

using Context = std::function<std::string(const std::string&)>;

const std::vector<Context>& contexts() {
  static const std::vector<Context> all = {
      [](const std::string& c) { return c; },
      [](const std::string& c) { return "a" + c + "b"; },
      [](const std::string& c) { return " " + c; },
      [](const std::string& c) { return "1" + c + "1"; },
      [](const std::string& c) { return "!" + c + "\n"; },
      [](const std::string& c) { return "e" + c + "\u0301"; },
      [](const std::string& c) { return c + c + " x"; },
  };
  return all;
}

std::string hash_of_block(const Tokenizer& tokenizer, uint32_t first) {
  std::vector<int32_t> numbers;
  for (const Context& context : contexts()) {
    std::string text;
    for (uint32_t c = first; c < first + kBlock; ++c) {
      if (c >= 0xD800 && c <= 0xDFFF) continue;
      std::string character;
      append_utf8(c, character);
      if (tokenizer.byte_without_token(character)) continue;
      if (!text.empty()) text += " | ";
      text += context(character);
    }
    const std::vector<int32_t> ids = tokenizer.encode(text);
    numbers.insert(numbers.end(), ids.begin(), ids.end());
    numbers.push_back(-1);
  }
  return sha256_hex(
             {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(int32_t)})
      .substr(0, 8);
}

void check(const char* name, const fs::path& file) {
  const Tokenizer tokenizer = Tokenizer::load(file);
  const Json expected = read_json_file(kGolden / "unicode.json").at(name);
  ASSERT_EQ(expected.size(), kEnd / kBlock);
  for (uint32_t block = 0; block < expected.size(); ++block) {
    EXPECT_EQ(hash_of_block(tokenizer, block * kBlock), expected[block].get<std::string>())
        << name << ": from " << block * kBlock;
  }
}

void check_shared(const char* name, const char* folder) {
  if (!fs::exists(kShared)) GTEST_SKIP() << "no shared data at " << kShared;
  check(name, kShared / folder);
}

TEST(EveryCodePoint, IsOfTheClassThatPatternsSee) {
  const Json expected = read_json_file(kGolden / "unicode.json").at("classes");
  ASSERT_EQ(expected.size(), kEnd / kBlock);
  for (uint32_t first = 0; first < kEnd; first += kBlock) {
    std::string digits;
    for (uint32_t c = first; c < first + kBlock; ++c) {
      const CharClass cls = char_class(c);
      digits += is_space(cls) ? '3' : static_cast<char>('0' + static_cast<int>(cls));
    }
    EXPECT_EQ(sha256_hex(digits).substr(0, 8), expected[first / kBlock].get<std::string>())
        << "from " << first;
  }
}

TEST(SlowEveryCodePoint, Qwen2Pattern) { check("qwen2", kGolden / "qwen2.json"); }
TEST(SlowEveryCodePoint, Gpt2Pattern) { check("gpt2", kGolden / "gpt2.json"); }
TEST(SlowEveryCodePoint, Llama3Pattern) { check("llama3", kGolden / "llama3.json"); }
TEST(SlowEveryCodePoint, SmolLm2Pattern) { check("smollm2", kGolden / "smollm2.json"); }
TEST(SlowEveryCodePoint, Qwen25) { check_shared("qwen2.5", "qwen2.5"); }
TEST(SlowEveryCodePoint, Qwen3) { check_shared("qwen3", "qwen3"); }
TEST(SlowEveryCodePoint, Llama31) { check_shared("llama-3.1", "llama3"); }

}  // namespace
}  // namespace ponder::tokenizer
