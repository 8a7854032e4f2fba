// --thinking: the switch of templates like Qwen3's, from the prompt to the rows and their identity.
#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

class Thinking : public ::testing::Test {
 protected:
  void SetUp() override {
    make_tiny_base(base_);
    write_file_atomic(problems_, R"({"id": "p", "question": "1+1?", "answer": "2"})"
                                 "\n");
  }
  // With the template of qwen3, named: the base's own is plain ChatML.
  testing::Outcome asked(const std::string& verb, const std::vector<std::string>& further = {}) {
    std::vector<std::string> words =
        command({verb, "--model", base_, verb == "eval" ? "--benchmark" : "--problems", problems_,
                 "--chat-template", "qwen3", "--max-tokens", "6", "--threads", "1", "--quiet"});
    words.insert(words.end(), further.begin(), further.end());
    return testing::run(words, {});
  }
  Json row_of(const std::vector<std::string>& further) {
    const testing::Outcome made = asked("generate", further);
    EXPECT_EQ(made.status, 0) << made.err;
    return json_lines(made.out).at(0);
  }
  testing::TemporaryFolder folder_;
  const fs::path base_ = folder_ / "base", problems_ = folder_ / "problems.jsonl";
};

TEST_F(Thinking, OffClosesTheThoughtBeforeTheAnswer) {
  const Json plain = row_of({}), on = row_of({"--thinking", "on"}),
             off = row_of({"--thinking", "off"});
  EXPECT_FALSE(plain.contains("thinking"));
  EXPECT_EQ(on.at("thinking"), "on");
  EXPECT_EQ(on.at("prompt_sha256"), plain.at("prompt_sha256"));
  EXPECT_EQ(off.at("thinking"), "off");
  EXPECT_NE(off.at("prompt_sha256"), plain.at("prompt_sha256"));
  const auto text = off.at("text").get<std::string>();
  EXPECT_TRUE(text.starts_with("<think>\n\n</think>\n\n")) << text;
  EXPECT_FALSE(plain.at("text").get<std::string>().starts_with("<think>"));
}

TEST_F(Thinking, IsPartOfWhatAJobIs) {
  // A part that another setting left behind is not gone on with.
  const fs::path out = folder_ / "out.jsonl";
  write_file_atomic(fs::path(out) += ".part", "{\"thinking\": \"on\"}\n0 0 {}\n");
  const testing::Outcome refused = asked("generate", {"--thinking", "off", "--out", out});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("thinking: \"on\" there, \"off\" here"), std::string::npos)
      << refused.err;
}

TEST_F(Thinking, IsSaidWithTheScore) {
  const testing::Outcome off = asked("eval", {"--thinking", "off", "--json"}),
                         plain = asked("eval", {"--json"});
  ASSERT_EQ(off.status, 0) << off.err;
  EXPECT_EQ(json_lines(off.out).at(0).at("thinking"), "off");
  EXPECT_FALSE(json_lines(plain.out).at(0).contains("thinking"));
}

TEST_F(Thinking, CannotBeSwitchedWhereTheTemplateKnowsNone) {
  for (const char* verb : {"generate", "eval"}) {  // the base's own template is plain ChatML
    const testing::Outcome refused =
        ponder({verb, "--model", base_, std::string(verb) == "eval" ? "--benchmark" : "--problems",
                problems_, "--thinking", "off"});
    EXPECT_EQ(refused.status, 1) << verb;
    EXPECT_NE(refused.err.find("(chatml) does not read enable_thinking"), std::string::npos)
        << refused.err;
  }
  const testing::Launch launch{
      .folder = folder_.path(), .input = "1+1?\n", .limit = testing::kLimit};
  const testing::Outcome chat = ponder({"chat", "--model", base_, "--thinking", "on"}, launch);
  EXPECT_NE(chat.err.find("does not read enable_thinking"), std::string::npos) << chat.err;
  const testing::Outcome raw = asked("generate", {"--raw", "--thinking", "off"});
  EXPECT_NE(raw.err.find("no chat template to switch"), std::string::npos) << raw.err;
}

TEST_F(Thinking, OffInAChat) {
  const testing::Launch launch{
      .folder = folder_.path(), .input = "1+1?\n", .limit = testing::kLimit};
  const testing::Outcome said =
      ponder({"chat", "--model", base_, "--chat-template", "qwen3", "--thinking", "off",
              "--max-tokens", "6", "--temperature", "0", "--json", "--threads", "1"},
             launch);
  ASSERT_EQ(said.status, 0) << said.err;
  EXPECT_EQ(json_lines(said.out).at(0).at("thought"), "");
}

// The ids of such a rollout are no continuation of the prompt that is trained; its text is one.
TEST_F(Thinking, RolloutsAreTrainedByTheirText) {
  Json chosen = row_of({"--thinking", "off"}), rejected = chosen;
  chosen["text"] = "<think>\n\n</think>\n\n2";
  rejected["text"] = "<think>\n\n</think>\n\n3";
  const fs::path pairs = folder_ / "pairs.jsonl";
  write_file_atomic(
      pairs, dump_json({{"prompt", "1+1?"}, {"chosen", chosen}, {"rejected", rejected}}) + "\n");
  const testing::Outcome shown =
      ponder({"data", "show", pairs, "--kind", "preferences", "--align", "response", "--tokenizer",
              base_, "--chat-template", "qwen3", "--json"});
  ASSERT_EQ(shown.status, 0) << shown.err << shown.out;
  EXPECT_NE(shown.out.find("2<|im_end|>"), std::string::npos) << shown.out;
}

// A pool asks as the template does by itself: its text, which begins with the block, goes on from there.
TEST_F(Thinking, RolloutsComeIntoAPoolByTheirText) {
  const fs::path rows = folder_ / "rows.jsonl", pool = folder_ / "pool";
  write_file_atomic(rows, dump_json(row_of({"--thinking", "off"})) + "\n");
  const testing::Outcome taken = ponder({"pool", "import", pool, rows, problems_, "--json"});
  ASSERT_EQ(taken.status, 0) << taken.err;
  EXPECT_EQ(json_lines(taken.out).at(0).at("changed").at("tokens_of_switched_thinking"), 1);
  const testing::Outcome kept = ponder({"pool", "export", pool});
  const Json row = json_lines(kept.out).at(0);
  EXPECT_FALSE(row.contains("token_ids"));  // the text is what was kept
  EXPECT_TRUE(row.at("text").get<std::string>().starts_with("<think>\n\n</think>\n\n"));
}

}  // namespace
}  // namespace ponder::e2e
