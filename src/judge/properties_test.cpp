// What must hold for all answers, drawn at random by RapidCheck and made smaller where it does not.
// The number of cases and the seed are RapidCheck's: RC_PARAMS="seed=20 max_success=2000" is what
// the suite sets; for 100,000 perturbed answers run with max_success=20000.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "judge/judge.h"
#include "judge/rewrite_test_support.h"

namespace ponder::judge::testing {
namespace {

using Row = std::vector<uint32_t>;

rc::Gen<Row> rows(size_t length = 40) {
  return rc::gen::container<Row>(length,
                                 rc::gen::resize(100, rc::gen::inRange<uint32_t>(0, 1 << 20)));
}

Verdict verdict(const std::string& gold, const std::string& answer) {
  return judge_answer(gold, answer, {}).verdict;
}

Spelling random_spelling(Draw& draw) {
  Spelling spelling;
  spelling.fraction = draw.one_of<std::string>({"\\frac", "\\dfrac", "\\tfrac", "/"});
  spelling.times = draw.one_of<std::string>({"", " \\cdot ", " \\times ", "*"});
  spelling.braces = draw.coin();
  spelling.stretch = draw.coin();
  if (draw.below(3) == 0) spelling.unicode = true;
  return spelling;
}

std::vector<Rewrite> all_rewrites() {
  std::vector<Rewrite> all = dress_rewrites();
  for (Rewrite& rewrite : algebra_rewrites()) all.push_back(std::move(rewrite));
  for (Rewrite& rewrite : shape_rewrites()) all.push_back(std::move(rewrite));
  return all;
}

RC_GTEST_PROP(Property, an_answer_is_itself_in_any_spelling, ()) {
  const Row row = *rows();
  Draw draw(row);
  const Answer answer = random_answer(draw);
  const std::string text = print(answer, random_spelling(draw));
  RC_LOG() << text << "\n" << judge_answer(text, text, {}).proof;
  RC_ASSERT(verdict(text, text) == Verdict::kCorrect);
}

// Two answers are the same whichever is gold. Where one side has decimals, a percent sign, or
// another shape, gold may demand less than it allows: docs/judge.md.
RC_GTEST_PROP(Property, the_same_whichever_is_gold, ()) {
  const Row row = *rows(80);
  Draw draw(row);
  const Answer a = random_answer(draw);
  const Answer b = draw.coin() ? perturbed(a, draw) : random_answer(draw);
  const std::string first = print(a, random_spelling(draw)),
                    second = print(b, random_spelling(draw));
  RC_PRE(a.shape == b.shape && first.find('.') == std::string::npos &&
         second.find('.') == std::string::npos);
  RC_LOG() << first << "   " << second << "\n"
           << judge_answer(first, second, {}).proof << "\n"
           << judge_answer(second, first, {}).proof;
  RC_ASSERT(verdict(first, second) == verdict(second, first));
}

// Five changes a case: 10,000 with 2,000 cases.
RC_GTEST_PROP(Property, a_changed_answer_is_never_equal, ()) {
  const Row row = *rows(200);
  Draw draw(row);
  for (int i = 0; i < 5 && !draw.ended();) {
    const Answer answer = random_answer(draw);
    const Answer changed = perturbed(answer, draw);
    if (!differ(answer, changed)) continue;
    ++i;
    const std::string gold = print(answer, random_spelling(draw));
    const std::string text = print(changed, random_spelling(draw));
    RC_LOG() << gold << "   " << text << "\n" << judge_answer(gold, text, {}).proof;
    RC_ASSERT(verdict(gold, text) != Verdict::kCorrect);
  }
}

struct Rate {
  int cases = 0, held = 0;
  std::string misses;  // the first few
};

Rate rate_of(const Rewrite& rewrite, int cases, uint64_t seed) {
  const auto gen = rows();
  rc::Random random(seed);
  Rate rate;
  std::set<std::string> told;
  for (int tried = 0; rate.cases < cases && tried < 200 * cases; ++tried) {
    const Row row = gen(random.split(), rc::kNominalSize).value();
    Draw draw(row);
    const auto written = rewrite.draw(draw);
    if (!written) continue;
    std::vector<Written> ways = {*written};
    if (rewrite.both_ways) ways.push_back({written->answer, written->gold});
    for (const Written& way : ways) {
      const Judgement judgement = judge_answer(way.gold, way.answer, {});
      ++rate.cases;
      rate.held += judgement.verdict == Verdict::kCorrect;
      if (judgement.verdict != Verdict::kCorrect && told.size() < 4 && told.insert(way.gold).second)
        rate.misses +=
            "\n    " + std::string(to_string(judgement.verdict)) + ": " + judgement.proof;
    }
  }
  return rate;
}

TEST(Rewrites, keep_the_answer) {
  const std::vector<Rewrite> rewrites = all_rewrites();
  EXPECT_GE(rewrites.size(), 40u);
  std::set<std::string> names;
  int cases = 0, held = 0;
  for (const Rewrite& rewrite : rewrites) {
    EXPECT_TRUE(names.insert(rewrite.name).second) << rewrite.name << " is there twice";
    const Rate rate = rate_of(rewrite, 200, 7);
    EXPECT_GE(rate.cases, 100) << rewrite.name << " is hardly ever drawn";
    EXPECT_GE(rate.held, 0.98 * rate.cases)
        << rewrite.name << ": " << rate.held << " of " << rate.cases << rate.misses;
    cases += rate.cases;
    held += rate.held;
  }
  RecordProperty("rewrites", static_cast<int>(rewrites.size()));
  EXPECT_GE(held, 0.995 * cases) << held << " of " << cases;
  std::cout << rewrites.size() << " rewrites: " << held << " of " << cases << " kept\n";
}

// The tests' own tools: perturbed answers are told apart often enough, equal ones never.
TEST(Rewrites, the_second_opinion_is_sound) {
  const auto gen = rows();
  rc::Random random(3);
  int differing = 0;
  for (int i = 0; i < 1000; ++i) {
    const Row row = gen(random.split(), rc::kNominalSize).value();
    Draw draw(row);
    const Answer answer = random_answer(draw);
    EXPECT_FALSE(differ(answer, answer)) << print(answer);
    differing += differ(answer, perturbed(answer, draw));
  }
  EXPECT_GT(differing, 600);
}

}  // namespace
}  // namespace ponder::judge::testing
