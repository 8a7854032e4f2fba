// --add-tokens and add_tokens: from the tokenizer to the folder that is saved, and to what is made of it.
#include <algorithm>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

class AddedTokens : public ::testing::Test {
 protected:
  void SetUp() override {
    make_tiny_base(base_);
    std::string rows;
    for (int i = 0; i < 8; ++i) {
      rows += dump_json({{"prompt", "Compute " + std::to_string(i) + "+1"},
                         {"response", "<think>One more.</think>" + std::to_string(i + 1)}}) +
              "\n";
    }
    write_file_atomic(rows_, rows);
  }
  testing::Outcome train(const fs::path& model, const fs::path& out,
                         const std::vector<std::string>& further = {}) {
    std::vector<std::string> words =
        command({"sft", "--model", model, "--data", rows_, "--out", out, "--threads", "1",
                 "--quiet", "--epochs", "2", "--batch-rows", "4"});
    words.insert(words.end(), further.begin(), further.end());
    return testing::run(words, {});
  }
  static int64_t vocab_size(const fs::path& folder) {
    return read_json_file(folder / "config.json").at("vocab_size").get<int64_t>();
  }
  Json ids_of(const fs::path& folder, const std::string& text) {
    const testing::Launch launch{
        .folder = folder_.path(), .input = dump_json({{"text", text}}), .limit = testing::kLimit};
    const testing::Outcome said = ponder({"tokenize", "--tokenizer", folder}, launch);
    EXPECT_EQ(said.status, 0) << said.err;
    return json_lines(said.out).at(0).at("ids");
  }
  testing::TemporaryFolder folder_;
  const fs::path base_ = folder_ / "base", rows_ = folder_ / "rows.jsonl", model_ = folder_ / "m";
  const std::vector<std::string> add_ = {"--add-tokens", "<think>,</think>"};
};

TEST_F(AddedTokens, AreInEveryFileAndTheModelIsWhole) {
  const testing::Outcome trained = train(base_, model_, add_);
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_EQ(vocab_size(base_), 512);
  EXPECT_EQ(vocab_size(model_), 514);
  EXPECT_EQ(ids_of(model_, "<think>"), Json::array({512}));
  EXPECT_EQ(ids_of(base_, "<think>").size() > 1, true);
  EXPECT_TRUE(
      read_json_file(model_ / "tokenizer_config.json").at("added_tokens_decoder").contains("513"));
  const Json record = read_json_file(model_ / "ponder.json");
  EXPECT_EQ(record.at("training").at("added_tokens"), Json::array({"<think>", "</think>"}));
  EXPECT_NE(record.at("command").get<std::string>().find("--add-tokens '<think>,</think>'"),
            std::string::npos);
  const testing::Outcome seen = ponder({"inspect", model_, "--json"});
  EXPECT_EQ(json_lines(seen.out).at(0).at("problems"), Json::array()) << seen.out;
  // <think> is a token now: so it is trained, and the same rows go on with the trained model.
  const testing::Outcome shown =
      ponder({"data", "show", rows_, "-n", "1", "--tokenizer", model_, "--json"});
  const Json row = json_lines(shown.out).at(0);
  EXPECT_TRUE(row.at("trained_text").get<std::string>().starts_with("<think>\n"));
  const auto ids = row.at("token_ids").get<std::vector<int32_t>>();
  EXPECT_NE(std::find(ids.begin(), ids.end(), 513), ids.end());
  EXPECT_EQ(train(model_, folder_ / "m2").status, 0);
  EXPECT_EQ(train(model_, folder_ / "m3", add_).status, 0);  // they are there: nothing to add
  EXPECT_EQ(read_file(folder_ / "m2/model.safetensors"),
            read_file(folder_ / "m3/model.safetensors"));
  EXPECT_EQ(read_file(folder_ / "m3/tokenizer.json"), read_file(model_ / "tokenizer.json"));
  // And in a GGUF file.
  const testing::Outcome made =
      ponder({"export", model_, "--gguf", "f32", "--out", folder_ / "model.gguf"});
  ASSERT_EQ(made.status, 0) << made.err;
  EXPECT_NE(read_file(folder_ / "model.gguf").find("</think>"), std::string::npos);
}

TEST_F(AddedTokens, AStoppedJobGoesOnToTheSameModel) {
  ASSERT_EQ(train(base_, model_, add_).status, 0);
  const fs::path other = folder_ / "stopped";
  std::vector<std::string> first = add_;
  first.insert(first.end(), {"--steps", "1"});
  ASSERT_EQ(train(base_, other, first).status, 0);
  // Without them it is another job.
  const testing::Outcome refused = train(base_, other);
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("holds the state of a different job"), std::string::npos)
      << refused.err;
  ASSERT_EQ(train(base_, other, add_).status, 0);
  EXPECT_EQ(read_file(other / "model.safetensors"), read_file(model_ / "model.safetensors"));
}

TEST_F(AddedTokens, OfARecipe) {
  write_file_atomic(folder_ / "r.toml",
                    "base = \"base\"\nadd_tokens = [\"<think>\", \"</think>\"]\n"
                    "[sft]\nepochs = 1\nbatch_rows = 4\n"
                    "[[imitate.demonstrations]]\nfile = \"rows.jsonl\"\n");
  const testing::Outcome made =
      ponder({"run", folder_ / "r.toml", "--out", folder_ / "run", "--quiet"});
  ASSERT_EQ(made.status, 0) << made.err;
  EXPECT_EQ(vocab_size(folder_ / "run/checkpoints/M1"), 514);
  EXPECT_EQ(ids_of(folder_ / "run/checkpoints/M1", "</think>"), Json::array({513}));
}

TEST_F(AddedTokens, ThatAreNone) {
  const testing::Outcome twice = train(base_, model_, {"--add-tokens", "<a>,<a>"});
  EXPECT_EQ(twice.status, 1);
  EXPECT_NE(twice.err.find("named twice"), std::string::npos) << twice.err;
}

}  // namespace
}  // namespace ponder::e2e
