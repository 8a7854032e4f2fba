// Preferences as people who train reasoning models have them, trained as demonstrations of both sides are.
#include "data/reports_fixture.h"

namespace ponder::data {
namespace {

class PreferenceReports : public Reports {
 protected:
  std::vector<TokenPair> pairs(const std::string& rows, Align align = Align::kThought) {
    report = {};
    write_file_atomic(file, rows);
    std::vector<TokenPair> read;
    try {
      read = read_pairs(builder, file, {.align = align}, report);
    } catch (const Error&) {
      EXPECT_EQ(report.kept, 0u);
    }
    balance();
    return read;
  }
  std::string text_of(const TokenRow& row) const { return text.tokenizer().decode(row.tokens); }

  const ModelText text{tokenizer::Tokenizer::parse(testing::byte_tokenizer_json(), "bytes"),
                       tokenizer::ChatTemplate::named("chatml")};
  const RowBuilder builder{text, 4000};
};

TEST_F(PreferenceReports, EveryFormIsTrainedAsItsDemonstration) {
  Demonstration same;
  same.question = "q";
  same.thought = "t";
  same.solution = "s";
  const std::string chosen = text.tokenizer().decode(builder.row("", same)->tokens);
  for (
      const std::string& row : std::vector<std::string>{
          R"({"prompt":"q","chosen":"<think>t</think>s<|endoftext|>","rejected":"<think>u</think>v"})",
          R"({"prompt":"q","chosen":[{"role":"assistant","reasoning_content":"t","content":"s"}],)"
          R"("rejected":[{"role":"assistant","reasoning_content":"u","content":"v"}]})",
          R"({"chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"<think>t</think>s"}],)"
          R"("rejected":[{"role":"user","content":"q"},{"role":"assistant","content":"<think>u</think>v"}]})",
          R"({"conversations":[{"from":"human","value":"q"}],"chosen":{"from":"gpt","value":"<think>t</think>s"},)"
          R"("rejected":{"from":"gpt","value":"<think>u</think>v"}})",
          R"({"instruction":"q","input":"","chosen":"t</think>s","rejected":"u</think>v"})",
          R"({"prompt":"q","chosen":[{"role":"assistant","content":[{"type":"text","text":"<think>t</think>s"}]}],)"
          R"("rejected":"<think>u</think>v"})"}) {
    const auto read = pairs(row);
    ASSERT_EQ(read.size(), 1u) << row << report.summary();
    EXPECT_EQ(text_of(read[0].chosen), chosen) << row;
    EXPECT_NE(text_of(read[0].rejected).find("<|begin_of_thought|>\n\nu\n\n"), std::string::npos);
    EXPECT_EQ(kind_of_rows(file), RowKind::kPreferences) << row;
  }
}

TEST_F(PreferenceReports, TurnsAreKeptOrRefusedByName) {
  const std::string first =
      R"({"role":"user","content":"q1"},{"role":"assistant","content":"a1"},)";
  const auto side = [](const std::string& before, const std::string& last) {
    return "[" + before + R"({"role":"user","content":"q2"},{"role":"assistant","content":")" +
           last + "\"}]";
  };
  const auto row = [&](const std::string& prompt, const std::string& a, const std::string& b) {
    return "{" + prompt + R"("chosen":)" + side(a, "<think>t</think>s") + R"(,"rejected":)" +
           side(b, "<think>u</think>v") + "}";
  };
  const auto read = pairs(row(R"("prompt":"q2",)", first, first));
  ASSERT_EQ(read.size(), 1u) << report.summary();
  EXPECT_NE(text_of(read[0].chosen).find("q1<|im_end|>\n<|im_start|>assistant\na1"),
            std::string::npos);
  const std::string system = R"({"role":"system","content":"Top."},)";
  EXPECT_EQ(text_of(pairs(row("", system + first, system + first)).at(0).chosen)
                .find("<|im_start|>system\nTop."),
            0u);
  const std::string other =
      R"({"role":"user","content":"q1"},{"role":"assistant","content":"b1"},)";
  for (const std::string& bad : std::vector<std::string>{
           row("", first, other), row(R"("prompt":"q9",)", first, first),
           row(R"("prompt":[{"role":"user","content":"q9"}],)", first, first)}) {
    pairs(bad);
    EXPECT_EQ(report.rejected, (Rejected{{"prompts_differ", 1}})) << bad;
  }
}

