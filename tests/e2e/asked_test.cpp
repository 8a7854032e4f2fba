// Problems that cannot be asked of a model: a byte that its tokenizer has no token for, a question
// longer than it has positions. They are counted and named, and everything else goes on.
#include <map>

#include "base/file.h"
#include "e2e/ponder.h"
#include "testing/byte_tokenizer.h"

namespace ponder::e2e {
namespace {

class Asked : public ::testing::Test {
 protected:
  void SetUp() override {
    make_tiny_base(folder_ / "base");
    write_file_atomic(folder_ / "base/tokenizer.json", testing::byte_tokenizer_json("\x04"));
    fs::remove(folder_ / "base/tokenizer_config.json");
    std::string problems;
    for (const auto& [id, question] : std::map<std::string, std::string>{
             {"fits", "1 + 1?"}, {"lacks", "1\x04"}, {"long", std::string(5000, 'x')}}) {
      problems += dump_json({{"id", id}, {"question", question}, {"answer", "2"}}) + "\n";
    }
    write_file_atomic(folder_ / "p.jsonl", problems);
  }
  static void expect_named(const std::string& text) {
    EXPECT_NE(text.find("no_token 1, too_long 1"), std::string::npos) << text;
    EXPECT_NE(text.find("lacks: no_token: byte 0x04 at 1"), std::string::npos) << text;
    EXPECT_NE(text.find("long: too_long: "), std::string::npos) << text;
    EXPECT_EQ(text.find("fits: "), std::string::npos) << text;
  }

  const testing::TemporaryFolder folder_;
};

TEST_F(Asked, GenerateAndEvalGoOnWithTheOthers) {
  const testing::Outcome rows = ponder({"generate", "--model", folder_ / "base", "--problems",
                                        folder_ / "p.jsonl", "--max-tokens", "4"});
  ASSERT_EQ(rows.status, 0) << rows.err;
  ASSERT_EQ(json_lines(rows.out).size(), 1u);
  EXPECT_EQ(json_lines(rows.out)[0].at("problem_id"), "fits");
  expect_named(rows.err);

  const testing::Outcome score = ponder({"eval", "--model", folder_ / "base", "--benchmark",
                                         folder_ / "p.jsonl", "--max-tokens", "4", "--json"});
  ASSERT_EQ(score.status, 0) << score.err;
  const Json json = json_lines(score.out).at(0);
  EXPECT_EQ(json.at("n"), 1);
  EXPECT_EQ(json.at("rejected"), (Json{{"no_token", 1}, {"too_long", 1}}));
  expect_named(score.err);

  const testing::Outcome checked =
      ponder({"data", "check", folder_ / "p.jsonl", "--tokenizer", folder_ / "base", "--explain"});
  EXPECT_EQ(checked.status, 0) << checked.err;
  EXPECT_NE(checked.out.find("lacks: no_token"), std::string::npos) << checked.out;
}

TEST_F(Asked, WhereNothingIsLeftTheReasonIsTheError) {
  const auto refused = [&](const testing::Outcome& outcome, const std::string& words) {
    EXPECT_EQ(outcome.status, 1) << outcome.out;
    EXPECT_NE(outcome.err.find(words), std::string::npos) << outcome.err;
  };
  refused(ponder({"generate", "--model", folder_ / "base", "--prompt", "1\x04"}),
          "byte 0x04 at 1 has no token");
  refused(ponder({"generate", "--model", folder_ / "base", "--problems", folder_ / "p.jsonl",
                  "--max-tokens", "100000"}),
          "lower --max-tokens");
  testing::Launch launch;
  launch.input = "a\x04\n";
  refused(ponder({"chat", "--model", folder_ / "base"}, launch), "byte 0x04 at 1 has no token");
}

}  // namespace
}  // namespace ponder::e2e
