// Files of rows of every kind, in one and in several pieces, under names of their own.
#include "data/row_source.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "data/csv_reader.h"
#include "data/readers.h"
#include "data/shards.h"
#include "testing/error_text.h"
#include "testing/folders.h"
#include "testing/temporary_folder.h"

namespace ponder::data {
namespace {

namespace fs = std::filesystem;

class RowSources : public ::testing::Test {
 protected:
  std::vector<Json> rows(const std::string& source, const FieldMap& fields = {}) {
    const auto opened = RowSource::open(source, fields);
    std::vector<Json> all;
    lines.clear();
    bad.clear();
    JsonRow row;
    while (opened->next(row, [&](uint64_t line, uint64_t offset, const std::string& problem) {
      bad.push_back(std::to_string(line) + ":" + std::to_string(offset) + ": " + problem);
    })) {
      all.push_back(row.value);
      lines.push_back(row.line);
    }
    return all;
  }
  std::vector<Json> csv(const std::string& text) {
    write_file_atomic(folder / "table", text);
    return rows(folder / "table");
  }
  std::string write(const std::string& name, const std::string& text) {
    fs::create_directories((folder / name).parent_path());
    write_file_atomic(folder / name, text);
    return folder / name;
  }

  const testing::TemporaryFolder folder;
  std::vector<uint64_t> lines;
  std::vector<std::string> bad;
};

TEST_F(RowSources, Csv) {
  const auto table =
      csv("\xEF\xBB\xBFquestion,answer,\"note\"\r\n"
          "\"a, \"\"quoted\"\"\nline\",007,\r\n\r\nplain,\"\",x y\n"
          "last, 7 ,\"z\"");
  ASSERT_EQ(table.size(), 3u) << (bad.empty() ? "" : bad[0]);
  EXPECT_EQ(dump_json(table[0]),
            R"({"question":"a, \"quoted\"\nline","answer":"007","note":null})");
  EXPECT_EQ(dump_json(table[1]), R"({"question":"plain","answer":"","note":"x y"})");
  EXPECT_EQ(dump_json(table[2]), R"({"question":"last","answer":" 7 ","note":"z"})");
  EXPECT_EQ(lines, (std::vector<uint64_t>{2, 5, 6}));
  EXPECT_EQ(csv("a\tb\n1,2\t3\n").at(0)["a"], "1,2");
}

TEST_F(RowSources, BadRecordsOfCsvAreNamedByLine) {
  const auto table = csv("a,b\n1,2\n1\n1,2,3\n\"x\" y,2\n\xFF,2\n3,4\n\"open,2\n5,6\n");
  EXPECT_EQ(table.size(), 2u);
  ASSERT_EQ(bad.size(), 5u);
  EXPECT_EQ(bad[0], "3:8: expected 2 values as the header has, found 1");
  EXPECT_EQ(bad[1], "4:10: expected 2 values as the header has, found 3");
  EXPECT_EQ(bad[2].find("5:16: text behind a closing quote"), 0u) << bad[2];
  EXPECT_EQ(bad[3], "6:24: no UTF-8 in column a");
  EXPECT_EQ(bad[4], "8:32: a quote that is not closed");
}

TEST_F(RowSources, WhatIsNoTableIsNone) {
  for (const char* text : {"", "a,b", "a\nb\n", "{\"a\":1,\"b\":2}\n{}\n", "[1,2]\n[3]\n",
                           "a,\n1,2\n", "a,a\n1,2\n", "lost\":1,\"b\":2\n{\"a\":1}\n",
                           "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n"}) {
    EXPECT_FALSE(is_csv(text)) << text;
  }
}

TEST_F(RowSources, ArrowAndPackedTablesAreReadAsOthers) {
  const auto arrow = rows(testing::source_dir() / "tests/golden/arrow/file.arrow");
  const auto parquet = rows(testing::source_dir() / "tests/golden/parquet/v1_plain.parquet");
  ASSERT_EQ(arrow.size(), parquet.size());
  for (size_t i = 0; i < arrow.size(); ++i) {
    for (const auto& [key, value] : arrow[i].items()) EXPECT_EQ(value, parquet[i].at(key)) << key;
  }
  EXPECT_FALSE(arrow.at(0)["question"].is_null());
  EXPECT_TRUE(arrow.at(0)["grid"].is_null());  // no layout knows it
  EXPECT_FALSE(rows(testing::source_dir() / "tests/golden/arrow/file.arrow",
                    FieldMap::parse({"answer=grid"}))
                   .at(0)["answer"]
                   .is_null());
}

TEST_F(RowSources, FoldersAndPatternsAreReadInTheOrderOfTheirNames) {
  write("set/b.jsonl", "{\"n\":3}\n");
  write("set/a.jsonl", "{\"n\":1}\n{\"n\":2}\n");
  write("set/c.csv", "n,m\n4,5\n");
  for (const char* none : {"set/README.md", "set/dataset_info.json", "set/.hidden.jsonl"})
    write(none, "{\"n\":9}\n");
  const auto all = rows(folder / "set");
  ASSERT_EQ(all.size(), 4u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(all[static_cast<size_t>(i)]["n"], i + 1);
  EXPECT_EQ(all[3]["n"], "4");
  EXPECT_EQ(lines, (std::vector<uint64_t>{1, 2, 1, 2}));
  EXPECT_EQ(rows(folder / "set/*.jsonl").size(), 3u);
  EXPECT_EQ(rows(folder / "set/[a]*").size(), 2u);
  EXPECT_EQ(source_sha256(folder / "set/*.jsonl"), [&] {
    fs::rename(folder / "set/b.jsonl", folder / "set/renamed.jsonl");
    return source_sha256(folder / "set/*.jsonl");
  }());
  EXPECT_NE(source_sha256(folder / "set"), source_sha256(folder / "set/*.jsonl"));
  EXPECT_EQ(source_bytes(folder / "set/*.jsonl"), 24);
  // A file whose name looks like a pattern is that file.
  EXPECT_EQ(rows(write("x[1].jsonl", "{\"n\":1}\n")).size(), 1u);

  const auto refused = [&](const std::string& source) {
    return testing::error_text([&] { rows(source); });
  };
  EXPECT_NE(refused(folder / "set/*.parquet").find("no file matches"), std::string::npos);
  fs::create_directories(folder / "outer/train");
  EXPECT_NE(refused(folder / "outer").find("name one of its folders, or a pattern: train"),
            std::string::npos);
  EXPECT_NE(refused(folder / "outer/*").find("matches the folder"), std::string::npos);
}

TEST_F(RowSources, ProblemsOfShardsHaveIdsOfTheirOwn) {
  for (const char* name : {"p/a-1.jsonl", "p/a-2.jsonl", "p/a-3.jsonl"})
    write(name, std::string("{\"id\":\"same\",\"question\":\"") + name + "\",\"answer\":\"7\"}\n");
  RowAccount report;
  const auto problems = read_problems(folder / "p", report);
  ASSERT_EQ(problems.size(), 3u) << report.summary();
  EXPECT_EQ(problems[1].id, "same#1");
  EXPECT_EQ(problems[2].id, "same#1#1");
  EXPECT_EQ(fs::path(problems[2].file).filename(), "a-3.jsonl");
  EXPECT_EQ(dataset_name(folder / "p/"), "p");
  EXPECT_EQ(dataset_name("x/gpqa.csv.gz"), "gpqa");
}

TEST_F(RowSources, FieldsUnderTheirOwnNames) {
  const std::string file = write(
      "own.jsonl",
      R"({"prompt":"template","body":"q","out":{"text":"<think>t</think>s"},"key":7,"uid":"x"})"
      "\n");
  RowAccount report;
  const auto demonstrations = read_demonstrations(
      file, report,
      {.fields = FieldMap::parse({"question=body", "response=out.text", "answer=KEY", "id=uid"})});
  ASSERT_EQ(demonstrations.size(), 1u) << report.summary();
  EXPECT_EQ(demonstrations[0].question, "q");
  EXPECT_EQ(demonstrations[0].thought, "t");
  EXPECT_EQ(demonstrations[0].answer, "7");
  EXPECT_EQ(demonstrations[0].id, "x");
  const auto problems =
      read_problems(file, report, {.fields = FieldMap::parse({"question=body", "answer=key"})});
  EXPECT_EQ(problems.at(0).question, "q");
  // Thought and response in two fields; the question stays a conversation.
  const std::string parts =
      write("parts.jsonl", R"({"messages":[{"role":"user","content":"q"}],"cot":"t","final":"s"})");
  const auto apart = read_demonstrations(
      parts, report, {.fields = FieldMap::parse({"thought=cot", "response=final"})});
  EXPECT_EQ(apart.at(0).thought, "t");
  EXPECT_EQ(apart.at(0).solution, "s");
}

TEST_F(RowSources, AFieldThatNoRowHasIsNamedWithThoseThatRowsHave) {
  const std::string file = write("own.jsonl", "{\"a\":1,\"b\":2}\n{\"a\":1,\"late\":2}\n");
  const std::string text =
      testing::error_text([&] { rows(file, FieldMap::parse({"question=body"})); });
  EXPECT_NE(text.find("no row has a field \"body\""), std::string::npos) << text;
  EXPECT_NE(text.find("rows have the fields a, b"), std::string::npos) << text;
  const auto late = rows(file, FieldMap::parse({"question=late"}));
  ASSERT_EQ(late.size(), 2u);
  EXPECT_FALSE(late[0].contains("question"));
  EXPECT_EQ(late[1]["question"], 2);
  for (const char* wrong : {"title=a", "question", "question="}) {
    const std::string refused = testing::error_text([&] { FieldMap::parse({wrong}); });
    EXPECT_FALSE(refused.empty()) << wrong;
  }
  EXPECT_NE(testing::error_text([] { FieldMap::parse({"title=a"}); }).find("question, system"),
            std::string::npos);
  EXPECT_FALSE(testing::error_text([] { FieldMap::parse({"id=a", "id=b"}); }).empty());
}

}  // namespace
}  // namespace ponder::data
