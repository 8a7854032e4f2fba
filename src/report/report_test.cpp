#include "report/report.h"

#include <set>

#include "base/error.h"
#include "base/file.h"
#include "report/charts.h"
#include "report/run_fixture.h"

namespace ponder::report {
namespace {

// "" for well-formed HTML of the kind report_html makes, else what is wrong: tags balance, every <
// begins a tag, every & an entity, nothing is fetched or run.
std::string fault(const std::string& html) {
  const std::string doctype = "<!DOCTYPE html>\n";
  if (!html.starts_with(doctype)) return "no doctype";
  std::vector<std::string> open;
  for (size_t i = doctype.size(); i < html.size(); ++i) {
    const auto c = static_cast<unsigned char>(html[i]);
    if (c < 0x20 && c != '\n' && c != '\t') return "a control character";
    if (c == '&') {
      const size_t end = html.find(';', i);
      if (end == std::string::npos || end - i > 8) return "a bare & at " + html.substr(i, 40);
    }
    if (c == '>') return "a bare > at " + html.substr(i, 40);
    if (c != '<') continue;
    const size_t end = html.find('>', i);
    if (end == std::string::npos) return "an unclosed tag at " + html.substr(i, 40);
    const std::string tag = html.substr(i + 1, end - i - 1);
    const std::string name = tag.substr(0, tag.find(' '));
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0 || tag.find('<') != std::string::npos) {
      return "broken attributes: " + tag;
    }
    for (const char* outside : {"script", "link", "iframe", "img", "object"}) {
      if (name == outside) return name;
    }
    for (const char* outside : {" href=", " src=", " onclick=", " onload=", " onerror="}) {
      if (tag.find(outside) != std::string::npos) return tag;
    }
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1)) return "unexpected " + tag;
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(name);
    }
    i = end;
    if (name == "style") i = html.find("</style>", i) - 1;
  }
  return open.empty() ? "" : "not closed: " + open.back();
}

TEST(Fault, FindsFaults) {
  const std::string doctype = "<!DOCTYPE html>\n";
  EXPECT_EQ(fault(doctype + "<p class=\"a\">1 &lt; 2<br/></p>"), "");
  for (const char* broken :
       {"<p>", "</p>", "<p><b></p></b>", "<p>1 > 2</p>", "<p>a & b</p>", "<p a=\"></p>",
        "<script></script>", "<p onclick=\"x\"></p>", "<a href=\"x\"></a>", "<p>\x01</p>", "<p"}) {
    EXPECT_NE(fault(doctype + broken), "") << broken;
  }
}

TEST_F(ReportTest, ShowsTheLoop) {
  pool::Pool pool = open();
  fill_run(pool);
  const std::string html = report_html(pool, "a run", "name = \"a <run>\"\n");
  EXPECT_EQ(fault(html), "");
  for (const char* part : {
           "<title>ponder run: a run</title>",
           "Right answers, M0 → M1 → M2 → M3: easy 44.0\u00a0→ 80.2",
           "; hard 12.2\u00a0→ 41.0\u00a0→ 48.0\u00a0→ 49.2 %",
           "M3 is told apart from M1 on easy (+8.0), hard (+8.2), choice (+6.0).",
           "another seed would give other scores",
           "ponder run recipe.toml --out runs/a run",
           "name = &quot;a &lt;run&gt;&quot;",
           "imitation, 1100 demonstrations",
           "imitation + 700 explored, round 1",
           "SFT &amp; DPO, 300 pairs",
           "<b>44.0</b> [39.7, 48.4]",  // 220 of 500 with Wilson's interval
           "<b>12.2</b> [9.6, 15.4]",
           "hard (n 500)",
           "data-label=\"hard\"",
           "finished 99.2 %",
           "format failures 0.4 %",
           "312 tokens on average",
           "<b>+36.2</b>",
           "told apart, p &lt; 0.0001",
           "cannot be told apart, p ",
           "McNemar exact",
           "There are 30 tests",  // ten pairs of models on three benchmarks
           "1.5 of them",
           "accuracy on hard",
           "optimiser step",
           "improve-1 → M2",
           "Round 2: strategy longest; of 120 candidates 30 selected, 88 not correct, 2 not "
           "finished",
           "1,234,567",
           "<td class=\"number\">0.4514</td>",  // the last loss
           "<td class=\"number\">412.5</td>",
           "<td class=\"number\">1.875</td>",
       }) {
    EXPECT_TRUE(has(html, part)) << part;
  }
  // A curve and its mean per training stage, one per benchmark.
  EXPECT_EQ(times(html, "<polyline"), 2 * 5u + 3u);
  EXPECT_LT(html.find("class=\"lead\""), html.find("<svg"));
  EXPECT_LT(html.find("<svg"), html.find("<table"));
  EXPECT_EQ(times(html, "<circle"), 18u);  // six models on three benchmarks
}

