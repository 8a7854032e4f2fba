// Files and rows that are broken on purpose: every row is accounted for, with its place and a
// reason.
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "data/gold.h"
#include "data/readers.h"
#include "testing/folders.h"
#include "testing/temporary_folder.h"

namespace ponder::data {
namespace {

namespace fs = std::filesystem;

const std::string kGood = R"({"id":"g","question":"What is 1 + 1?","answer":"2"})";

class Hostile : public ::testing::Test {
 protected:
  fs::path write(const std::string& text, const std::string& name = "rows.jsonl") {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }

  // Reads problems; the report must balance whether or not an Error ends it.
  RowAccount read(const std::string& text, const std::string& name = "rows.jsonl") {
    RowAccount report;
    problems_.clear();
    error_.clear();
    try {
      problems_ = read_problems(write(text, name), report);
    } catch (const Error& error) {
      error_ = error.what();
    }
    check(report, problems_.size());
    return report;
  }
  RowAccount read_demos(const std::string& text, const DemonstrationReadOptions& options = {}) {
    RowAccount report;
    demonstrations_.clear();
    error_.clear();
    try {
      demonstrations_ = read_demonstrations(write(text), report, options);
    } catch (const Error& error) {
      error_ = error.what();
    }
    check(report, demonstrations_.size());
    return report;
  }
  void check(const RowAccount& report, size_t kept) {
    uint64_t rejected = 0;
    for (const auto& [reason, count] : report.rejected) rejected += count;
    EXPECT_EQ(report.rows, report.kept + report.duplicates + rejected);
    EXPECT_EQ(report.kept, kept);
    EXPECT_EQ(report.kept == 0, !error_.empty());
  }
  // One bad row between two good ones is rejected for `reason`, at line 2 and its byte offset.
  void expect_rejected(const std::string& bad, const std::string& reason) {
    const std::string other = R"({"id":"h","question":"What is 2 + 2?","answer":"4"})";
    const RowAccount report = read(kGood + "\n" + bad + "\n" + other + "\n");
    EXPECT_EQ(report.kept, 2u) << bad.substr(0, 200);
    ASSERT_EQ(report.examples.size(), 1u) << bad.substr(0, 200);
    EXPECT_EQ(report.examples[0].reason, reason) << report.examples[0].detail;
    EXPECT_EQ(report.examples[0].line, 2u);
    EXPECT_EQ(report.examples[0].byte_offset, kGood.size() + 1);
    EXPECT_FALSE(report.examples[0].detail.empty());
  }
  void expect_demo(const std::string& row, const std::string& reason) {
    const RowAccount report = read_demos(row + "\n");
    EXPECT_EQ(report.rejected, (std::map<std::string, uint64_t>{{reason, 1}})) << row << "\n"
                                                                               << report.summary();
    EXPECT_NE(error_.find("rows.jsonl:1"), std::string::npos) << error_;
  }