TEST_F(PreferenceReports, APrefixBeginsBothResponses) {
  const std::string row = R"({"prompt":"q","prefix":"Step 1:","chosen":" 7.","rejected":" 8."})";
  const auto read = pairs(row, Align::kResponse);
  ASSERT_EQ(read.size(), 1u) << report.summary();
  EXPECT_NE(text_of(read[0].chosen).find("assistant\nStep 1: 7.<|im_end|>"), std::string::npos);
  pairs(row);
  EXPECT_EQ(report.rejected, (Rejected{{"nothing_aligned", 1}}));
}

TEST_F(PreferenceReports, PairsWithoutASignalAreRefused) {
  const std::string row =
      R"({"prompt":"q","chosen":"<think>t</think>s","rejected":"<think>t</think>v"})";
  pairs(row);
  EXPECT_EQ(report.rejected, (Rejected{{"same_response", 1}}));
  EXPECT_NE(report.examples.at(0).detail.find("aligned part"), std::string::npos);
  EXPECT_EQ(pairs(row, Align::kSolution).size(), 1u);
  // Equal solutions behind different thoughts do have one.
  EXPECT_EQ(pairs(R"({"prompt":"q","chosen":"<think>t</think>s","rejected":"<think>u</think>s"})",
                  Align::kSolution)
                .size(),
            1u);
}

TEST_F(PreferenceReports, SpecialTokensInTheMiddleAreControlText) {
  const auto rows = demonstrations(turns(user("q") + says("<think>t<|im_end|>u</think>s")));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(builder.row("", rows[0]).why().reason, "control_token");
}

TEST_F(PreferenceReports, AnySpecialTokenOfTheTokenizerIsControlText) {
  Json json = parse_json(testing::byte_tokenizer_json(), "bytes");
  Json further = json["added_tokens"][0];
  further["id"] = 260;
  further["content"] = "<|tool_call|>";
  json["added_tokens"].push_back(further);
  const ModelText other{tokenizer::Tokenizer::parse(dump_json(json), "more"),
                        tokenizer::ChatTemplate::named("chatml")};
  const auto rows = demonstrations(turns(user("q") + says("<think>t<|tool_call|>u</think>s")));
  ASSERT_EQ(rows.size(), 1u);
  const auto row = RowBuilder(other, 4000).row("", rows[0]);
  ASSERT_FALSE(row);
  EXPECT_EQ(row.why().reason, "control_token");
  EXPECT_NE(row.why().detail.find("the token \"<|tool_call|>\""), std::string::npos);
  EXPECT_TRUE(builder.row("", rows[0]));  // text to a tokenizer that lacks it
}

TEST_F(PreferenceReports, TheFormOfAThoughtIsChosen) {
  const auto rows =
      demonstrations(turns(user("q") + says("<Thought>t</Thought><Output>s</Output>")) +
                         turns(user("r") + says("<think>\\n\\n</think>\\n\\nS")),
                     {.require_thought = false});
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].response(ThoughtForm::kStill).find("<|begin_of_thought|>"), 0u);
  EXPECT_EQ(rows[0].response(ThoughtForm::kThink), "<think>\nt\n</think>\n\ns");
  EXPECT_EQ(rows[0].response(ThoughtForm::kAsWritten), "<Thought>t</Thought><Output>s</Output>");
  EXPECT_EQ(rows[1].response(ThoughtForm::kStill), "S");
  EXPECT_EQ(rows[1].response(ThoughtForm::kThink), "<think>\n\n</think>\n\nS");
  EXPECT_EQ(text.thought_form(), ThoughtForm::kStill);  // <think> is no token of these bytes
}

}  // namespace
}  // namespace ponder::data
