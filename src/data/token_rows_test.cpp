#include "data/token_rows.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "testing/byte_tokenizer.h"
#include "testing/folders.h"
#include "testing/temporary_folder.h"
#include "tokenizer/thought_format.h"

namespace ponder::data {
namespace {

class TokenRows : public ::testing::Test {
 protected:
  // The text of the tokens of a row that a mask selects.
  std::string selected(const TokenRow& row, const std::vector<uint8_t>& mask) const {
    std::string bytes;
    for (size_t i = 0; i < mask.size(); ++i) {
      if (mask[i]) bytes += tokenizer.token_bytes(row.tokens[i]);
    }
    return bytes;
  }
  Accepted<TokenRow> row(const std::string& question, const Response& own) {
    return builder.row("r", "", question, own);
  }

  const ModelText text{tokenizer::Tokenizer::parse(testing::byte_tokenizer_json(), "bytes"),
                       tokenizer::ChatTemplate::named("chatml")};
  const tokenizer::Tokenizer& tokenizer = text.tokenizer();
  const RowBuilder builder{text, 400};
  const std::string response = tokenizer::format_thought("I try 2.", "It is \\boxed{2}.");
};

TEST_F(TokenRows, LossIsOnTheAssistantTurnAndItsEnd) {
  const auto built = row("1+1?", {response, {}});
  ASSERT_TRUE(built);
  EXPECT_EQ(tokenizer.decode(built->tokens),
            "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n" + response + "<|im_end|>");
  EXPECT_EQ(selected(*built, built->loss_mask), response + "<|im_end|>");
  EXPECT_EQ(built->num_tokens() - built->num_prompt_tokens, built->num_loss_tokens());
  const std::vector<int32_t> prompt(built->tokens.begin(),
                                    built->tokens.begin() + built->num_prompt_tokens);
  EXPECT_EQ(prompt, text.prompt_ids("1+1?"));  // what generation starts from
}

TEST_F(TokenRows, SystemTurnStandsInFront) {
  const auto built = builder.row("r", "Think.", "q", {"a", {}});
  ASSERT_TRUE(built);
  EXPECT_EQ(tokenizer.decode(built->tokens).find("<|im_start|>system\nThink.<|im_end|>"), 0u);
}

TEST_F(TokenRows, SampledTokensAreUsedAsTheyAre) {
  // ">" and a line end one by one, though encoding the text would make one token of them.
  const std::vector<int32_t> ids{'>', '\n', 'x', text.end_of_turn_id()};
  ASSERT_NE(tokenizer.encode(">\nx").size(), 3u);
  const auto built = row("q", {">\nx", ids});
  ASSERT_TRUE(built);
  EXPECT_EQ(
      std::vector<int32_t>(built->tokens.begin() + built->num_prompt_tokens, built->tokens.end()),
      ids);
}

TEST_F(TokenRows, ARolloutIsItsIdsOrElseItsText) {
  Rollout rollout;
  rollout.completion.text = response;
  rollout.template_sha256 = "sha";
  EXPECT_EQ(response_of(rollout).text, response);
  EXPECT_EQ(response_of(rollout).template_sha256, "sha");
  rollout.completion.token_ids = {'x', text.end_of_turn_id()};
  EXPECT_EQ(response_of(rollout).token_ids, *rollout.completion.token_ids);
  EXPECT_EQ(response_of(rollout).text, "");
}

// Nothing of a text is left out silently: a byte that the tokenizer has no token for rejects the
// row.
TEST_F(TokenRows, BytesWithoutATokenRejectTheRow) {
  const ModelText some(
      tokenizer::Tokenizer::load(testing::source_dir() / "tests/golden/tokenizer/smollm2.json"),
      tokenizer::ChatTemplate::named("smollm2"));
  const RowBuilder rows(some, 4000);
  EXPECT_TRUE(rows.row("r", "", "q", {"a\x03", {}}));
  const std::vector<Turn> history = {{false, "a\x04"}, {true, "b"}};
  const auto built = rows.row("r", "", "q", {"a\x04", {}});
  ASSERT_FALSE(built);
  EXPECT_EQ(built.why().reason, "no_token");
  EXPECT_EQ(built.why().detail, "byte 0x04 at 1 has no token");
  EXPECT_EQ(rows.row("r", "", "q\xFF", {"a", {}}).why().reason, "no_token");
  EXPECT_EQ(rows.row("r", "\x06", "q", {"a", {}}).why().reason, "no_token");
  EXPECT_EQ(rows.row("r", "", "q", {"a", {}}, history).why().reason, "no_token");
}

TEST_F(TokenRows, RejectionsSayWhy) {
  const auto too_long = row("q", {std::string(500, 'x'), {}});
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.why().reason, "too_long");
  EXPECT_NE(too_long.why().detail.find("at most 400"), std::string::npos);
  EXPECT_EQ(row("q", {"", {}}).why().reason, "nothing_to_train");
  EXPECT_EQ(row("q", {"a<|im_end|>b", {}}).why().reason, "control_token");
  EXPECT_EQ(row("a <|im_start|>system", {"b", {}}).why().reason, "control_token");
  EXPECT_EQ(row("q", {"", {'x', 'y'}}).why().reason, "unfinished");
}

TEST_F(TokenRows, LengthLimitIsExact) {
  const auto built = row("q", {"abcdef", {}});
  const RowBuilder exact(text, built->num_tokens()), less(text, built->num_tokens() - 1);
  EXPECT_TRUE(exact.row("r", "", "q", {"abcdef", {}}));
  EXPECT_FALSE(less.row("r", "", "q", {"abcdef", {}}));
}

TEST_F(TokenRows, MasksFollowThoughtAndSolution) {
  const Response chosen{response, {}}, rejected{tokenizer::format_thought("No.", "\\boxed{3}"), {}};
  const auto thought = builder.pair("p", "", "q", chosen, rejected, Align::kThought);
  ASSERT_TRUE(thought);
  const std::string part = selected(thought->chosen, thought->chosen_aligned);
  EXPECT_EQ(part, "I try 2.");  // no tag, no white space around it, no end of turn
  EXPECT_EQ(selected(thought->chosen, thought->chosen.loss_mask), response + "<|im_end|>");
  EXPECT_EQ(thought->rejected.loss_mask, thought->rejected_aligned);

  const auto solution = builder.pair("p", "", "q", chosen, rejected, Align::kSolution);
  const std::string end = selected(solution->chosen, solution->chosen_aligned);
  EXPECT_EQ(end, "It is \\boxed{2}.");

  const auto thought_end = builder.pair("p", "", "q", chosen, rejected, Align::kThoughtEnd);
  EXPECT_EQ(selected(thought_end->chosen, thought_end->chosen_aligned),
            "I try 2.\n\n<|end_of_thought|>\n\n")
      << "its last token";
  const auto solution_end = builder.pair("p", "", "q", chosen, rejected, Align::kSolutionEnd);
  EXPECT_EQ(selected(solution_end->chosen, solution_end->chosen_aligned),
            "It is \\boxed{2}.\n\n<|end_of_solution|><|im_end|>");
  // A thought that never ends has no end to be taught.
  const Response endless{"", text.tokenizer().encode("<|begin_of_thought|>\n\nOn and on ")};
  const auto unfinished = builder.pair("p", "", "q", chosen, endless, Align::kThoughtEnd);
  ASSERT_TRUE(unfinished);
  EXPECT_EQ(selected(unfinished->rejected, unfinished->rejected_aligned), "On and on");

  const auto whole = builder.pair("p", "", "q", chosen, rejected, Align::kResponse);
  EXPECT_EQ(whole->chosen_aligned, whole->chosen.loss_mask);
}

TEST_F(TokenRows, MaskSurvivesNormalisation) {
  // "e" and a combining acute accent become one character of two bytes: offsets in the text are not
  // those of the tokens.
  std::string accents;
  for (int i = 0; i < 30; ++i) accents += "e\xCC\x81";
  const auto pair =
      builder.pair("p", "", "q", {tokenizer::format_thought(accents + "!", "yes"), {}},
                   {tokenizer::format_thought("no", "no"), {}}, Align::kThought);
  ASSERT_TRUE(pair);
  const std::string part = selected(pair->chosen, pair->chosen_aligned);
  EXPECT_NE(part.find("\xC3\xA9!"), std::string::npos);
  EXPECT_EQ(part.find("end_of_thought"), std::string::npos);
}

TEST_F(TokenRows, PairsThatTeachNothingAreRejected) {
  const Response good{response, {}};
  const auto pair = [&](const Response& chosen, const Response& rejected, Align align) {
    return builder.pair("p", "", "q", chosen, rejected, align);
  };
  const auto unaligned = pair(good, {"no thought here", {}}, Align::kThought);
  ASSERT_FALSE(unaligned);
  EXPECT_EQ(unaligned.why().reason, "nothing_aligned");
  EXPECT_NE(unaligned.why().detail.find("rejected"), std::string::npos);
  EXPECT_EQ(pair(good, good, Align::kResponse).why().reason, "same_response");
  // A rejected response may have run into the length limit; a chosen one may not.
  const Response cut{"", {'x', 'y'}};
  EXPECT_TRUE(pair(good, cut, Align::kResponse));
  EXPECT_EQ(pair(cut, good, Align::kResponse).why().reason, "unfinished");
}

TEST_F(TokenRows, ADemonstrationsOwnSystemTurnComesBeforeTheDefault) {
  Demonstration demonstration;
  demonstration.question = "q";
  demonstration.solution = "s";
  demonstration.history = {{false, "first"}, {true, "yes"}};
  const auto shown = [&](std::string_view default_system) {
    return tokenizer.decode(builder.row("r", demonstration, default_system)->tokens);
  };
  EXPECT_EQ(shown("").find("system"), std::string::npos);
  EXPECT_NE(shown("Default.").find("system\nDefault."), std::string::npos);
  demonstration.system = "Own.";
  EXPECT_NE(shown("Default.").find("system\nOwn."), std::string::npos);
  EXPECT_NE(shown("").find("user\nfirst"), std::string::npos);
}

TEST_F(TokenRows, EveryDemonstrationIsAccountedFor) {
  std::vector<Demonstration> demonstrations(3);
  for (auto& d : demonstrations) {
    d.question = "q";
    d.thought = "t";
    d.solution = "s";
  }
  demonstrations[1].thought = std::string(1000, 'x');
  RowAccount report;
  report.rows = 4;
  report.kept = 3;
  report.duplicates = 1;
  const auto rows = build_rows(builder, demonstrations, "file.jsonl", report);
  EXPECT_EQ(rows.size(), 2u);
  EXPECT_EQ(report.kept, 2u);
  EXPECT_EQ(report.rejected.at("too_long"), 1u);
  uint64_t accounted = report.kept + report.duplicates;
  for (const auto& [why, count] : report.rejected) accounted += count;
  EXPECT_EQ(accounted, report.rows);
  demonstrations = {demonstrations[1]};
  EXPECT_THROW(build_rows(builder, demonstrations, "file.jsonl", report), Error);
}

TEST_F(TokenRows, PairFilesInTheirLayouts) {
  const testing::TemporaryFolder folder;
  const auto path = folder / "pairs.jsonl";
  write_file_atomic(
      path,
      "{\"prompt\":\"q\",\"chosen\":\"good\",\"rejected\":\"bad\"}\n"
      "{\"question\":\"q\",\"id\":7,\"chosen\":{\"token_ids\":[65,259]},\"rejected\":{\"text\":"
      "\"bad\"}}\n"
      "{\"prompt\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"q\"}],"
      "\"chosen\":[{\"role\":\"assistant\",\"content\":\"good\"}],\"rejected\":\"bad\"}\n"
      "{\"prompt\":\"q\",\"chosen\":\"good\"}\n"
      "{\"prompt\":\"q\",\"chosen\":3,\"rejected\":\"bad\"}\n"
      "{\"prompt\":\"\",\"chosen\":\"good\",\"rejected\":\"bad\"}\n"
      "{\"prompt\":\"q\",\"chosen\":{\"token_ids\":[-1]},\"rejected\":\"bad\"}\n"
      "not json\n"
      "[1]\n");
  RowAccount report;
  const auto pairs = read_pairs(builder, path, {.align = Align::kResponse}, report);
  EXPECT_EQ(pairs.size(), 3u);
  EXPECT_EQ(report.rows, 9u);
  EXPECT_EQ(report.kept, 3u);
  EXPECT_EQ(report.rejected.at("missing_field"), 1u);
  EXPECT_EQ(report.rejected.at("bad_field"), 2u);
  EXPECT_EQ(report.rejected.at("empty_question"), 1u);
  EXPECT_EQ(report.rejected.at("bad_json"), 1u);
  EXPECT_EQ(report.rejected.at("bad_row"), 1u);
  EXPECT_NE(pairs[1].name.find(":2 7"), std::string::npos);
}

}  // namespace
}  // namespace ponder::data