  testing::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
  std::vector<Problem> problems_;
  std::vector<Demonstration> demonstrations_;
  std::string error_;
};

TEST_F(Hostile, BrokenJsonIsNamedByLineAndByte) {
  expect_rejected("{", "bad_json");
  expect_rejected(R"({"question":"a","answer":"b"} x)", "bad_json");
  expect_rejected(R"({"question":"a","answer":)", "bad_json");
  expect_rejected(std::string(R"({"question":"a)") + '\0' + R"(","answer":"b"})", "bad_json");
  expect_rejected("{\"question\":\"\xFF\xFE\",\"answer\":\"b\"}", "bad_json");
  expect_rejected("{\"question\":\"\xED\xA0\x80\",\"answer\":\"b\"}",
                  "bad_json");  // a lone surrogate
  expect_rejected(R"({"question":"\ud800","answer":"b"})", "bad_field");
  expect_rejected(R"({"question":"a","question":"b","answer":"c"})", "bad_json");
  expect_rejected(std::string(100000, '[') + std::string(100000, ']'), "bad_json");
  expect_rejected(std::string(100000, '{'), "bad_json");
  expect_rejected("nonsense", "bad_json");
  expect_rejected("\"text\"", "not_an_object");
  expect_rejected("[1,2]", "not_an_object");
  expect_rejected("null", "not_an_object");
}

TEST_F(Hostile, HarmlessOdditiesOfFiles) {
  const std::string two = R"({"question":"What is 2 + 2?","answer":4})";
  for (const std::string& text :
       {kGood + "\n" + two, kGood + "\r\n" + two + "\r\n",
        "\xEF\xBB\xBF" + kGood + "\n" + two + "\n", "\n\n" + kGood + "\n   \n" + two + "\n\n",
        "[" + kGood + "," + two + "]", "\xEF\xBB\xBF [\n" + kGood + ",\n" + two + "\n]\n"}) {
    const RowAccount report = read(text);
    EXPECT_EQ(report.kept, 2u) << text;
    EXPECT_EQ(report.rows, 2u) << text;
    EXPECT_EQ(problems_[1].answer, "4");
  }
}

TEST_F(Hostile, LineOverTheCapIsRejectedAndReadingGoesOn) {
  const fs::path file = folder_ / "long.jsonl.gz";  // 80 MB in a small file
  gzFile out = ::gzopen(file.c_str(), "wb1");
  ::gzputs(out, (kGood + "\n{\"question\":\"").c_str());
  const std::string block(1 << 20, 'a');
  for (int i = 0; i < 80; ++i) ::gzwrite(out, block.data(), static_cast<unsigned>(block.size()));
  ::gzputs(out, "\",\"answer\":\"1\"}\n{\"question\":\"b\",\"answer\":\"1\"}\n");
  ::gzclose(out);
  RowAccount report;
  const auto problems = read_problems(file, report);
  EXPECT_EQ(problems.size(), 2u);
  EXPECT_EQ(report.rejected["bad_json"], 1u);
  EXPECT_EQ(report.examples.at(0).line, 2u);
  EXPECT_EQ(report.examples.at(0).byte_offset, kGood.size() + 1);
  EXPECT_EQ(problems[1].id, "long-3");
}

TEST_F(Hostile, ManyShortBadLines) {
  std::string text = kGood + "\n";
  for (int i = 0; i < 50000; ++i) text += "{}\n";
  const RowAccount report = read(text);
  EXPECT_EQ(report.rows, 50001u);
  EXPECT_EQ(report.rejected.at("unknown_layout"), 50000u);
  EXPECT_EQ(report.examples.size(), RowAccount::kMaxExamples);
}

TEST_F(Hostile, FilesThatCannotBeRead) {
  RowAccount report;
  EXPECT_THROW(read_problems(folder_ / "absent.jsonl", report), Error);
  EXPECT_THROW(read_problems(folder_, report), Error);
  for (const char* text : {"", "\n\n", "[]", "\xEF\xBB\xBF", "[1,2", "[{}]", "{}\n{}\n"}) {
    read(text);
    EXPECT_NE(error_.find("rows.jsonl"), std::string::npos) << text << ": " << error_;
  }
  {
    gzFile out = ::gzopen((folder_ / "cut.jsonl.gz").c_str(), "wb");
    for (int i = 0; i < 2000; ++i) {
      const std::string row =
          "{\"question\":\"q" + std::to_string(i * 7919) + "\",\"answer\":\"1\"}\n";
      ::gzwrite(out, row.data(), static_cast<unsigned>(row.size()));
    }
    ::gzclose(out);
  }
  fs::resize_file(folder_ / "cut.jsonl.gz", fs::file_size(folder_ / "cut.jsonl.gz") / 2);
  EXPECT_THROW(read_problems(folder_ / "cut.jsonl.gz", report), Error);
}

TEST_F(Hostile, ProblemRows) {
  expect_rejected(R"({"id":"x","question":"  ","answer":"2"})", "empty_question");
  expect_rejected(R"({"id":"x","question":"","answer":"2"})", "empty_question");
  expect_rejected(R"({"id":"x","question":null,"answer":"2"})", "unknown_layout");
  expect_rejected(R"({"id":"x","question":["a"],"answer":"2"})", "bad_field");
  expect_rejected(R"({"question":"a"})", "no_answer");
  expect_rejected(R"({"question":"a","answer":" "})", "no_answer");
  expect_rejected(R"({"question":"a","answer":null})", "no_answer");
  expect_rejected(R"({"question":"a","answer":"thinking\n####  "})", "no_answer");
  expect_rejected(R"({"question":"a","answer":"thinking\n#### twelve"})", "bad_answer");
  expect_rejected(R"({"problem":"a","solution":"no box here"})", "no_answer");
  expect_rejected(R"({"problem":"a","solution":"\\boxed{1"})", "no_answer");
  expect_rejected(R"({"question":"a","answer":"\\frac{1}{2"})", "bad_answer");
  expect_rejected(R"({"question":"a","answer":"1}{"})", "bad_answer");
  expect_rejected(R"({"question":"a","answer":true})", "bad_field");
  expect_rejected(R"({"question":"a","answer":"two","answer_type":"number"})", "bad_answer");
  expect_rejected(R"({"question":"a","answer":"AB","answer_type":"choice"})", "bad_answer");
  expect_rejected(R"({"question":"a","answer":"2","tolerance":-1})", "bad_tolerance");
  expect_rejected(R"({"question":"a","answer":"2","tolerance":"5%"})", "bad_tolerance");
  expect_rejected(R"({"a":"b"})", "unknown_layout");
}

TEST_F(Hostile, ChoiceRows) {
  expect_rejected(R"({"question":"a","options":["x"],"answer_letter":"A"})", "bad_options");
  expect_rejected(R"({"question":"a","options":"x","answer_letter":"A"})", "bad_options");
  expect_rejected(R"({"question":"a","options":[{},"y"],"answer_letter":"A"})", "bad_options");
  expect_rejected(R"({"question":"a","options":{"A":"x","C":"y"},"answer_idx":"A"})",
                  "bad_options");
  expect_rejected(R"({"question":"a","options":["x","y"]})", "no_answer");
  expect_rejected(R"({"question":"a","options":["x","y"],"answer_letter":"C"})", "bad_answer");
  expect_rejected(R"({"question":"a","options":["x","y"],"answer_letter":"?"})", "bad_answer");
  expect_rejected(R"({"question":"a","options":["x","y"],"answer_index":2})", "bad_answer");
  expect_rejected(R"({"question":"a","options":["x","y"],"answer_index":0,"answer_letter":"B"})",
                  "bad_answer");
  expect_rejected(R"({"question":"","options":["x","y"],"answer_letter":"A"})", "empty_question");
  expect_rejected(R"({"Question":"a (A) x (B) y","Correct Answer":"x","Correct Choice":"E"})",
                  "bad_answer");
  expect_rejected(R"({"Question":"a","Correct Answer":"x","Incorrect Answer 1":"y"})",
                  "bad_options");
}

TEST_F(Hostile, GpqaUnshuffledIsShuffledByTheSeed) {
  std::string text;
  for (int i = 0; i < 40; ++i) {
    text +=
        R"({"Question":"q)" + std::to_string(i) +
        R"(","Correct Answer":"right","Incorrect Answer 1":"w1","Incorrect Answer 2":"w2","Incorrect Answer 3":"w3"})" +
        "\n";
  }
  const fs::path file = write(text);
  RowAccount report;
  std::map<std::string, int> letters;
  const auto first = read_problems(file, report, {.choice_seed = 7});
  for (const Problem& p : first) {
    ++letters[p.answer];
    EXPECT_NE(p.question.find("(" + p.answer + ") right"), std::string::npos) << p.question;
    EXPECT_NE(p.source.find("seed 7"), std::string::npos);
  }
  EXPECT_EQ(letters.size(), 4u);
  const auto again = read_problems(file, report, {.choice_seed = 7});
  const auto other = read_problems(file, report, {.choice_seed = 8});
  int differ = 0;
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].question, again[i].question);
    differ += first[i].question != other[i].question;
  }
  EXPECT_GT(differ, 20);
}

TEST_F(Hostile, DuplicatesAreCountedAndNamed) {
  const RowAccount report = read(kGood + "\n" +
                                 R"({"id":"g","question":"another","answer":"2"})"
                                 "\n"  // an id says nothing
                                 R"({"question":"What  is\n1 + 1? ","answer":"2"})"
                                 "\n"  // same question
                                 R"({"question":"What is 1 - 1?","answer":"0"})"
                                 "\n" +
                                 kGood + "\n");
  EXPECT_EQ(report.rows, 5u);
  EXPECT_EQ(report.kept, 3u);
  EXPECT_EQ(report.duplicates, 2u);
  EXPECT_EQ(problems_.at(1).id, "g#2");  // ids stay different
  EXPECT_EQ(report.changed.at("id_made_unique"), 1u);
  ASSERT_EQ(report.duplicate_examples.size(), 2u);
  EXPECT_EQ(report.duplicate_examples[0].line, 3u);
  EXPECT_NE(report.duplicate_examples[0].detail.find("line 1"), std::string::npos);
}

TEST_F(Hostile, OnlyWhiteSpaceIsFoldedInQuestions) {
  const auto row = [](const std::string& question) {
    return dump_json(Json{{"question", question}, {"answer", "1"}}) + "\n";
  };
  const RowAccount report = read(row("ab") + row("a b") + row("A b") + row("a-b") + row("a+b") +
                                 row("ab ") + row("a\n\t b"));
  EXPECT_EQ(report.kept, 5u);
  EXPECT_EQ(report.duplicates, 2u);
}

TEST_F(Hostile, StrictStopsAtTheFirstBadRow) {
  RowAccount report;
  const fs::path file = write(kGood + "\n{\n");
  try {
    read_problems(file, report, {.strict = true});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.where().find("rows.jsonl:2 (byte 52)"), std::string::npos) << error.where();
  }
}

