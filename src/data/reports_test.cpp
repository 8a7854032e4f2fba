// Rows as people who train reasoning models have them: each is read for what it says, or refused by
// name.
#include "data/reports_fixture.h"

namespace ponder::data {
namespace {

TEST_F(Reports, DemonstrationsOfOneQuestionAreKeptAndIdsDecideNothing) {
  const std::string text = R"({"id":"a","question":"q","thought":"t","solution":"s"})"
                           "\n"
                           R"({"id":"a","question":"q","thought":"u","solution":"s"})"
                           "\n"
                           R"({"id":"b","question":"q ","thought":"t","solution":"s"})"
                           "\n";
  SeenRows seen;
  EXPECT_EQ(demonstrations(text, {.seen = &seen}).size(), 2u);
  EXPECT_EQ(report.duplicates, 1u);
  EXPECT_EQ(report.questions, 1u);
  EXPECT_NE(report.summary().find("1 question"), std::string::npos) << report.summary();
  // Another file of the same run.
  RowAccount other;
  write_file_atomic(folder / "other.jsonl",
                    text + R"({"question":"r","thought":"t","solution":"s"})");
  EXPECT_EQ(read_demonstrations(folder / "other.jsonl", other, {.seen = &seen}).size(), 1u);
  EXPECT_NE(other.duplicate_examples.at(0).detail.find("line 1 of "), std::string::npos);
  // A file that adds nothing is no error.
  RowAccount nothing;
  write_file_atomic(folder / "same.jsonl", text);
  EXPECT_TRUE(read_demonstrations(folder / "same.jsonl", nothing, {.seen = &seen}).empty());
  EXPECT_EQ(nothing.duplicates, 3u);
}

TEST_F(Reports, WhatStandsAtTheEndOrAroundTheSolutionIsStripped) {
  const auto rows =
      demonstrations(turns(user("a") + says("<think>t</think>s<|endoftext|>")) +
                     turns(user("b") + says("<think>t</think><answer> s </answer></s>\\n")) +
                     turns(user("c") + says("t\\n</think>\\ns")) +
                     turns(user("d") + says("<think>t</think>s", R"(,"reasoning_content":" t ")")));
  ASSERT_EQ(rows.size(), 4u) << report.summary();
  for (const Demonstration& row : rows) {
    EXPECT_EQ(row.thought, "t");
    EXPECT_EQ(row.solution, "s");
  }
  EXPECT_EQ(
      report.changed,
      (Rejected{{"answer_tags_stripped", 1}, {"end_token_cut", 2}, {"thought_given_twice", 1}}));
  demonstrations(turns(user("d") + says("<think>t</think>s", R"(,"reasoning_content":"u")")));
  EXPECT_EQ(report.rejected, (Rejected{{"repeated_tag", 1}}));
}

TEST_F(Reports, ASwitchIsNoThought) {
  const auto rows =
      demonstrations(R"({"prompt":"a","response":"<think>t</think>s","reasoning":"on"})"
                     "\n"
                     R"({"instruction":"b","output":"s","thinking":"the real one"})");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].thought, "t");
  EXPECT_EQ(rows[0].solution, "s");
  EXPECT_EQ(rows[1].thought, "the real one");
}

TEST_F(Reports, SystemTurnsAreJoined) {
  const auto rows = demonstrations(
      turns(R"({"role":"system","content":"A."},{"role":"developer","content":"B."},)" + user("q") +
                says("<think>t</think>s"),
            R"(,"system_prompt":"Top.")"));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].system, "Top.\n\nA.\n\nB.");
}

