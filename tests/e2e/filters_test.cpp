// ponder data check --filters, and the same flags of ponder sft.
#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

class FilterFlags : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string rows;
    for (int i = 0; i < 6; ++i) {
      const std::string number = std::to_string(100 + i * 37);
      rows += dump_json({{"question", "What is " + number + " and one?"},
                         {"thought", "I count on from " + number + ", and so I have the answer." +
                                         (i == 5 ? " I look at it once more." : "")},
                         {"solution", "It is \\boxed{" + std::to_string(101 + i * 37) + "}."},
                         {"answer", std::to_string(i == 2 ? 5 : 101 + i * 37)}}) +
              "\n";
    }
    // The first once more, without its full stops.
    rows += dump_json({{"question", "What is 100, and one?"},
                       {"thought", "I count on from 100, and so I have the answer"},
                       {"solution", "It is \\boxed{101}"},
                       {"answer", "101"}}) +
            "\n";
    write_file_atomic(folder_ / "rows.jsonl", rows);
    write_file_atomic(folder_ / "problems.jsonl",
                      dump_json({{"question", "What is 2 + 3?"}, {"answer", "5"}}) + "\n");
  }
  testing::Outcome check(std::vector<std::string> more, const std::string& file = "rows.jsonl") {
    std::vector<std::string> argv = {program(), "data", "check", file};
    argv.insert(argv.end(), more.begin(), more.end());
    return testing::run(argv, {.folder = folder_.path(), .input = "", .limit = testing::kLimit});
  }

  testing::TemporaryFolder folder_;
};

TEST_F(FilterFlags, EachCanBeTriedAlone) {
  const testing::Outcome plain = check({"--json"});
  ASSERT_EQ(plain.status, 0) << plain.err;
  EXPECT_EQ(json_lines(plain.out).at(0).at("kept"), 7);
  const testing::Outcome both = check(
      {"--filters", "wrong-answer,near-duplicate", "--jaccard", "0.6", "--json", "--explain"});
  ASSERT_EQ(both.status, 0) << both.err;
  const Json report = json_lines(both.out).at(0);
  EXPECT_EQ(report.at("rejected"), (Json{{"near_duplicate", 1}, {"wrong_answer", 1}})) << report;
  EXPECT_EQ(report.at("kept"), 5);
  const testing::Outcome text = check({"--filters", "wrong-answer", "--explain"});
  EXPECT_NE(text.out.find("line 3"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("wrong_answer: "), std::string::npos) << text.out;
  EXPECT_EQ(check({"--filters", "all", "--quiet"}).status, 0);
}

TEST_F(FilterFlags, ConditionsAreOnFields) {
  const auto kept = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> all = flags;
    all.push_back("--json");
    const testing::Outcome outcome = check(all);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.status == 0 ? json_lines(outcome.out).at(0).at("kept").get<int>() : -1;
  };
  EXPECT_EQ(kept({"--where", "answer=101,5"}), 3);
  EXPECT_EQ(kept({"--where", "answer=100..200"}), 3);
  EXPECT_EQ(kept({"--where", "answer=100..", "--except", "answer=101"}), 4);
  const testing::Outcome none = check({"--where", "levle=3"});
  EXPECT_NE(none.err.find("no row has a field \"levle\""), std::string::npos) << none.err;
  EXPECT_NE(check({"--where", "level=5..2"}).err.find("upside down"), std::string::npos);
  EXPECT_NE(check({"--where", "level"}).err.find("expected FIELD=VALUE"), std::string::npos);
}

TEST_F(FilterFlags, QuantilesAreThoseOfAllRows) {
  const testing::Outcome outcome =
      check({"--filters", "too-long", "--max-quantile", "0.5", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Json report = json_lines(outcome.out).at(0);
  EXPECT_EQ(report.at("kept"), 6);
  EXPECT_EQ(report.at("rejected").at("too_long"), 1);
}

TEST_F(FilterFlags, BadInputIsSaid) {
  const auto refused = [&](const std::vector<std::string>& flags, const std::string& why,
                           const std::string& file = "rows.jsonl") {
    const testing::Outcome outcome = check(flags, file);
    EXPECT_NE(outcome.status, 0);
    EXPECT_NE(outcome.err.find(why), std::string::npos) << outcome.err;
  };
  refused({"--filters", "near-dupe"}, "the filters are broken-format, truncated");
  refused({"--filters", "too-short"}, "too-short has no limit");
  refused({"--min-words", "5"}, "too-short is none of the filters");
  refused({"--filters", "too-long", "--min-quantile", "0.9", "--max-quantile", "0.2"},
          "upside down");
  refused({"--filters", "too-short", "--min-words", "500"},
          "the filters leave no row (7 rows, 0 kept, 7 rejected (too_short 7))");
  refused({"--filters", "repetition"},
          "repetition looks at responses, and problems.jsonl has problems", "problems.jsonl");
}

TEST_F(FilterFlags, SftTakesThem) {
  make_tiny_base(folder_ / "base");
  const testing::Outcome outcome =
      testing::run({program(), "sft", "--model", "base", "--data", "rows.jsonl", "--out", "m",
                    "--epochs", "1", "--threads", "1", "--filters", "wrong-answer", "--json"},
                   {.folder = folder_.path(), .input = "", .limit = testing::kLimit});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("wrong_answer 1"), std::string::npos) << outcome.err;
  EXPECT_NE(read_file(folder_ / "m/README.md").find("--filters wrong-answer"), std::string::npos);
}

}  // namespace
}  // namespace ponder::e2e