std::string still(const std::string& combined) {
  return dump_json(Json{{"question", "q"}, {"combined_text", combined}, {"domain", "math"}});
}

TEST_F(Hostile, DemonstrationRows) {
  const std::string bt = "<|begin_of_thought|>", et = "<|end_of_thought|>",
                    bs = "<|begin_of_solution|>", es = "<|end_of_solution|>";
  EXPECT_EQ(read_demos(still(bt + "t" + et + bs + "s" + es) + "\n").kept, 1u) << error_;
  expect_demo(still(bt + "t" + bs + "s" + es), "missing_tag");
  expect_demo(still(bt + "t"), "missing_tag");
  expect_demo(still(et + "t" + bt + bs + "s" + es), "crossed_tags");
  expect_demo(still(bt + "t" + bt + et + bs + "s" + es), "repeated_tag");
  expect_demo(still(bt + " " + et + bs + "s" + es), "empty_thought");
  expect_demo(still(bt + "t" + et + bs + " \n" + es), "empty_solution");
  expect_demo(still("plain words"), "no_thought");
  expect_demo(still(""), "empty_solution");
  expect_demo(R"({"question":"","thought":"t","solution":"s"})", "empty_question");
  expect_demo(R"({"question":"q","thought":"","solution":"s"})", "no_thought");
  expect_demo(R"({"question":"q","thought":"t","solution":""})", "empty_solution");
  expect_demo(R"({"question":"q","thought":5.5,"solution":{}})", "bad_field");
  expect_demo(R"({"something":"else"})", "unknown_layout");
}