TEST_F(ReportTest, ShowsRolloutsFromAllOverTheRounds) {
  pool::Pool pool = open();
  fill_run(pool);
  const std::string html = report_html(pool, "a run");
  EXPECT_EQ(times(html, "<article>"), 10u);
  EXPECT_EQ(times(html, "<dd>correct: numbers equal</dd>"), 5u);
  EXPECT_EQ(times(html, "<dd>incorrect: numbers differ"), 5u);
  EXPECT_GE(times(html, "<dd>round 1, finish reason stop"), 4u);
  EXPECT_GE(times(html, "<dd>round 2, finish reason stop"), 4u);
  EXPECT_EQ(times(html, "<summary>thought</summary>"), 10u);
  EXPECT_EQ(times(html, "<summary>solution</summary>"), 10u);
  std::set<std::string> problems;
  for (size_t at = html.find("<h4>"); at != std::string::npos; at = html.find("<h4>", at + 1)) {
    const std::string heading = html.substr(at, html.find(',', at) - at);
    EXPECT_TRUE(problems.insert(heading).second) << heading << " twice";
  }
}

TEST_F(ReportTest, ShowsAtMostFiveOfAKind) {
  pool::Pool pool = open();
  pool.add_model({"m0", "M0", "", "", "models/base"});
  begin(pool, pool::stage_kind::kExplore, "explore-1", 1);
  for (int i = 0; i < 12; ++i) {
    data::Problem problem;
    problem.id = fmt::format("p{}", i);
    pool.add_problem(problem);
    data::Rollout t;
    t.problem_id = problem.id;
    t.completion.model_sha256 = "m0";
    t.prompt_sha256 = "prompt";
    t.completion.text = "no tags at all";
    t.verdict = judge::Verdict::kIncorrect;
    pool.add_rollout("explore-1", 1, t);
  }
  const std::string html = report_html(pool, "r");
  EXPECT_EQ(fault(html), "");
  EXPECT_EQ(times(html, "<article>"), 5u);
  EXPECT_TRUE(has(html, "<h3>Right</h3><p>There is none.</p>"));
  EXPECT_EQ(times(html, "<pre>no tags at all</pre>"), 5u);
}

TEST_F(ReportTest, EscapesWhatModelsWrote) {
  pool::Pool pool = open();
  fill_run(pool);
  data::Problem problem;
  problem.id = "</pre><script>alert(1)</script>";
  problem.question = "\"quoted\" & 'single' <img src=x onerror=alert(1)>";
  problem.answer = std::string("zero\0esc\x1b[31m", 13);
  begin(pool, pool::stage_kind::kExplore, "explore-3", 3);
  pool.add_problem(problem);
  data::Rollout t;
  t.problem_id = problem.id;
  t.completion.model_sha256 = "sha-M0";
  t.prompt_sha256 = "prompt";
  t.thought = "broken \xff\xc3 bytes, \xe2\x80\xae reordered, \xef\xbf\xbe, \x7f";
  t.solution = "</details></article></body>";
  t.completion.text = t.thought;
  t.verdict = judge::Verdict::kCorrect;
  t.proof = "]]> --> <!-- &lt;";
  pool.add_rollout("explore-3", 3, t);
  begin(pool, pool::stage_kind::kEvaluate, "evaluate-\"M9\"");
  pool.add_score({"evaluate-\"M9\"", "<M9>", "\"><script>", 2, 1, 0.5, 0.1, 0.9, 1, 0, 5});
  const std::string html = report_html(pool, "</title><script>");
  EXPECT_EQ(fault(html), "");
  EXPECT_FALSE(has(html, "<script"));
  EXPECT_FALSE(has(html, "<img"));
  EXPECT_FALSE(has(html, "<b>not bold"));
  EXPECT_TRUE(has(html, "&lt;b&gt;not bold&lt;/b&gt;"));
  EXPECT_TRUE(has(html, "zero&#x2400;esc&#x241B;[31m"));
  EXPECT_TRUE(
      has(html, "broken \xEF\xBF\xBD\xEF\xBF\xBD bytes, ⟨U+202E⟩ reordered, ⟨U+FFFE⟩, &#x2421;"));
  EXPECT_TRUE(has(html, "&lt;M9&gt;"));
}

TEST_F(ReportTest, SaysWhatIsNotThereYet) {
  pool::Pool pool = open();
  std::string html = report_html(pool, "r");
  EXPECT_EQ(fault(html), "");
  EXPECT_TRUE(has(html, "The run has no model yet."));
  EXPECT_EQ(times(html, "<section>"), 1u);

  pool.add_model({"m0", "M0", "", "", "models/base"});
  html = report_html(pool, "r");
  EXPECT_EQ(fault(html), "");
  EXPECT_TRUE(has(html, "No model was evaluated yet."));

  begin(pool, pool::stage_kind::kEvaluate, "evaluate-M0");
  add_test_score(pool, "M0", "easy", 100, 40);
  html = report_html(pool, "r");
  EXPECT_EQ(fault(html), "");
  EXPECT_TRUE(has(html, "<b>40.0</b>"));
  EXPECT_FALSE(has(html, "told apart?"));

  // A stage that was killed, and exploration under way without a single verdict.
  begin(pool, pool::stage_kind::kImitate, "imitate");
  pool.add_model({"m1", "M1", "m0", "imitate", "checkpoints/M1"});
  begin(pool, pool::stage_kind::kExplore, "explore-1", 1);
  data::Problem problem;
  problem.id = "p";
  pool.add_problem(problem);
  data::Rollout t;
  t.problem_id = "p";
  t.completion.model_sha256 = "m1";
  t.prompt_sha256 = "x";
  pool.add_rollout("explore-1", 1, t);
  html = report_html(pool, "r");
  EXPECT_EQ(fault(html), "");
  EXPECT_TRUE(has(html, "Round 1 is not finished (running)."));
  EXPECT_FALSE(has(html, "<article>"));
  EXPECT_TRUE(has(html, "<td>running</td>"));
}