TEST_F(Reports, WhatATextModelCannotBeToldIsRefused) {
  const std::string good = user("q") + says("<think>t</think>s");
  for (const std::string& row : std::vector<std::string>{
           turns(good, R"(,"tools":[{"name":"add"}])"), turns(good, R"(,"images":["a.png"])"),
           turns(user("q") + says("<think>t</think>s", R"(,"tool_calls":[{"id":"1"}])")),
           turns(R"({"role":"user","content":[{"type":"image_url","image_url":"x"}]},)" +
                 says("<think>t</think>s"))}) {
    demonstrations(row);
    EXPECT_EQ(report.rejected, (Rejected{{"unsupported_part", 1}})) << row;
  }
  EXPECT_EQ(demonstrations(turns(good, R"(,"tools":[],"images":null)")).size(), 1u);
}

TEST_F(Reports, TurnsThatAreNotToBeTrainedStandInTheHistory) {
  DemonstrationReadOptions all;
  all.all_turns = true;
  for (const char* mark : {R"(,"weight":0)", R"(,"train":false)", R"(,"loss_mask":0)"}) {
    const std::string row = turns(user("1") + says("<think>a</think>b", mark) + "," + user("2") +
                                  says("<think>t</think>s"));
    const auto rows = demonstrations(row, all);
    ASSERT_EQ(rows.size(), 1u) << mark;
    EXPECT_EQ(rows[0].question, "2");
    EXPECT_EQ(rows[0].history.at(1).content, "b");
    EXPECT_EQ(report.rejected, (Rejected{{"masked", 1}}));
    EXPECT_EQ(demonstrations(row).size(), 1u);
    demonstrations(turns(user("1") + says("<think>a</think>b", mark)));
    EXPECT_EQ(report.rejected, (Rejected{{"masked", 1}})) << mark;
  }
}

TEST_F(Reports, ATurnIsTrainedOrNotButNotInPart) {
  demonstrations(turns(user("1") + says("<think>a</think>b", R"(,"weight":0.5)")));
  EXPECT_EQ(report.rejected, (Rejected{{"bad_field", 1}}));
  EXPECT_NE(report.examples.at(0).detail.find("\"weight\" of a turn is 0.5"), std::string::npos);
}

TEST_F(Reports, NeighbouringTurnsOfOneSpeakerAreJoined) {
  const auto rows =
      demonstrations(turns(user("a") + user("b") + says("<think>t</think>s") + "," + says("more") +
                           "," + user("c") + says("<think>u</think>v")),
                     {.all_turns = true});
  ASSERT_EQ(rows.size(), 2u) << report.summary();
  EXPECT_EQ(rows[0].question, "a\n\nb");
  EXPECT_EQ(rows[0].thought, "t");
  EXPECT_EQ(rows[0].solution, "s\n\nmore");
  EXPECT_EQ(rows[0].response(ThoughtForm::kAsWritten), "<think>t</think>s\n\nmore");
  EXPECT_EQ(rows[1].history.at(1).content, "s\n\nmore");
  EXPECT_EQ(report.changed.at("turns_joined"), 2u);
  for (const std::string& second : {says("<think>u</think>v"), says("v", R"(,"weight":0)")}) {
    demonstrations(turns(user("a") + says("<think>t</think>s") + "," + second));
    EXPECT_EQ(report.rejected, (Rejected{{"turn_order", 1}})) << second;
  }
}

TEST_F(Reports, WhatTheAssistantSaysBeforeTheFirstQuestionIsLeftOut) {
  const auto rows =
      demonstrations(turns(says("Hello.") + "," + user("q") + says("<think>t</think>s")));
  ASSERT_EQ(rows.size(), 1u) << report.summary();
  EXPECT_TRUE(rows[0].history.empty());
  EXPECT_EQ(report.changed, (Rejected{{"opening_turn_left_out", 1}}));
}