TEST_F(Hostile, ConversationRows) {
  const auto turns = [](const std::string& list) { return R"({"messages":[)" + list + "]}"; };
  const std::string user = R"({"role":"user","content":"q"})",
                    assistant = R"({"role":"assistant","content":"<think>t</think>s"})";
  EXPECT_EQ(read_demos(turns(user + "," + assistant) + "\n").kept, 1u) << error_;
  EXPECT_EQ(demonstrations_.at(0).thought, "t");
  EXPECT_EQ(read_demos(turns(R"({"role":"system","content":"be kind"},)" + user +
                             R"(,{"role":"assistant","reasoning_content":"t","content":"s"})") +
                       "\n")
                .kept,
            1u);
  EXPECT_EQ(demonstrations_.at(0).system, "be kind");
  EXPECT_EQ(demonstrations_.at(0).solution, "s");
  expect_demo(turns(user + "," + assistant + R"(,{"role":"system","content":"x"})"), "turn_order");
  expect_demo(turns(user + "," + assistant + "," + user), "missing_turn");
  expect_demo(turns(assistant + "," + user), "missing_turn");
  expect_demo(turns(user), "missing_turn");
  expect_demo(turns(""), "missing_turn");
  expect_demo(turns(R"({"role":"tool","content":"x"})"), "unsupported_role");
  expect_demo(turns(R"("user")"), "bad_field");
  expect_demo(R"({"messages":"q"})", "bad_field");
  expect_demo(turns(R"({"role":"user","content":[1]},)" + assistant), "bad_field");
  expect_demo(R"({"instruction":"q","output":"<think>t</think>s","history":["a","b"]})",
              "bad_field");
}