TEST_F(ReportTest, LeavesOutLossesThatCannotBeDrawn) {
  pool::Pool pool = open();
  begin(pool, pool::stage_kind::kImitate, "imitate");
  pool.finish_stage("imitate", pool::StageState::kDone, 1, 1,
                    Json::parse(R"({"loss_curve": [[1, 2.5], [2, null], [3, 1e300], [4, 2.0]]})"));
  begin(pool, pool::stage_kind::kDpo, "dpo");
  pool.finish_stage("dpo", pool::StageState::kDone, 1, 1,
                    Json::parse(R"({"loss_curve": [[1, 0.6931]]})"));
  begin(pool, pool::stage_kind::kImprove, "improve-1", 1);
  pool.finish_stage("improve-1", pool::StageState::kDone, 1, 1,
                    Json::parse(R"({"loss_curve": []})"));
  const std::string html = report_html(pool, "r");
  EXPECT_EQ(fault(html), "");
  EXPECT_TRUE(has(html, "<figcaption>2 steps have no loss that can be drawn"));
  EXPECT_EQ(times(html, "<polyline"), 1u);  // too few points for a mean
  EXPECT_EQ(times(html, "<circle"), 1u);
  EXPECT_EQ(times(html, "<figure>"), 2u);
}

// On what the first model got wrong and the last right, all that were asked stand side by side.
TEST_F(ReportTest, ShowsTheSameProblemBeforeAndAfter) {
  pool::Pool pool = open();
  fill_run(pool);
  for (int p = 0; p < 3; ++p) {
    data::Problem problem;
    problem.id = fmt::format("hard-{}", p);
    problem.question = fmt::format("How many <i>{}</i>?", p);
    problem.answer = std::to_string(p);
    pool.add_problem(problem, "hard");
    for (const char* model : {"M0", "M1", "M2", "M3"}) {
      data::Rollout t;
      t.problem_id = problem.id;
      t.completion.model_sha256 = std::string("sha-") + model;
      t.prompt_sha256 = "prompt";
      t.thought = fmt::format("{} thinks of {}", model, p);
      t.solution = fmt::format("{} <script>", model);
      t.completion.text = t.thought + t.solution;
      const std::string name = model;
      const bool right = p == 0 || (p == 1 && name != "M0") || (p == 2 && name == "M0");
      t.verdict = right ? judge::Verdict::kCorrect : judge::Verdict::kIncorrect;
      pool.add_rollout(std::string("evaluate-") + model, 0, t, "hard");
    }
  }
  const std::string html = report_html(pool, "r");
  EXPECT_EQ(fault(html), "");
  EXPECT_TRUE(has(html, "The same problem, before and after"));
  for (const char* part : {"M0 thinks of 1", "M1 thinks of 1", "M3 thinks of 1"})
    EXPECT_TRUE(has(html, part)) << part;
  EXPECT_FALSE(has(html, "M2 thinks"));
  EXPECT_FALSE(has(html, "thinks of 0"));
  EXPECT_EQ(times(html, "class=\"verdict incorrect\""), 1u);
}

TEST(Charts, OnePlaceAloneCanBeDrawn) {
  for (const bool counts : {false, true}) {
    CurveStyle style;
    style.counts = counts;
    for (const double x : {0.0, 1.0, 300.0}) {
      const std::string html =
          curve_chart("title", "round", "", std::vector<CurvePoint>{{x, 2.0}}, style).html;
      EXPECT_EQ(html.find("nan"), std::string::npos) << html;
      EXPECT_NE(html.find("<circle"), std::string::npos);
      if (counts) {
        EXPECT_EQ(html.find(">0.5<"), std::string::npos) << html;  // of no half rounds
      }
    }
  }
}

TEST_F(ReportTest, IsAFunctionOfThePool) {
  {
    pool::Pool filled = open();
    fill_run(filled);
  }
  std::filesystem::copy_file(folder_ / "run.db", folder_ / "other.db");
  pool::Pool pool = open();
  pool::Pool other = open("other.db");
  const std::string html = report_html(pool, "here");
  EXPECT_EQ(html, report_html(other, "here"));
  EXPECT_EQ(scores_table(pool), scores_table(other));

  std::filesystem::create_directories(folder_ / "here");
  write_report(pool::Pool::open_read_only(folder_ / "run.db"), folder_ / "here" / "");
  EXPECT_EQ(read_file(folder_ / "here" / "report.html"), html);
  EXPECT_THROW(write_report(pool, folder_ / "nowhere"), Error);
}

}  // namespace
}  // namespace ponder::report