TEST_F(Reports, TurnByTurnOnlyWhatIsBadIsLost) {
  DemonstrationReadOptions all;
  all.all_turns = true;
  const std::string plain = user("1") + says("plain") + "," + user("2") + says("<think>t</think>s");
  EXPECT_EQ(demonstrations(turns(plain), all).size(), 1u);
  EXPECT_EQ(report.rejected, (Rejected{{"no_thought", 1}}));
  // A turn that cannot be told ends the conversation, not what came before it.
  EXPECT_EQ(demonstrations(turns(user("1") + says("<think>t</think>s") +
                                 R"(,{"role":"tool","content":"7"},)" + says("<think>u</think>v")),
                           all)
                .size(),
            1u);
  EXPECT_EQ(report.rejected, (Rejected{{"unsupported_role", 1}}));
  // An empty block is a direct answer.
  const std::string empty = turns(user("q /no_think") + says("<think>\\n\\n</think>\\n\\nS"));
  EXPECT_EQ(demonstrations(empty, {.require_thought = false}).at(0).solution, "S");
  demonstrations(empty);
  EXPECT_EQ(report.rejected, (Rejected{{"empty_thought", 1}}));
}

TEST_F(Reports, MetadataRejectsNoDemonstration) {
  for (const char* field : {R"("source":["a","b"])", R"("domain":["math"])", R"("level":[1])",
                            R"("id":{"$oid":"5f"})", R"("answer":["7"])", R"("answer":true)",
                            R"("answer_type":"Integer")", R"("answer":"\\frac{1}{2")"}) {
    const std::string row = turns(user("q") + says("<think>t</think>s"), std::string(",") + field);
    EXPECT_EQ(demonstrations(row).size(), 1u) << row << report.summary();
  }
  EXPECT_EQ(demonstrations(turns(user("q") + says("<think>t</think>s"), R"(,"answer":["7"])"))
                .at(0)
                .answer,
            "7");
}

TEST_F(Reports, LayoutsOfPublishedSets) {
  const std::string think = R"("<think>\nt\n</think>\n\ns")";
  for (
      const std::string& row : std::vector<std::string>{
          R"({"problem":"q","generated_solution":)" + think + R"(,"expected_answer":"7"})",
          R"({"question":"q","final_answer":"7","r1_solution_1":"t\n</think>\n\ns"})",
          R"({"problem":"q","answer":"7","is_reasoning_complete":[true],"generations":[)" + think +
              R"(],"correctness_math_verify":[true]})",
          std::string(
              R"({"question":"q","solution":"7","thinking_trajectories":["t"],"attempt":"s"})"),
          std::string(
              R"({"question":"q","solution":"7","deepseek_thinking_trajectory":"t","deepseek_attempt":"s","deepseek_grade":"Yes"})"),
          R"({"input":"q","output":)" + think + "}",
          R"({"input":[{"role":"user","content":"q"}],"output":)" + think + R"(,"reasoning":"on"})",
          std::string(R"({"input":"q","reasoning_content":"t","content":"s"})"),
          std::string(
              R"({"messages":[{"role":"user","content":"q"}],"reasoning":"t","answer":"s"})"),
          std::string(R"({"question":"q","model_reasoning":"t","model_answer":"s"})"),
          R"({"problem":"q","reannotated_assistant_content":)" + think + "}",
          R"({"prompt":"q","llm_response":)" + think + "}",
          R"({"query":"q","response":)" + think + "}",
          R"({"Instruction":"q","Output":)" + think + "}",
          R"([{"from":"Human","value":"q"},{"from":"Assistant","value":)" + think + "}]",
      }) {
    // An array would be the whole file.
    const auto rows = demonstrations(row[0] == '[' ? "[" + row + "]" : row);
    ASSERT_EQ(rows.size(), 1u) << row << "\n" << report.summary();
    EXPECT_EQ(rows[0].question, "q") << row;
    EXPECT_EQ(rows[0].thought, "t") << row;
    EXPECT_EQ(rows[0].solution, "s") << row;
    if (row[0] != '[') {
      EXPECT_EQ(kind_of_rows(file), RowKind::kDemonstrations) << row;
    }
  }
}

TEST_F(Reports, ASetsOwnVerdictsAreUsedAndNamed) {
  const auto rows = demonstrations(
      R"({"problem":"q","generations":["<think>a</think>1","<think>b</think>2","<think>c</think>3"],)"
      R"("correctness_math_verify":[true,false,true],"is_reasoning_complete":[true,true,false]})"
      "\n"
      R"({"question":"r","deepseek_thinking_trajectory":"t","deepseek_attempt":"s","deepseek_grade":"No"})");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].solution, "1");
  EXPECT_EQ(report.rejected, (Rejected{{"unfinished", 1}, {"wrong_answer", 2}}));
  EXPECT_NE(report.examples.at(0).detail.find("correctness_math_verify[1]"), std::string::npos);
  // Beside the turns of one of them, as OpenR1-Math has them.
  const auto both = demonstrations(
      turns(user("q") + says("<think>a</think>1"),
            R"(,"problem":"q","generations":["<think>a</think>1","<think>b</think>2"])"));
  ASSERT_EQ(both.size(), 2u) << report.summary();
  EXPECT_EQ(both[1].solution, "2");
}

