#include "data/askable.h"

#include <gtest/gtest.h>

#include "testing/byte_tokenizer.h"

namespace ponder::data {
namespace {

class Askable : public ::testing::Test {
 protected:
  static Problem problem(const std::string& id, const std::string& question) {
    Problem problem;
    problem.id = id;
    problem.question = question;
    problem.file = "p.jsonl";
    problem.line = 7;
    return problem;
  }
  // Why "q" + `more` cannot be asked; "" when it can.
  std::string reason(const PromptSpec& spec, const std::string& more = "") const {
    const auto prompt = prompt_of(text, problem("q", "q" + more), spec);
    return prompt ? "" : prompt.why().reason + ": " + prompt.why().detail;
  }

  const ModelText text{tokenizer::Tokenizer::parse(testing::byte_tokenizer_json("\x04"), "bytes"),
                       tokenizer::ChatTemplate::named("chatml")};
};

TEST_F(Askable, AskedAsTheModelIsPrompted) {
  EXPECT_EQ(*prompt_of(text, problem("a", "1+1?"), {}), text.prompt_ids("1+1?"));
  EXPECT_EQ(*prompt_of(text, problem("a", "1+1?"), {.system = "Be brief."}),
            text.prompt_ids("1+1?", "Be brief."));
  EXPECT_EQ(*prompt_of(text, problem("a", "1+1?"), {.raw = true}), text.tokenizer().encode("1+1?"));
}

TEST_F(Askable, ABytesWithoutATokenAndWhereItStands) {
  EXPECT_EQ(reason({}, "\x03"), "");
  EXPECT_EQ(reason({}, "\x04"), "no_token: byte 0x04 at 1 has no token");
  EXPECT_EQ(reason({.system = "s\x04"}),
            "no_token: byte 0x04 at 1 has no token, in the system turn");
  EXPECT_EQ(reason({.system = "s\x04", .raw = true}), "");  // a raw prompt has no system turn
}

TEST_F(Askable, PromptAndCompletionFitThePositionsExactly) {
  const auto tokens = static_cast<int64_t>(text.prompt_ids("q").size());
  EXPECT_EQ(reason({.max_tokens = 10, .max_positions = tokens + 10}), "");
  EXPECT_EQ(reason({.max_tokens = 11, .max_positions = tokens + 10}).substr(0, 9), "too_long:");
  EXPECT_EQ(reason({.max_tokens = 10, .max_positions = tokens + 10}, "q").substr(0, 9),
            "too_long:");
  EXPECT_EQ(reason({.max_tokens = 10, .max_positions = 0}, std::string(5000, 'q')), "");
}

// rows = kept + rejected: what cannot be asked is counted, and named.
TEST_F(Askable, TheOthersAreAccountedForById) {
  std::vector<Problem> problems = {problem("a", "1+1?"), problem("b", "1\x04"),
                                   problem("c", std::string(90, 'x')), problem("d", "\xC3\xA9")};
  RowAccount account;
  account.rows = 6;  // as read: two were left out before
  account.kept = 4;
  account.reject({{"bad_row", "why"}, "p.jsonl", 1, 0});
  account.reject({{"bad_row", "why"}, "p.jsonl", 2, 0});
  const auto prompts =
      keep_askable(text, problems, {.max_tokens = 1, .max_positions = 100}, account);
  ASSERT_EQ(problems.size(), 2u);
  ASSERT_EQ(prompts.size(), 2u);
  EXPECT_EQ(problems[1].id, "d");
  EXPECT_EQ(prompts[1], text.prompt_ids("\xC3\xA9"));
  EXPECT_EQ(account.summary(), "6 rows, 2 kept, 4 rejected (bad_row 2, no_token 1, too_long 1)");
  const std::vector<std::string> named = account.left_out_by_id();
  ASSERT_EQ(named.size(), 2u);
  EXPECT_EQ(named[0], "b: no_token: byte 0x04 at 1 has no token");
  EXPECT_EQ(named[1].substr(0, 12), "c: too_long:");
  EXPECT_EQ(account.left_out_by_id(1).size(), 1u);
  EXPECT_EQ(account.examples[2].line, 7u);
  EXPECT_EQ(to_json(account, true).at("examples")[3].at("id"), "c");
}

}  // namespace
}  // namespace ponder::data
