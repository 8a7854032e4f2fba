#include "tokenizer/stream_decoder.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/philox.h"
#include "testing/folders.h"
#include "tokenizer/unicode.h"

namespace ponder::tokenizer {
namespace {

const std::filesystem::path kGolden = testing::source_dir() / "tests/golden/tokenizer";

std::vector<int32_t> ids_of_bytes(const Tokenizer& tokenizer, std::string_view bytes) {
  std::vector<int32_t> ids;
  for (const char byte : bytes) ids.push_back(*tokenizer.token_id(std::string_view(&byte, 1)));
  return ids;
}

TEST(StreamDecoder, HoldsBackWhatIsNoCharacterYet) {
  const Tokenizer tokenizer = Tokenizer::load(kGolden / "qwen2.json");
  StreamDecoder stream(tokenizer);
  std::vector<std::string> parts;
  for (const int32_t id : ids_of_bytes(tokenizer, "a\xF0\x9F\x91\x8D!")) {
    parts.push_back(stream.push(id));
  }
  EXPECT_EQ(parts, (std::vector<std::string>{"a", "", "", "", "👍", "!"}));
  EXPECT_EQ(stream.finish(), "");
  // A lead byte, then one that cannot follow it.
  EXPECT_EQ(stream.push(ids_of_bytes(tokenizer, "\xE2")[0]), "");
  EXPECT_EQ(stream.push(ids_of_bytes(tokenizer, "x")[0]), "\uFFFDx");
  // The end comes first.
  EXPECT_EQ(stream.push(ids_of_bytes(tokenizer, "\xE2")[0]), "");
  EXPECT_EQ(stream.push(ids_of_bytes(tokenizer, "\x82")[0]), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
  EXPECT_EQ(stream.finish(), "");
  EXPECT_EQ(stream.push(ids_of_bytes(tokenizer, "\xFF")[0]), "\uFFFD");  // never a character
  EXPECT_THROW(stream.push(tokenizer.vocab_size()), Error);
}

// Any ids, broken ones above all: joined, the pieces are what decode gives, and each is valid.
TEST(StreamDecoder, EqualsDecode) {
  const Tokenizer tokenizer = Tokenizer::load(kGolden / "qwen2.json");
  const std::vector<int32_t> bytes = ids_of_bytes(
      tokenizer, "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x91\x8D\xED\xA0\xE0\xC0\xF4\x90\xF5\x80\xBF");
  RandomSequence random(1, 2);
  for (int i = 0; i < 20000; ++i) {
    std::vector<int32_t> ids;
    for (int64_t n = random.between(0, 12); n > 0; --n) {
      ids.push_back(random.below(5) == 0 ? static_cast<int32_t>(random.below(
                                               static_cast<uint64_t>(tokenizer.vocab_size())))
                                         : bytes[random.below(bytes.size())]);
    }
    for (const bool skip_special : {false, true}) {
      StreamDecoder stream(tokenizer, skip_special);
      std::string text;
      for (const int32_t id : ids) {
        const std::string part = stream.push(id);
        ASSERT_EQ(replace_invalid_utf8(part), part);
        text += part;
      }
      text += stream.finish();
      ASSERT_EQ(text, tokenizer.decode(ids, skip_special));
    }
  }
}

}  // namespace
}  // namespace ponder::tokenizer