TEST_F(Reports, ALongerTextThatNobodyReadsIsNamed) {
  demonstrations(R"({"question":"q","response":"7","trace":"one and two and four are seven"})");
  ASSERT_EQ(report.rejected, (Rejected{{"no_thought", 1}}));
  EXPECT_NE(report.examples.at(0).detail.find("\"trace\""), std::string::npos);
}

TEST_F(Reports, GoldsUnderEveryName) {
  for (const std::string& row : std::vector<std::string>{
           R"({"problem":"q","expected_answer":"7"})", R"({"question":"q","target":7})",
           R"({"question":"q","gold":"7"})", R"({"question":"q","final_answer":["7"]})",
           R"({"question":"q","reference_answer":"7"})", R"({"Problem":"q","Answer":"7"})",
           R"({"question":"q","solution":"7"})",
           R"({"prompt":[{"role":"user","content":"q"}],"reward_model":{"ground_truth":"7"}})",
           R"({"prompt":"q","reward_model":{"ground_truth":"[\"7\"]"}})",
           R"({"problem":"q","answer":"7","domain":["a"],"answer_type":"Integer","id":{}})"}) {
    const auto rows = problems(row);
    ASSERT_EQ(rows.size(), 1u) << row << report.summary();
    EXPECT_EQ(rows[0].question, "q") << row;
    EXPECT_EQ(rows[0].answer, "7") << row;
    EXPECT_EQ(kind_of_rows(file), RowKind::kProblems) << row;
  }
  const auto orz = problems(
      R"([[{"from":"human","value":"q"},{"from":"assistant","ground_truth":{"value":"7"}}]])");
  ASSERT_EQ(orz.size(), 1u) << report.summary();
  EXPECT_EQ(orz[0].answer, "7");
}

TEST_F(Reports, InputBesideInstructionIsAskedToo) {
  const auto read = problems(R"({"instruction":"Add the numbers.","input":"7 and 8","answer":"15"})"
                             "\n"
                             R"({"instruction":"Add 1 and 1.","input":"","answer":"2"})"
                             "\n"
                             R"({"instruction":"","input":"What is 2+2?","answer":"4"})"
                             "\n");
  ASSERT_EQ(read.size(), 3u);
  EXPECT_EQ(read[0].question, "Add the numbers.\n7 and 8");
  EXPECT_EQ(read[1].question, "Add 1 and 1.");
  EXPECT_EQ(read[2].question, "What is 2+2?");
  // As a demonstration asks it.
  const auto shown = demonstrations(
      R"({"instruction":"Add the numbers.","input":"7 and 8","output":"<think>t</think>15"})"
      "\n");
  ASSERT_EQ(shown.size(), 1u);
  EXPECT_EQ(shown[0].question, read[0].question);
}