TEST_F(Hostile, ConversationsOfSeveralTurns) {
  const std::string row = R"({"id":"c","messages":[{"role":"system","content":"be kind"},)"
                          R"({"role":"user","content":"q1"},)"
                          R"({"role":"assistant","content":"<think>t1</think>s1"},)"
                          R"({"role":"user","content":[{"type":"text","text":"q2"}]},)"
                          R"({"role":"assistant","reasoning":"t2","content":"s2"}]})";
  // The last answer is trained on; what came before it is its history, without the thought.
  EXPECT_EQ(read_demos(row + "\n").rows, 1u) << error_;
  ASSERT_EQ(demonstrations_.size(), 1u);
  const Demonstration& last = demonstrations_[0];
  EXPECT_EQ(last.id, "c");
  EXPECT_EQ(last.system, "be kind");
  EXPECT_EQ(last.question, "q2");
  EXPECT_EQ(last.thought, "t2");
  ASSERT_EQ(last.history.size(), 2u);
  EXPECT_EQ(last.history[0].content, "q1");
  EXPECT_TRUE(last.history[1].assistant);
  EXPECT_EQ(last.history[1].content, "s1");
  // Its own form holds the history too.
  EXPECT_EQ(read_demos(dump_json(to_json(Demonstration(last))) + "\n").kept, 1u) << error_;
  EXPECT_EQ(demonstrations_.at(0).history.at(1).content, "s1");

  DemonstrationReadOptions all;
  all.all_turns = true;
  EXPECT_EQ(read_demos(row + "\n", all).rows, 2u);
  ASSERT_EQ(demonstrations_.size(), 2u);
  EXPECT_EQ(demonstrations_[0].id, "c#1");
  EXPECT_EQ(demonstrations_[0].thought, "t1");
  EXPECT_TRUE(demonstrations_[0].history.empty());
  EXPECT_EQ(demonstrations_[1].history.size(), 2u);
  // The same last question after another beginning is another row.
  const std::string other = R"({"messages":[{"role":"user","content":"q0"},)"
                            R"({"role":"assistant","content":"s0"},{"role":"user","content":"q2"},)"
                            R"({"role":"assistant","reasoning":"t2","content":"s2"}]})";
  EXPECT_EQ(read_demos(row + "\n" + other + "\n" + other + "\n").kept, 2u);
}

