#include "data/rejected_answers.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/file.h"
#include "testing/temporary_folder.h"

namespace ponder::data {
namespace {

const Json kRow = {{"id", "p1-2"},
                   {"problem_id", "p1"},
                   {"sample", 2},
                   {"question", "What is 1 + 1?"},
                   {"answer", "2"},
                   {"thought", "one and one"},
                   {"text", "\\boxed{3}"},
                   {"refusal", ""},
                   {"finish_reason", "stop"},
                   {"reason", "wrong"},
                   {"detail", "3 is not 2"},
                   {"teacher", {{"model", "r1"}, {"endpoint", "https://api.example.com/v1"}}}};

struct Read {
  RowAccount account;
  std::vector<RejectedAnswer> answers;
};

Read read(const std::vector<Json>& rows, RowConditions* conditions = nullptr) {
  const testing::TemporaryFolder folder;
  std::string text;
  for (const Json& row : rows)
    text += (row.is_string() ? row.get<std::string>() : row.dump()) + "\n";
  write_file_atomic(folder / "rejected.jsonl", text);
  Read read;
  const auto source = RowSource::open(folder / "rejected.jsonl");
  visit_rejected_answers(*source, read.account, conditions,
                         [&](RejectedAnswer answer) { read.answers.push_back(std::move(answer)); });
  return read;
}

TEST(RejectedAnswers, HaveAllThatTheirRowsSay) {
  const Read one = read({kRow});
  ASSERT_EQ(one.answers.size(), 1u);
  const RejectedAnswer& answer = one.answers[0];
  const std::vector<std::string> said = {
      answer.id,      answer.reason, answer.detail,  answer.question,      answer.answer,
      answer.thought, answer.text,   answer.refusal, answer.finish_reason, answer.model};
  EXPECT_EQ(said, (std::vector<std::string>{"p1-2", "wrong", "3 is not 2", "What is 1 + 1?", "2",
                                            "one and one", "\\boxed{3}", "", "stop", "r1"}));
  EXPECT_EQ(answer.row, kRow);
  Json nameless = kRow;
  nameless.erase("id");
  nameless["sample"] = "2";
  EXPECT_EQ(read({nameless}).answers.at(0).id, "p1-2");
}

// In = kept + rejected, by reason: none is kept, and each is counted once.
TEST(RejectedAnswers, AreCountedByTheirOwnReasons) {
  Json cut = kRow;
  cut["reason"] = "length";
  const Read all = read({kRow, cut, kRow, "{", {{"prompt", "q"}, {"response", "r"}}});
  EXPECT_EQ(all.account.rows, 5u);
  EXPECT_EQ(all.account.kept, 0u);
  EXPECT_EQ(all.account.rejected,
            (std::map<std::string, uint64_t>{
                {"wrong", 2}, {"length", 1}, {"bad_json", 1}, {"not_rejected", 1}}));
  EXPECT_EQ(all.answers.size(), 3u);
}

TEST(RejectedAnswers, WhatIsNotWantedIsCountedAndNotGivenAway) {
  Json other = kRow;
  other["reason"] = "length";
  RowConditions conditions;
  conditions.add({.field = "reason", .values = {"wrong"}, .min = {}, .max = {}});
  const Read wanted = read({kRow, other}, &conditions);
  EXPECT_EQ(wanted.account.rejected,
            (std::map<std::string, uint64_t>{{"wrong", 1}, {"filtered", 1}}));
  ASSERT_EQ(wanted.answers.size(), 1u);
  EXPECT_EQ(wanted.answers[0].reason, "wrong");
}

// A demonstration that has some of these fields is none.
TEST(RejectedAnswers, AreKnownByFourFields) {
  EXPECT_TRUE(is_rejected_answer(kRow));
  for (const char* field : {"reason", "teacher", "problem_id", "finish_reason"}) {
    Json row = kRow;
    row.erase(field);
    EXPECT_FALSE(is_rejected_answer(row)) << field;
  }
  Json row = kRow;
  row["teacher"] = "r1";
  EXPECT_FALSE(is_rejected_answer(row));
  row = kRow;
  row["reason"] = 3;
  EXPECT_FALSE(is_rejected_answer(row));
  EXPECT_FALSE(is_rejected_answer(Json::array({kRow})));
}

}  // namespace
}  // namespace ponder::data