TEST_F(Reports, GoldsThatAreNone) {
  for (const char* none : {"proof", "notfound", "Not Found", "", "None", "N/A"}) {
    problems(dump_json(Json{{"problem", "q"}, {"answer", none}}));
    EXPECT_EQ(report.rejected, (Rejected{{"no_answer", 1}})) << none;
  }
  EXPECT_EQ(problems(R"({"question":"q","answer":"proof","answer_type":"text"})").size(), 1u);
}

TEST_F(Reports, ChoicesAreAskedInAllTheirForms) {
  const std::vector<std::string> forms = {
      R"({"question":"2+2?","choices":["5","4"],"answer":1})",
      R"({"question":"2+2?","choices":["5","4"],"answer":"B"})",
      R"({"question":"2+2?","choices":["5","4"],"answer":"b."})",
      R"({"question":"2+2?","choices":["5","4"],"answer":"4"})",
      R"({"question":"2+2?","choices":"[\"5\", \"4\"]","answer":1})",
      R"({"question":"2+2?","choices":{"text":["5","4"],"label":["A","B"]},"answerKey":"B"})",
      R"({"question":"2+2?","choices":{"text":["5","4"],"label":["1","2"]},"answerKey":"2"})",
      R"({"question":"2+2?","choices":{"A":"5","B":"4"},"answer":"B"})",
      R"({"question_stem":"2+2?","choices":[{"label":"A","text":"5"},{"label":"B","text":"4"}],"answerKey":"B"})"};
  for (const std::string& row : forms) {
    const auto rows = problems(row);
    ASSERT_EQ(rows.size(), 1u) << row << report.summary();
    EXPECT_EQ(rows[0].question, "2+2?\n\n(A) 5\n(B) 4") << row;
    EXPECT_EQ(rows[0].answer, "B") << row;
    EXPECT_EQ(rows[0].answer_type, judge::AnswerType::kChoice) << row;
  }
  const std::string columns = R"({"question":"2+2?","A":"5","B":"4","C":"3","answer":"B"})";
  EXPECT_EQ(problems(columns).at(0).question, "2+2?\n\n(A) 5\n(B) 4\n(C) 3");
  problems(R"({"question":"2+2?","choices":"five or four","answer":"B"})");
  EXPECT_EQ(report.rejected, (Rejected{{"bad_options", 1}}));
}

TEST_F(Reports, AnErrorNamesTheThingAndTheWayOut) {
  const std::map<std::string, std::string> named = {
      {R"({"question":"q","answer":NaN})", "\"answer\" is NaN, which JSON does not have"},
      {R"({"question":"x \ud83d y","answer":"7"})",
       "\"question\" is a text with \\ud83d, half of a surrogate pair"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "git lfs pull"},
      {"a,a\n1,2\n", "CSV needs a header of different names"},
      {std::string("\xFF\xFE{\0\"\0", 6), "UTF-16"}};
  for (const auto& [text, thing] : named) {
    write_file_atomic(file, text);
    RowAccount account;
    try {
      read_problems(file, account);
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(thing), std::string::npos) << error.what();
    }
  }
}

TEST_F(Reports, AFieldNobodyReadsRejectsNoRow) {
  for (const char* field : {R"("score":NaN)", R"("score":[1,-Infinity])", R"("x":"\ud83d")",
                            R"("x":{"y":"\ude00 z"})", R"("n":123456789012345678901234567890)"}) {
    const auto rows = problems(fmt::format(R"({{"question":"q","answer":"7",{}}})", field));
    ASSERT_EQ(rows.size(), 1u) << field << report.summary();
    EXPECT_EQ(rows[0].answer, "7");
  }
  const auto big = problems(
      R"({"id":123456789012345678901234567890,"question":"q","answer":12345678901234567890123})");
  ASSERT_EQ(big.size(), 1u) << report.summary();
  EXPECT_EQ(big[0].answer, "12345678901234567890123");
  EXPECT_EQ(big[0].id, "rows-123456789012345678901234567890");
  // Python writes a missing id so.
  EXPECT_EQ(problems(R"({"id":NaN,"question":"q","answer":"7"})").size(), 1u);
  EXPECT_EQ(report.changed, (Rejected{{"metadata_left_empty", 1}}));
}