TEST_F(Hostile, MoreLayoutsOfDemonstrations) {
  const std::string rows[] = {
      R"({"prompt":"q","completion":"<think>t</think>s"})",
      R"({"prompt":[{"role":"system","content":"y"},{"role":"user","content":"q"}],)"
      R"("completion":[{"role":"assistant","content":"<think>t</think>s"}]})",
      R"({"prompt":"q","response":"s","reasoning_content":"t"})",
      R"({"conversations":[{"role":"user","content":"q"},{"role":"assistant","thinking":"t","content":"s"}]})",
      R"({"problem":"q","deepseek_reasoning":"t","deepseek_solution":"s"})",
      R"({"question":"q","response":"## Thinking\n\nt\n\n## Final Response\n\ns"})",
      R"({"instruction":"q","output":"<Thought>t</Thought><Output>s</Output>"})"};
  for (const std::string& row : rows) {
    EXPECT_EQ(read_demos(row + "\n").kept, 1u) << row << error_;
    ASSERT_EQ(demonstrations_.size(), 1u);
    EXPECT_EQ(demonstrations_[0].question, "q") << row;
    EXPECT_EQ(demonstrations_[0].thought, "t") << row;
    EXPECT_EQ(demonstrations_[0].solution, "s") << row;
    EXPECT_EQ(kind_of_rows(folder_ / "rows.jsonl"), RowKind::kDemonstrations) << row;
  }
  DemonstrationReadOptions own;
  own.thought_tags = *tokenizer::thought_tags_from_string("[[,]]");
  EXPECT_EQ(read_demos("{\"prompt\":\"q\",\"completion\":\"[[t]] s\"}\n", own).kept, 1u);
  EXPECT_EQ(demonstrations_.at(0).thought, "t");
  write(R"({"prompt":"q","chosen":"a","rejected":"b"})");
  EXPECT_EQ(kind_of_rows(folder_ / "rows.jsonl"), RowKind::kPreferences);
}

TEST_F(Hostile, RowsBeforeAFileBreaksAreAccountedFor) {
  RowAccount report;
  EXPECT_THROW(read_problems(write("[" + kGood + ",{\"a\":1},{\"b\":"), report), Error);
  EXPECT_EQ(report.rows, 2u);
  EXPECT_EQ(report.kept, 1u);
}

TEST_F(Hostile, ParquetHoldsTheSameLayouts) {
  const fs::path file = testing::source_dir() / "tests/golden/parquet/v1_groups.parquet";
  EXPECT_EQ(kind_of_rows(file), RowKind::kDemonstrations);
  RowAccount report;
  EXPECT_THROW(read_demonstrations(file, report), Error);  // no role of it is a user's
  EXPECT_EQ(report.rows, 40u);
  EXPECT_FALSE(report.examples.at(0).detail.empty());
}

TEST(Gold, Boxes) {
  EXPECT_EQ(last_boxed("\\boxed{1} then \\boxed{\\frac{1}{2}}."), "\\frac{1}{2}");
  EXPECT_EQ(last_boxed("so $\\boxed 2$"), "2");
  EXPECT_EQ(last_boxed("\\fbox{ 3 }"), "3");
  EXPECT_EQ(last_boxed("\\boxed{\\{1, 2\\}}"), "\\{1, 2\\}");
  EXPECT_EQ(last_boxed("none"), "");
  EXPECT_EQ(last_boxed("\\boxed{"), "");
  EXPECT_EQ(last_boxed("\\boxed"), "");
}

TEST(Gold, Numbers) {
  for (const char* good :
       {"1", "-1.5", "+.5", "1,234,567", "1e-5", "3/4", "50%", "50\\%", "$12$", "\\frac{1}{2}",
        "-\\dfrac{3}{4}", "1.5 \\times 10^{-3}", "2*10^5", " 7 "}) {
    EXPECT_TRUE(gold_is_readable(good, judge::AnswerType::kNumber)) << good;
  }
  for (const char* bad :
       {"", "-", ".", "two", "1 2", "1..2", "1/", "\\frac{1}", "1e", "12 cm", "1,,2", "%"}) {
    EXPECT_FALSE(gold_is_readable(bad, judge::AnswerType::kNumber)) << bad;
  }
}

}  // namespace
}  // namespace ponder::data
