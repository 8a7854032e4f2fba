// Hostile and unsupported tokenizer.json: each ends in an Error that names the place, soon.
#include "tokenizer/tokenizer_json.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "testing/folders.h"
#include "testing/sanitizers.h"
#include "tokenizer/tokenizer.h"

namespace ponder::tokenizer {
namespace {

const Json& golden() {
  static const Json json =
      read_json_file(testing::source_dir() / "tests/golden/tokenizer/qwen2.json");
  return json;
}

std::string error_of(const std::string& text) {
  const auto start = std::chrono::steady_clock::now();
  std::string message;
  try {
    Tokenizer::parse(text, "t.json");
  } catch (const Error& error) {
    message = error.what();
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_LT(seconds.count(), 2 * testing::kSlowdown);
  return message;
}

std::string error_after(const std::function<void(Json&)>& change) {
  Json json = golden();
  change(json);
  return error_of(json.dump());
}

// The error names the file and `expected`.
void expect_error(const std::string& message, const std::string& expected) {
  EXPECT_EQ(message.substr(0, 6), "t.json") << message;
  EXPECT_NE(message.find(expected), std::string::npos)
      << "expected " << expected << " in: " << message;
}

void expect_refused(const std::string& expected, const std::function<void(Json&)>& change) {
  expect_error(error_after(change), expected);
}

TEST(TokenizerJson, UnchangedIsRead) {
  EXPECT_EQ(error_after([](Json&) {}), "");
}

TEST(TokenizerJson, NoTokenizerAtAll) {
  expect_error(error_of(""), "JSON");
  expect_error(error_of("[]"), "expected an object");
  expect_error(error_of("{}"), "pre_tokenizer");
  expect_error(error_of(golden().dump().substr(0, 3000)), "t.json");
  expect_error(error_of(std::string(100000, '[')), "t.json");
  std::string deep = golden().dump();
  deep.replace(deep.find("\"normalizer\":"), 13, "\"normalizer\":" + std::string(90, '['));
  expect_error(error_of(deep), "t.json");
  expect_error(error_of(R"({"model":{},"model":{}})"), "twice");
  expect_error(error_of(std::string("{\"model\":\"\xFF\"}")), "UTF-8");
}

TEST(TokenizerJson, MergesOfUnknownTokens) {
  expect_refused("model.merges[1]: \"zq\"", [](Json& j) { j["model"]["merges"][1] = {"zq", "t"}; });
  expect_refused("model.merges[1]: \"zq\"",
                 [](Json& j) { j["model"]["merges"][1] = "z q"; });  // the result
  expect_refused("merges[0]: expected two tokens",
                 [](Json& j) { j["model"]["merges"][0] = "abc"; });
  expect_refused("merges[0]: expected two tokens",
                 [](Json& j) { j["model"]["merges"][0] = "a b c"; });
  expect_refused("merges[0]: expected a pair", [](Json& j) { j["model"]["merges"][0] = 7; });
  expect_refused("merges[0]: expected a pair", [](Json& j) { j["model"]["merges"][0] = {"a"}; });
  expect_refused("model.merges[3]: the pair stands there twice",
                 [](Json& j) { j["model"]["merges"][3] = j["model"]["merges"][2]; });
  expect_refused("model.merges: expected an array", [](Json& j) { j["model"]["merges"] = "a b"; });
  expect_refused("model.merges: is missing", [](Json& j) { j["model"].erase("merges"); });
}

TEST(TokenizerJson, Ids) {
  expect_refused("without gaps", [](Json& j) { j["model"]["vocab"]["a"] = 999999; });
  expect_refused("another token's",
                 [](Json& j) { j["model"]["vocab"]["a"] = j["model"]["vocab"]["b"]; });
  expect_refused("model.vocab: expected a token id for \"a\"",
                 [](Json& j) { j["model"]["vocab"]["a"] = -1; });
  expect_refused("expected a token id", [](Json& j) { j["model"]["vocab"]["a"] = "7"; });
  expect_refused("expected a token id", [](Json& j) { j["model"]["vocab"]["a"] = 1.5; });
  expect_refused("expected a token id", [](Json& j) { j["model"]["vocab"]["a"] = ~uint64_t{0}; });
  expect_refused("expected a token id",
                 [](Json& j) { j["model"]["vocab"]["a"] = int64_t{1} << 40; });
  expect_refused("model.vocab: expected an object",
                 [](Json& j) { j["model"]["vocab"] = Json::array(); });
  expect_refused("byte 0x61", [](Json& j) {  // "a" is no token any more
    const Json id = j["model"]["vocab"]["a"];
    j["model"]["vocab"].erase("a");
    j["model"]["vocab"]["another"] = id;
  });
}

TEST(TokenizerJson, AddedTokens) {
  expect_refused("added_tokens[0]", [](Json& j) { j["added_tokens"][0]["id"] = 5; });
  expect_refused("added_tokens[0]", [](Json& j) { j["added_tokens"][0]["id"] = 100000; });
  expect_refused("added_tokens[0].id", [](Json& j) { j["added_tokens"][0]["id"] = -3; });
  expect_refused("added_tokens[0].id: expected an integer",
                 [](Json& j) { j["added_tokens"][0]["id"] = "1"; });
  expect_refused("added_tokens[1].content", [](Json& j) { j["added_tokens"][1]["content"] = ""; });
  expect_refused("added_tokens[1].content",
                 [](Json& j) { j["added_tokens"][1]["content"] = std::string(5000, 'x'); });
  expect_refused("added_tokens[1].lstrip: expected true or false",
                 [](Json& j) { j["added_tokens"][1]["lstrip"] = 1; });
  expect_refused("added_tokens[1].regex", [](Json& j) { j["added_tokens"][1]["regex"] = true; });
  expect_refused("added_tokens[1]: expected an object",
                 [](Json& j) { j["added_tokens"][1] = "x"; });
  expect_refused("added_tokens",
                 [](Json& j) { j["added_tokens"].push_back(j["added_tokens"][0]); });
  expect_refused("added_tokens[0]: \"a\" has id",
                 [](Json& j) { j["added_tokens"][0]["content"] = "a"; });
}

TEST(TokenizerJson, PreTokenizer) {
  const auto split = [](Json& j) -> Json& { return j["pre_tokenizer"]["pretokenizers"][0]; };
  expect_refused("pre_tokenizer.pretokenizers[0].pattern.Regex: unknown pattern \"(a+)+$\"",
                 [&](Json& j) { split(j)["pattern"]["Regex"] = "(a+)+$"; });
  expect_refused("pretokenizers[0].pattern.String", [&](Json& j) {
    split(j)["pattern"] = Json{{"String", " "}};
  });
  expect_refused("pretokenizers[0].behavior", [&](Json& j) { split(j)["behavior"] = "Removed"; });
  expect_refused("pretokenizers[0].invert", [&](Json& j) { split(j)["invert"] = true; });
  expect_refused("pretokenizers[0].type: \"Metaspace\"",
                 [&](Json& j) { split(j)["type"] = "Metaspace"; });
  expect_refused("pretokenizers[1].use_regex",
                 [](Json& j) { j["pre_tokenizer"]["pretokenizers"][1]["use_regex"] = true; });
  expect_refused("pretokenizers[1].add_prefix_space", [](Json& j) {
    j["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true;
  });
  expect_refused("pre_tokenizer", [](Json& j) { j["pre_tokenizer"] = nullptr; });
  expect_refused("pre_tokenizer: expected a ByteLevel",
                 [](Json& j) { j["pre_tokenizer"]["pretokenizers"] = Json::array(); });
  expect_refused("pre_tokenizer.use_regex", [](Json& j) {
    j["pre_tokenizer"] = Json{{"type", "ByteLevel"}, {"use_regex", false}};
  });
}

TEST(TokenizerJson, Digits) {
  const auto digits = [](Json& j) {
    j["normalizer"] = nullptr;
    j["pre_tokenizer"] = Json::parse(R"({"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": true}, {"type": "ByteLevel"}]})");
  };
  EXPECT_EQ(error_after(digits), "");
  expect_refused("pretokenizers[0].individual_digits: expected true", [&](Json& j) {
    digits(j);
    j["pre_tokenizer"]["pretokenizers"][0]["individual_digits"] = false;
  });
  expect_refused("pretokenizers[1].type: a second Split", [](Json& j) {
    j["pre_tokenizer"]["pretokenizers"].insert(
        j["pre_tokenizer"]["pretokenizers"].begin() + 1,
        Json{{"type", "Digits"}, {"individual_digits", true}});
  });
  expect_refused("pretokenizers[1].use_regex: expected true", [&](Json& j) {
    digits(j);
    j["pre_tokenizer"]["pretokenizers"][1]["use_regex"] = false;
  });
}

// A control character need not be a token, unless normalising could make it of others.
TEST(TokenizerJson, BytesThatAreNoTokens) {
  const auto rename = [](Json& j) {
    Json& vocab = j["model"]["vocab"];
    vocab["another"] = vocab["\u0104"];  // how 0x04 is written
    vocab.erase("\u0104");
  };
  expect_refused("byte 0x04", rename);
  EXPECT_EQ(error_after([&](Json& j) {
              rename(j);
              j["normalizer"] = nullptr;
            }),
            "");
}

TEST(TokenizerJson, OtherComponents) {
  expect_refused("normalizer.type: \"NFKC\"", [](Json& j) {
    j["normalizer"] = Json{{"type", "NFKC"}};
  });
  expect_refused("normalizer.normalizers[0].type", [](Json& j) {
    j["normalizer"] = Json{{"type", "Sequence"}, {"normalizers", {Json{{"type", "Lowercase"}}}}};
  });
  expect_refused("decoder.type", [](Json& j) { j["decoder"] = Json{{"type", "Metaspace"}}; });
  expect_refused("decoder: is missing", [](Json& j) { j["decoder"] = nullptr; });
  expect_refused("post_processor.type", [](Json& j) {
    j["post_processor"] = Json{{"type", "BertProcessing"}};
  });
  expect_refused("post_processor.single: the text A is missing", [](Json& j) {
    j["post_processor"] = Json{{"type", "TemplateProcessing"}, {"single", Json::array()}};
  });
  expect_refused("special_tokens.<s>.ids", [](Json& j) {
    j["post_processor"] = Json::parse(R"({"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [100000], "tokens": ["<s>"]}}})");
  });
  expect_refused("model.type: expected \"BPE\"", [](Json& j) { j["model"]["type"] = "Unigram"; });
  expect_refused("model.dropout", [](Json& j) { j["model"]["dropout"] = 0.1; });
  expect_refused("model.byte_fallback", [](Json& j) { j["model"]["byte_fallback"] = true; });
  expect_refused("model.end_of_word_suffix",
                 [](Json& j) { j["model"]["end_of_word_suffix"] = "</w>"; });
  expect_refused("model.beam", [](Json& j) { j["model"]["beam"] = 1; });
  expect_refused("extra", [](Json& j) { j["extra"] = 1; });
  expect_refused("version", [](Json& j) { j["version"] = "2.0"; });
  expect_refused("model: expected an object", [](Json& j) { j["model"] = 3; });
}

TEST(TokenizerJson, TooLarge) {
  expect_error(error_of(std::string(size_t{200} << 20, ' ')), "bytes; a tokenizer has at most");
}

// Cut anywhere, it is refused, never read in part.
TEST(TokenizerJson, CutAnywhere) {
  const std::string text = golden().dump();
  for (size_t size = 0; size < text.size(); size += 97) {
    EXPECT_THROW(Tokenizer::parse(text.substr(0, size), "t.json"), Error) << size;
  }
}

}  // namespace
}  // namespace ponder::tokenizer