TEST_F(Reports, OneArrayALineIsAConversationALine) {
  const std::string line = "[" + user("q") + says("<think>t</think>s") + "]";
  const std::string other = "[" + user("r") + says("<think>t</think>s") + "]";
  for (const std::string& text : {line + "\n" + other, "\n" + line + " \r\n\n" + other + "\n",
                                  "[" + line + ",\n" + other + "]"}) {
    const auto rows = demonstrations(text);
    ASSERT_EQ(rows.size(), 2u) << text << report.summary();
    EXPECT_EQ(rows[1].question, "r");
    EXPECT_EQ(kind_of_rows(file), RowKind::kDemonstrations);
  }
  // An array that has lost a comma is none of these.
  write_file_atomic(file, "[" + line + "\n" + other + "]");
  EXPECT_THROW(read_demonstrations(file, report), Error);
}

TEST_F(Reports, GoldsOfSeveralAnswersAndUnits) {
  const auto olympiad = [](const std::string& fields) {
    return R"({"question":"q","answer_type":"Numerical","is_multiple_answer":false,)" + fields +
           "}";
  };
  const auto one = problems(olympiad(R"("final_answer":["4.5"],"error":"1e-1","unit":"m/s")"));
  ASSERT_EQ(one.size(), 1u) << report.summary();
  EXPECT_EQ(one[0].question, "q The unit of the answer should be m/s.");
  EXPECT_NEAR(one[0].tolerance.value_or(0), 0.101 / 4.5, 1e-12);
  EXPECT_EQ(one[0].answer_type, judge::AnswerType::kNumber);
  const auto power = problems(olympiad(R"("final_answer":["$2 \\times 10^{3}$"],"error":20)"));
  ASSERT_EQ(power.size(), 1u) << report.summary();
  EXPECT_NEAR(power[0].tolerance.value_or(0), 0.0101, 1e-12);
  EXPECT_FALSE(problems(olympiad(R"("final_answer":["4"],"error":null)")).at(0).tolerance);
  for (const char* none :
       {R"("final_answer":["0"],"error":"0.1")", R"("final_answer":["x+1"],"error":"0.1")",
        R"("final_answer":["4"],"error":"1,2")"}) {
    problems(olympiad(none));
    EXPECT_EQ(report.rejected, (Rejected{{"bad_tolerance", 1}})) << none;
  }
  // An error elsewhere is a message.
  EXPECT_FALSE(problems(R"({"question":"q","answer":"7","error":"0.1"})").at(0).tolerance);

  const auto all = problems(
      R"({"question":"q","final_answer":["1","2"],"is_multiple_answer":true,"answer_type":"Numerical"})");
  ASSERT_EQ(all.size(), 1u) << report.summary();
  EXPECT_EQ(all[0].answer, "1, 2");
  EXPECT_EQ(all[0].answer_type, judge::AnswerType::kMath);
  EXPECT_EQ(problems(R"({"question":"q","answer":["0.5","\\frac{1}{2}"]})").at(0).answer, "0.5");
  EXPECT_EQ(problems(R"({"question":"q","reward_model":{"ground_truth":"[\"7\",\"7.0\"]"}})")
                .at(0)
                .answer,
            "7");
  problems(R"({"question":"q","answer":["1","2"]})");
  EXPECT_EQ(report.rejected, (Rejected{{"bad_field", 1}}));
  EXPECT_NE(report.examples.at(0).detail.find("any of them, or all?"), std::string::npos);
}

// Preferences with the same reader: what dpo trains is what sft trains.

}  // namespace
}  // namespace ponder::data
