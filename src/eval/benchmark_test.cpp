#include "eval/benchmark.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "testing/error_text.h"
#include "testing/folders.h"
#include "testing/temporary_folder.h"

namespace ponder::eval {
namespace {

std::vector<data::Problem> three_problems() {
  std::vector<data::Problem> problems(3);
  for (size_t i = 0; i < 3; ++i) {
    problems[i].id = "p" + std::to_string(i + 1);
    problems[i].question = "Question number " + std::to_string(i + 1) + "?";
    problems[i].answer = std::to_string(10 * (i + 1));
  }
  return problems;
}

class GivenResponses : public ::testing::Test {
 protected:
  BenchmarkResult score(const std::string& rows) {
    std::ofstream(file_) << rows;
    return score_responses("b", problems_, file_);
  }
  std::string error(const std::string& rows) {
    return testing::error_text([&] { score(rows); });
  }

  std::vector<data::Problem> problems_ = three_problems();
  testing::TemporaryFolder temporary_;
  const std::filesystem::path file_ = temporary_ / "responses.jsonl";
};

TEST_F(GivenResponses, InTheBenchmarksOrder) {
  const BenchmarkScore s = score(R"({"response":"It is \\boxed{10}.","tokens":4}
{"response":"\\boxed{21}","tokens":8}
{"response":"\\boxed{30}","tokens":3,"finish_reason":"length"}
)")
                               .score;
  EXPECT_EQ(s.n, 3);
  EXPECT_EQ(s.samples, 1);
  EXPECT_NEAR(s.accuracy, 1.0 / 3, 1e-12);
  EXPECT_NEAR(s.interval_95.low, wilson_interval(1.0 / 3, 3).low, 1e-12);
  EXPECT_NEAR(s.finished, 2.0 / 3, 1e-12);
  EXPECT_EQ(s.format_failures, 0);
  EXPECT_NEAR(s.mean_tokens, 5, 1e-12);
  EXPECT_EQ(s.missing, 0);
}

TEST_F(GivenResponses, ARowThatIsNoJsonIsAWrongResponse) {
  const std::string surrogate = "{\"response\":\"\\ud800\"}\n";
  const BenchmarkScore in_order = score(R"({"response":"\\boxed{10}"})"
                                        "\n" +
                                        surrogate +
                                        R"({"response":"\\boxed{30}"})"
                                        "\n")
                                      .score;
  EXPECT_EQ(in_order.unreadable, 1);
  EXPECT_EQ(in_order.missing, 0);
  EXPECT_NEAR(in_order.accuracy, 2.0 / 3, 1e-12);
  const BenchmarkResult named = score(R"({"id":"p1","response":"\\boxed{10}"})"
                                      "\n" +
                                      surrogate + "{\"id\":\"p2\",\"response\":\"\xff\"}\n" +
                                      R"({"id":"p3","response":"\\boxed{30}"})"
                                      "\n");
  EXPECT_EQ(named.score.unreadable, 2);
  EXPECT_NEAR(named.score.accuracy, 2.0 / 3, 1e-12);
  EXPECT_NE(error(surrogate).find("holds no responses"), std::string::npos);
}

TEST_F(GivenResponses, ABenchmarksOwnNumbersNameItsProblems) {
  for (size_t i = 0; i < 3; ++i) problems_[i].id = "b-" + std::to_string(i + 1);  // as read
  const BenchmarkScore s = score(
                               "{\"problem_id\":3,\"response\":\"\\\\boxed{30}\"}\n"
                               "{\"id\":\"1\",\"response\":\"\\\\boxed{10}\"}\n"
                               "{\"problem_id\":\"b-2\",\"response\":\"\\\\boxed{20}\"}\n")
                               .score;
  EXPECT_NEAR(s.accuracy, 1, 1e-12);
  EXPECT_NE(error(R"({"problem_id":4,"response":"x"})").find("is no problem"), std::string::npos);
}

TEST_F(GivenResponses, SamplesByIdOrQuestion) {
  const BenchmarkResult result = score(R"({"problem_id":"p2","response":"\\boxed{20}"}
{"id":"p2","response":"\\boxed{20}"}
{"problem":" Question number 1?\n","response":"\\boxed{10}"}
{"id":"elsewhere","question":"Question number 1?","text":"\\boxed{11}"}
)");
  const BenchmarkScore& s = result.score;
  EXPECT_EQ(s.samples, 2);
  EXPECT_EQ(s.missing, 1);
  EXPECT_NEAR(s.accuracy, 0.5, 1e-12);
  EXPECT_NEAR(s.pass_at_k, 2.0 / 3, 1e-12);
  EXPECT_NEAR(s.maj_at_k, 2.0 / 3, 1e-12) << "one against one: the earlier answer";
  EXPECT_NEAR(s.finished, 4.0 / 6, 1e-12) << "a missing response is not a finished one";
  ASSERT_EQ(s.pass_at.size(), 2u);
  EXPECT_NEAR(s.pass_at[0].second, 0.5, 1e-12);
  EXPECT_EQ(to_json(s)["pass_at"]["2"], s.pass_at_k);
  ASSERT_EQ(s.pass_at_95.size(), 2u);
  EXPECT_NEAR(s.pass_at_95[1].low, wilson_interval(2.0 / 3, 3).low, 1e-12);
  EXPECT_NEAR(s.maj_at_k_95.high, wilson_interval(2.0 / 3, 3).high, 1e-12);
  EXPECT_EQ(to_json(s)["maj_at_k_interval_95"][0], s.maj_at_k_95.low);
  EXPECT_FALSE(s.best_of_k) << "given responses have no log-probabilities";
  EXPECT_TRUE(to_json(s)["mean_tokens"].is_null());
}

TEST_F(GivenResponses, BadRowsAreNamed) {
  const std::string good = R"({"id":"p1","response":"\\boxed{1}"})"
                           "\n";
  EXPECT_NE(error(good + R"({"id":"p9","response":"x"})").find(":2"), std::string::npos);
  EXPECT_NE(error(good + R"({"id":"p9","response":"x"})").find("p9"), std::string::npos);
  EXPECT_NE(error(good + R"({"response":"x"})").find("some rows name"), std::string::npos);
  EXPECT_NE(error(R"({"response":"x"})"
                  "\n" +
                  good)
                .find("some rows name"),
            std::string::npos);
  EXPECT_NE(error(R"({"id":"p1"})").find("`response`"), std::string::npos);
  EXPECT_NE(error(R"({"id":"p1","response":5})").find("`response`"), std::string::npos);
  EXPECT_NE(error(R"([1])").find("object"), std::string::npos);
  EXPECT_NE(error(R"({"id":"p1","response":"x","finish_reason":"tired"})").find("finish_reason"),
            std::string::npos);
  EXPECT_NE(error(good + good + R"({"id":"p2","response":"x"})").find("same number"),
            std::string::npos);
  EXPECT_NE(error("").find("no responses"), std::string::npos);
  std::string four;
  for (int i = 0; i < 4; ++i)
    four += R"({"response":"x"})"
            "\n";
  EXPECT_NE(error(four).find("one row more"), std::string::npos);
}

TEST(JudgeSample, FormatFailuresAreOfFinishedResponsesOnly) {
  const data::Problem problem = three_problems()[0];
  const auto failure = [&](std::string_view text,
                           data::FinishReason reason = data::FinishReason::kStop) {
    return judge_sample(problem, text, reason, 1).format_failure;
  };
  EXPECT_FALSE(failure("The answer is \\boxed{10}"));
  EXPECT_FALSE(
      failure("<|begin_of_thought|>\n\nhm\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\n"
              "\\boxed{10}\n\n<|end_of_solution|>"));
  EXPECT_TRUE(failure("<|begin_of_thought|>\n\nhm \\boxed{10}"));
  // Thinking switched off, and a thought that never ends.
  EXPECT_FALSE(failure("<think>\n\n</think>\n\nThe answer is \\boxed{10}"));
  EXPECT_TRUE(failure("<think>\n\nThe answer is \\boxed{10}"));
  EXPECT_FALSE(failure("<|begin_of_thought|>\n\nhm", data::FinishReason::kLength));
  const SampleResult loop =
      judge_sample(problem, "\\boxed{10}", data::FinishReason::kRepetition, 1);
  EXPECT_FALSE(loop.finished);
  EXPECT_EQ(loop.proof.find("token limit"), std::string::npos) << loop.proof;
  EXPECT_EQ(judge_sample(problem, "\\boxed{10}", data::FinishReason::kLength, 1).verdict,
            judge::Verdict::kIncorrect);
}

TEST_F(GivenResponses, UnitsAndOrderAreStrictWhereAskedFor) {
  problems_[0].answer = "10 cm";
  problems_[1].answer = "1, 2";
  std::ofstream(file_) << R"({"response":"\\boxed{10}"}
{"response":"\\boxed{2, 1}"}
{"response":"\\boxed{30}"}
)";
  const auto accuracy = [&](const JudgeStrictness& strictness) {
    return score_responses("b", problems_, file_, strictness).score.accuracy;
  };
  EXPECT_NEAR(accuracy({}), 1, 1e-12);
  EXPECT_NEAR(accuracy({judge::Strictness::kStrict, judge::Strictness::kLenient}), 2.0 / 3, 1e-12);
  EXPECT_NEAR(accuracy({judge::Strictness::kLenient, judge::Strictness::kStrict}), 2.0 / 3, 1e-12);
  EXPECT_NEAR(accuracy({judge::Strictness::kStrict, judge::Strictness::kStrict}), 1.0 / 3, 1e-12);
}

// A vote counts answers that are equal by the same rules.
TEST(Benchmark, VotesFollowTheStrictnessToo) {
  std::vector<data::Problem> problems(1, three_problems()[0]);
  problems[0].answer = "2, 1";
  ProblemResult result{problems[0].id, {}};
  for (const char* answer : {"1, 2", "2, 1", "3"}) {
    SampleResult& sample = result.samples.emplace_back();
    sample.extracted = answer;
    sample.verdict =
        std::string_view(answer) == "2, 1" ? judge::Verdict::kCorrect : judge::Verdict::kIncorrect;
  }
  result.samples.push_back(result.samples[1]);
  const JudgeStrictness strict{judge::Strictness::kLenient, judge::Strictness::kStrict};
  EXPECT_EQ(aggregate("b", problems, std::vector{result}, strict).maj_at_k, 1);
  EXPECT_EQ(aggregate("b", problems, std::vector{result}).maj_at_k, 0);
}

TEST(Benchmark, GoldsOfWholeFilesAreAllRight) {
  const std::filesystem::path data = testing::shared_data();
  if (!std::filesystem::exists(data / "benchmarks")) GTEST_SKIP() << "no shared data at " << data;
  for (const auto& [name, n] :
       {std::pair("MATH_OAI.jsonl", 500), {"AIME24.jsonl", 30}, {"gpqa_diamond.json.gz", 198}}) {
    data::RowAccount report;
    const auto problems = data::read_problems(data / "benchmarks" / name, report);
    ASSERT_EQ(problems.size(), static_cast<size_t>(n)) << report.summary();
    std::vector<ProblemResult> results;
    for (const data::Problem& problem : problems) {
      results.push_back({problem.id,
                         {judge_sample(problem, "\\boxed{" + problem.answer + "}",
                                       data::FinishReason::kStop, 1)}});
      EXPECT_EQ(results.back().samples[0].verdict, judge::Verdict::kCorrect)
          << problem.id << ": " << results.back().samples[0].proof;
    }
    EXPECT_GT(aggregate(name, problems, results).interval_95.low, 0.88);
  }
}

TEST(BestOfK, IsTheLikeliestFinishedSample) {
  const std::vector<data::Problem> problems = three_problems();
  const auto sample = [](bool right, bool finished, double logprob) {
    SampleResult result;
    result.verdict = right ? judge::Verdict::kCorrect : judge::Verdict::kIncorrect;
    result.finished = finished;
    result.logprob_per_token = logprob;
    return result;
  };
  std::vector<ProblemResult> results = {
      {"p1", {sample(true, true, -0.2), sample(false, true, -0.1)}},   // the second: wrong
      {"p2", {sample(true, true, -0.2), sample(false, false, -0.1)}},  // the second is cut: right
      {"p3", {sample(true, false, -0.2), sample(false, false, -0.3)}}};
  EXPECT_NEAR(aggregate("b", problems, results).best_of_k.value().mean, 2.0 / 3, 1e-12);
  EXPECT_NEAR(to_json(aggregate("b", problems, results))["best_of_k"].get<double>(), 2.0 / 3,
              1e-12);
  results[2].samples[1].logprob_per_token.reset();
  EXPECT_FALSE(aggregate("b", problems, results).best_of_k);
}

}  // namespace
}  // namespace ponder::eval
