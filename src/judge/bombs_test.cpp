// Hostile answers: each ends soon, in bounded memory and never in a wrong verdict. How soon at the
// 99th percentile is bench/judge's to say; here only that nothing takes a second, which no busy
// machine can make a fault of.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <set>

#include "judge/bomb_test_support.h"
#include "judge/judge.h"
#include "testing/sanitizers.h"

namespace ponder::judge::testing {
namespace {

constexpr double kMostSeconds = ponder::testing::kSlowdown;

// Processor time: a busy machine is no slow judge.
double seconds_of(const std::function<void()>& work) {
  const std::clock_t begin = std::clock();
  work();
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

long peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

std::string shortened(const std::string& text) { return text.substr(0, 70); }

TEST(Bombs, answers_end_soon_and_never_wrongly) {
  const std::vector<Bomb> bombs = answer_bombs();
  std::set<std::string> different;
  for (const Bomb& bomb : bombs) different.insert(bomb.text);
  EXPECT_GE(different.size(), 500u);
  const long before = peak_megabytes();
  double slowest = 0;
  for (const Bomb& bomb : bombs) {
    SCOPED_TRACE(bomb.family + ": " + shortened(bomb.text));
    const auto timed = [&](const std::string& gold, const std::string& answer) {
      Judgement judgement;
      const double seconds = seconds_of([&] { judgement = judge_answer(gold, answer, {}); });
      EXPECT_LT(seconds, kMostSeconds) << shortened(gold) << "  against  " << shortened(answer);
      slowest = std::max(slowest, seconds);
      return judgement.verdict;
    };
    EXPECT_NE(timed("13", bomb.text), Verdict::kCorrect);
    EXPECT_NE(timed(bomb.text, "13"), Verdict::kCorrect);
    EXPECT_NE(timed(bomb.text, bomb.text + " "), Verdict::kIncorrect);
    if (!bomb.second.empty()) {
      const Verdict verdict = timed(bomb.text, bomb.second);
      EXPECT_NE(verdict, Verdict::kCorrect) << shortened(bomb.second);
      EXPECT_EQ(verdict, timed(bomb.text, bomb.second)) << "once so, once otherwise";
    }
    Judgement whole;
    EXPECT_LT(seconds_of([&] {
                whole = judge_response("13", "So \\boxed{" + bomb.text + "}",
                                       ResponseEnd::kFinished, {});
              }),
              kMostSeconds);
    EXPECT_NE(whole.verdict, Verdict::kCorrect);
  }
  RecordProperty("slowest_ms", static_cast<int>(slowest * 1000));
  // An address sanitizer keeps 256 MB of what was freed.
  EXPECT_LT(peak_megabytes() - before, ponder::testing::kAddressSanitizer ? 800 : 400);
}

// What no machine can compute is not guessed at.
TEST(Bombs, what_is_too_large_is_undecided) {
  const std::pair<const char*, const char*> pairs[] = {
      {"10^{10^{10}}", "10^{10^{11}}"},
      {"10^{10^{10}} + 1", "10^{10^{10}}"},
      {"(10^{12})!", "(10^{12}+1)!"},
      {"\\binom{10^{12}}{10^{11}}", "\\binom{10^{12}}{10^{11}+1}"},
      {"9^{9^{9^9}}", "9^{9^{9^8}}"},
      {"\\sin(10^{80})", "\\cos(10^{80})"},
      {"\\sqrt[10^{10^{10}}]{2}", "\\sqrt[10^{10^{10}}]{3}"}};
  for (const auto& [a, b] : pairs) {
    EXPECT_EQ(judge_answer(a, b, {}).verdict, Verdict::kUndecided)
        << a << "  " << judge_answer(a, b, {}).proof;
    EXPECT_EQ(judge_answer(a, a, {}).verdict, Verdict::kCorrect) << a;
  }
}

TEST(Bombs, responses_end_soon_and_earn_nothing) {
  const long before = peak_megabytes();
  for (const std::string& response : response_bombs()) {
    SCOPED_TRACE(shortened(response));
    for (AnswerType type : {AnswerType::kMath, AnswerType::kChoice}) {
      Judgement judgement;
      EXPECT_LT(seconds_of([&] {
                  judgement = judge_response("13", response, ResponseEnd::kFinished, {type, {}});
                }),
                5 * kMostSeconds);
      EXPECT_NE(judgement.verdict, Verdict::kCorrect);
    }
  }
  EXPECT_LT(peak_megabytes() - before, 700);
}

TEST(Bombs, stuffed_responses_earn_nothing) {
  const std::vector<std::string> responses = stuffed_responses();
  EXPECT_GE(responses.size(), 200u);
  for (const std::string& response : responses) {
    EXPECT_NE(judge_response("13", response, ResponseEnd::kFinished, {}).verdict, Verdict::kCorrect)
        << shortened(response) << "\n"
        << judge_response("13", response, ResponseEnd::kFinished, {}).proof;
  }
}

}  // namespace
}  // namespace ponder::judge::testing
