#include "dash/site.h"

#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "report/run_fixture.h"

namespace ponder::dash {
namespace {

class SiteTest : public report::ReportTest {
 protected:
  SiteTest() {
    std::filesystem::create_directories(run_ / "training");
    pool::Pool pool = pool::Pool::open(run_ / "run.db");
    report::fill_run(pool);
    std::ofstream log(run_ / "training/imitate.jsonl");
    for (int step = 1; step <= 50; ++step)
      log << fmt::format("{{\"step\": {}, \"loss\": {}, \"lr\": 0.001}}\n", step, 2.0 / step);
    std::ofstream(run_ / "log.jsonl")
        << R"({"time":"2026-11-29T16:52:03.417Z","event":"warning","text":"<b>\u001b[31m\u202e odd"})"
        << "\n"
        << R"({"time":"2026-11-29T16:52:04.000Z","event":"info","text":"imitate: begins"})"
        << "\n"
        << R"({"time":"2026-11-29T16:52:05.000Z","event":"stage","stage":"imitate","rows":7,)"
        << R"("result":{"loss_curve":[[1,5.5]]}})"
        << "\n"
        << "{\"time\": ";
  }

  Answer get(const std::string& path, std::vector<std::pair<std::string, std::string>> query = {}) {
    if (!site_) site_.emplace(std::vector<std::filesystem::path>{run_});
    return site_->get(path, query);
  }
  std::string body(const std::string& path,
                   std::vector<std::pair<std::string, std::string>> query = {}) {
    const Answer answer = get(path, std::move(query));
    EXPECT_EQ(answer.status, 200) << path << ": " << answer.body;
    return answer.body;
  }

  // The addresses that a page leads to.
  static std::vector<std::string> links(const std::string& html) {
    std::vector<std::string> found;
    const std::string mark = " href=\"";
    for (size_t at = html.find(mark); at != std::string::npos; at = html.find(mark, at + 1)) {
      const size_t begin = at + mark.size();
      std::string to = html.substr(begin, html.find('"', begin) - begin);
      for (size_t amp; (amp = to.find("&amp;")) != std::string::npos;) to.erase(amp + 1, 4);
      if (to[0] == '/') found.push_back(to);
    }
    return found;
  }

  const std::filesystem::path run_ = folder_ / "a run";
  std::optional<Site> site_;
};

std::string decoded(const std::string& any) {
  std::string out;
  for (size_t i = 0; i < any.size(); ++i) {
    if (any[i] == '%') {
      out += static_cast<char>(std::stoi(any.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += any[i];
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> query_of(const std::string& query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (size_t at = 0; at < query.size();) {
    const size_t end = std::min(query.find('&', at), query.size());
    const std::string pair = query.substr(at, end - at);
    const size_t equals = pair.find('=');
    pairs.emplace_back(decoded(pair.substr(0, equals)), decoded(pair.substr(equals + 1)));
    at = end + 1;
  }
  return pairs;
}

TEST_F(SiteTest, EveryLinkLeadsToAPage) {
  std::set<std::string> seen = {"/"};
  std::vector<std::string> open = {"/"};
  size_t pages = 0;
  while (!open.empty() && pages < 400) {
    const std::string to = open.back();
    open.pop_back();
    ++pages;
    const size_t mark = std::min(to.find('?'), to.size());
    const Answer answer =
        get(decoded(to.substr(0, mark)), mark < to.size()
                                             ? query_of(to.substr(mark + 1))
                                             : std::vector<std::pair<std::string, std::string>>{});
    ASSERT_EQ(answer.status, 200) << to << "\n" << answer.body;
    // What models wrote is text on every page.
    EXPECT_EQ(answer.body.find("<script>"), std::string::npos) << to;
    EXPECT_EQ(answer.body.find("<b>not"), std::string::npos) << to;
    if (answer.content_type.find("html") == std::string::npos) continue;
    EXPECT_EQ(answer.body.find(" style="), std::string::npos) << to;
    EXPECT_EQ(answer.body.find("<style"), std::string::npos) << to;
    for (const std::string& next : links(answer.body))
      if (seen.insert(next).second) open.push_back(next);
  }
  EXPECT_GT(pages, 300u);
  for (const char* part : {"/run/a%20run/curves", "/run/a%20run/rollouts", "/run/a%20run/pool",
                           "/run/a%20run/log", "/run/a%20run/selections?stage=refine-1"})
    EXPECT_TRUE(std::any_of(seen.begin(), seen.end(), [&](const std::string& to) {
      return to.starts_with(part);
    })) << part;
}

TEST_F(SiteTest, ListsRunsWithStateAndScore) {
  const std::string html = body("/");
  EXPECT_TRUE(has(html, ">a run</a>"));
  EXPECT_TRUE(has(html, "M3: easy 88.2"));
  EXPECT_TRUE(has(html, "state done"));
}

TEST_F(SiteTest, RolloutsAreFilteredAndPaged) {
  std::string html = body("/run/a run/rollouts");
  EXPECT_TRUE(has(html, "1 to 100 of 240"));
  EXPECT_EQ(times(html, "<article"), 100u);
  const size_t next = html.find("rel=\"next\"");
  ASSERT_NE(next, std::string::npos);
  const size_t after = html.find("after=") + 6;
  const std::string id = html.substr(after, html.find_first_of("\"&", after) - after);
  html = body("/run/a run/rollouts", {{"after", id}});
  EXPECT_TRUE(has(html, "101 to 200 of 240"));
  const size_t before = html.find("before=") + 7;
  html = body("/run/a run/rollouts",
              {{"before", html.substr(before, html.find_first_of("\"&", before) - before)}});
  EXPECT_TRUE(has(html, "1 to 100 of 240"));
  html = body("/run/a run/rollouts", {{"stage", "explore-2"}, {"verdict", "correct"}});
  EXPECT_TRUE(has(html, "1 to 30 of 30"));
  EXPECT_FALSE(has(html, "verdict incorrect"));
  EXPECT_TRUE(has(body("/run/a run/rollouts", {{"min", "4"}}), ">none<"));
  EXPECT_TRUE(has(body("/run/a run/rollouts", {{"stage", "no such"}}), ">none<"));
  html = body("/run/a run/rollouts", {{"text", "I add 7 and 200"}});
  EXPECT_TRUE(has(html, "1 to 3 of 3"));
  EXPECT_TRUE(has(html, "Looked through 240 of 240."));
}

TEST_F(SiteTest, ARolloutShowsItsTokens) {
  pool::Pool pool = pool::Pool::open_read_only(run_ / "run.db");
  int64_t id = 0;
  pool.for_each_rollout({.stage = "explore-1"}, [&](const pool::StoredRollout& s) { id = s.id; });
  const std::string html = body("/run/a run/rollout", {{"id", std::to_string(id)}});
  EXPECT_EQ(times(html, "class=\"t masked\" title"), 2u);  // the prompt's tokens
  EXPECT_EQ(times(html, "class=\"t p1\" title"), 3u);      // exp(-0.5), exp(-0.25), exp(-0.125)
  EXPECT_TRUE(has(html, "log-probability -0.250"));
  EXPECT_TRUE(has(html, "&lt;script&gt;alert(&#39;x&#39;)"));
  EXPECT_EQ(get("/run/a run/rollout", {{"id", "1"}}).status, 404);
  EXPECT_EQ(get("/run/a run/rollout", {{"id", "<script>"}}).status, 404);
}

TEST_F(SiteTest, CurvesOfTheLog) {
  std::string html = body("/run/a run/curves");
  EXPECT_TRUE(has(html, "learning rate over optimiser step"));
  EXPECT_TRUE(has(html, ">loss (log)</text>"));
  EXPECT_TRUE(has(body("/run/a run/curves", {{"scale", "linear"}}), ">loss</text>"));
  html = body("/run/a run/curves.csv", {{"stage", "imitate"}});
  EXPECT_TRUE(html.starts_with("step,loss,lr\n1,2,0.001\n"));
  EXPECT_EQ(get("/run/a run/curves.csv", {{"stage", "../training/imitate"}}).status, 404);
}

TEST_F(SiteTest, CurvesFollowTheirLog) {
  const std::string before = body("/run/a run/curves");
  EXPECT_EQ(body("/run/a run/curves"), before);  // as it was kept
  EXPECT_NE(body("/run/a run/curves", {{"from", "20"}}), before);
  std::ofstream(run_ / "training/imitate.jsonl", std::ios::app)
      << "{\"step\": 51, \"loss\": 0.001, \"lr\": 0.001}\n";
  EXPECT_NE(body("/run/a run/curves"), before);
}

TEST_F(SiteTest, ALongLogIsReadInPieces) {
  {
    std::ofstream log(run_ / "training/imitate.jsonl");
    for (int step = 1; step <= 200'000; ++step)
      log << fmt::format("{{\"step\": {}, \"loss\": {}, \"lr\": 0.001}}\n", step, 2.0 / step);
  }
  EXPECT_TRUE(has(body("/run/a run/curves"), "The log of imitate is being read"));
  for (int i = 0; i < 10'000 && site_->work(std::chrono::milliseconds(10)); ++i) {
  }
  const std::string html = body("/run/a run/curves");
  EXPECT_FALSE(has(html, "is being read"));
  EXPECT_TRUE(has(html, ">200000</text>"));
}

TEST_F(SiteTest, ChartsAreFilesToo) {
  const std::string html = body("/run/a run/curves");
  EXPECT_TRUE(has(html, "correct, % of the samples over round"));
  EXPECT_TRUE(has(html, "tokens of the samples"));
  size_t files = 0;
  for (const std::string& to : links(html)) {
    if (!has(to, "chart.svg")) continue;
    ++files;
    const Answer answer = get("/run/a run/chart.svg", query_of(to.substr(to.find('?') + 1)));
    EXPECT_EQ(answer.status, 200) << to;
    EXPECT_EQ(answer.content_type, "image/svg+xml");
    EXPECT_TRUE(answer.file_name.starts_with("a run ")) << answer.file_name;
    EXPECT_TRUE(has(answer.body, "<svg xmlns=\"http://www.w3.org/2000/svg\"")) << answer.body;
    EXPECT_FALSE(has(answer.body, "var("));  // colours that any program knows
  }
  EXPECT_EQ(files, 6u);  // loss, lr; four of the rounds
  EXPECT_EQ(get("/run/a run/chart.svg", {{"figure", "<script>"}}).status, 404);
}

TEST_F(SiteTest, TheLogShowsControlCharactersAsText) {
  const std::string html = body("/run/a run/log");
  EXPECT_TRUE(has(html, "&lt;b&gt;"));
  EXPECT_TRUE(has(html, "⟨U+202E⟩"));
  EXPECT_EQ(html.find('\x1b'), std::string::npos);
  EXPECT_LT(html.find("imitate: begins"), html.find("&lt;b&gt;"));  // the newest first
  EXPECT_TRUE(has(html, "&quot;rows&quot;:7"));
  EXPECT_FALSE(has(html, "loss_curve"));
  EXPECT_FALSE(has(body("/run/a run/log", {{"level", "warning"}}), "imitate: begins"));
}

TEST_F(SiteTest, FleetShowsServersAsTheRunSaysThem) {
  EXPECT_TRUE(has(body("/run/a run/fleet"), "No server was asked"));
  std::ofstream(run_ / "progress.json")
      << R"({"stage":"explore-1","done":7,"total":40,"tokens_per_second":1234.5,"fleet":{"servers":)"
      << R"([{"url":"<b>","state":"away","in_flight":3,"window":16,"last_failure":"<script>"}]}})";
  EXPECT_FALSE(has(body("/run/a run/fleet"), "<h2>Now"));  // nobody works at it
  const LockFile lock(run_ / "lock");
  const std::string html = body("/run/a run/fleet");
  EXPECT_TRUE(has(html, "3 requests on their way, 7 of 40 samples there, 1,234 tokens/s"));
  EXPECT_TRUE(has(html, "away: looked at again"));
  EXPECT_FALSE(has(html, "<b>") || has(html, "<script>"));
  for (const char* odd :
       {"{", "[]", "{\"fleet\":7}", "{\"fleet\":{\"servers\":[7,{\"url\":[]}]}}"}) {
    std::ofstream(run_ / "progress.json", std::ios::trunc) << odd;
    EXPECT_EQ(get("/run/a run/fleet").status, 200) << odd;
  }
}

TEST_F(SiteTest, ShowsWhatWasProvenOfServersAndWhoWasAskedForARollout) {
  int64_t id = 0;
  {
    pool::Pool pool = pool::Pool::open(run_ / "run.db");
    const auto check = [&](const std::string& at, const std::string& proof, int64_t withdrawn) {
      pool.add_server_check({"explore-1", "http://gpu1:8000", "vllm", "ponder-0123",
                             "2026-11-30T" + at + ":00.000Z", proof, "2 nat <b>from M1</b>",
                             withdrawn});
    };
    check("10:00", "right", 0);
    check("10:30", "wrong", 37);
    check("10:31", "right", 0);
    check("11:01", "rounded", 0);
    pool.for_each_rollout({.stage = "explore-1"}, [&](const pool::StoredRollout& stored) {
      if (id != 0) return;
      id = stored.id;
      for (const char* error : {"status 500 <b>", ""}) {
        pool::AttemptRecord attempt;
        attempt.stage = stored.stage;
        attempt.problem_id = stored.rollout.problem_id;
        attempt.sample = stored.rollout.sample;
        attempt.server = *error ? "http://gpu1:8000" : "http://gpu2:8000";
        attempt.began = attempt.ended = "2026-11-30T10:02:00.000Z";
        attempt.error = error;
        if (*error) attempt.outcome = pool::AttemptRecord::Outcome::kFailed;
        pool.add_attempt(attempt);
        if (!*error) continue;
        attempt.outcome = pool::AttemptRecord::Outcome::kRefused;
        attempt.error = "the answer does not say <i>";
        attempt.answer = R"({"text":"<u>said","token_ids":[7,8]})";
        pool.add_attempt(attempt);
      }
    });
  }
  std::string html = body("/run/a run/fleet");
  EXPECT_FALSE(has(html, "T10:00:00"));  // one look after another found the same
  EXPECT_TRUE(has(html, "T10:30:00"));
  EXPECT_TRUE(has(html, ">37<"));
  EXPECT_FALSE(has(html, "T10:31:00"));
  EXPECT_TRUE(has(html, "T11:01:00"));
  EXPECT_TRUE(has(html, "in fewer bits"));
  EXPECT_TRUE(has(html, "2 nat &lt;b&gt;from M1"));
  EXPECT_TRUE(has(html, "<h2>Requests to servers"));
  EXPECT_TRUE(has(html, "1 failed: status 500 &lt;b&gt;"));
  EXPECT_TRUE(has(html, "<h2>Refused answers"));
  EXPECT_TRUE(has(html, "2026-11-30 10:02:00: the answer does not say &lt;i&gt;"));
  EXPECT_TRUE(has(html, "<pre>&lt;u&gt;said</pre>"));
  EXPECT_TRUE(has(html, "{&quot;token_ids&quot;:[7,8]}"));
  html = body("/run/a run/rollout", {{"id", std::to_string(id)}});
  EXPECT_TRUE(has(html, "<h2>Requests"));
  EXPECT_LT(html.find("status 500 &lt;b&gt;"), html.find("http://gpu2:8000"));
  EXPECT_TRUE(has(html, ">failed<") && has(html, ">answered<"));
}

TEST_F(SiteTest, ShowsTheTeacherBeforeTheStages) {
  EXPECT_FALSE(has(body("/run/a run/overview"), "teach<"));
  std::ofstream(run_ / "teacher.json")
      << R"({"database":"/no/such/teacher.db","model":"<b>r1","state":"stopped","problems":64,"solved":60,)"
      << R"("attempts":180,"answers":1800,"kept":160,"rejected":{"wrong":12,"length":8},"failed":2,)"
      << R"("unasked":4,"in_flight":0,"written":0,"currency":"USD","spent":"3.20","possible":"0.10",)"
      << R"("budget":"25.00"})";
  for (const char* page : {"/run/a run/overview", "/run/a run/fleet"}) {
    const std::string html = body(page);
    EXPECT_TRUE(has(html,
                    "&lt;b&gt;r1: 60 of 64 problems solved; asked 180 times, 1,800 answers: "
                    "160 kept, 20 rejected (12 wrong, 8 length); 2 requests failed; 4 to be "
                    "asked next"));
    EXPECT_TRUE(has(html, "USD 3.20 of 25.00 spent, 0.10 more possible (attempts without a bill)"));
  }
  const std::string overview = body("/run/a run/overview");
  EXPECT_LT(overview.find(">teach<"), overview.find(">imitate<"));
  for (const char* odd :
       {"{", "[]", "{\"problems\":\"x\",\"database\":7,\"kept\":[],\"rejected\":[1]}"}) {
    std::ofstream(run_ / "teacher.json", std::ios::trunc) << odd;
    EXPECT_EQ(get("/run/a run/overview").status, 200) << odd;
    EXPECT_EQ(get("/run/a run/fleet").status, 200) << odd;
  }
}

TEST_F(SiteTest, WhatIsNotThereIsSaid) {
  EXPECT_EQ(get("/nowhere").status, 404);
  EXPECT_EQ(get("/run/other").status, 404);
  EXPECT_EQ(get("/run/a run/nowhere").status, 404);
  EXPECT_EQ(get("/run/a run/problem", {{"id", "<script>"}}).status, 404);
  EXPECT_FALSE(has(get("/run/a run/problem", {{"id", "<script>"}}).body, "<script>"));
  EXPECT_THROW(Site({folder_ / "nowhere"}), Error);
  std::ofstream(run_ / "run.db", std::ios::trunc) << "not a database at all";
  EXPECT_EQ(get("/run/a run/overview").status, 500);
  EXPECT_TRUE(has(body("/"), "unreadable"));
}

TEST_F(SiteTest, SeesWhatAWriterAdds) {
  EXPECT_TRUE(has(body("/run/a run/rollouts"), "of 240"));
  const Site::Event before = site_->event("a run");
  pool::Pool pool = pool::Pool::open(run_ / "run.db");
  report::begin(pool, pool::stage_kind::kExplore, "explore-3", 3);
  data::Rollout rollout;
  pool.for_each_rollout({.stage = "explore-1"},
                        [&](const pool::StoredRollout& s) { rollout = s.rollout; });
  pool.add_rollout("explore-3", 3, rollout);
  EXPECT_TRUE(has(body("/run/a run/rollouts"), "of 241"));
  EXPECT_TRUE(has(body("/run/a run/overview"), "explore-3"));
  EXPECT_NE(site_->event("a run").state, before.state);
}

TEST_F(SiteTest, SaysHowARunFailed) {
  {
    pool::Pool pool = pool::Pool::open(run_ / "run.db");
    report::begin(pool, pool::stage_kind::kExplore, "explore-3", 3);
  }
  std::ofstream(run_ / "log.jsonl", std::ios::app)
      << "\n{\"event\":\"error\",\"stage\":\"explore-3\",\"text\":\"the disk is full; free <some> "
         "space\"}\n";
  for (const char* page : {"/", "/run/a run/overview"}) {
    const std::string html = body(page);
    EXPECT_TRUE(has(html, "state failed")) << page;
    EXPECT_TRUE(has(html, "failed in explore-3: the disk is full; free &lt;some&gt; space"))
        << page;
  }
}

TEST_F(SiteTest, LeavesTheRunAsItIs) {
  const auto hashes = [&] {
    std::string all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(run_))
      if (entry.is_regular_file())
        all += entry.path().filename().string() + sha256_hex(read_file(entry.path())) + "\n";
    return all;
  };
  const std::string before = hashes();
  for (const char* page : {"overview", "curves", "rollouts", "pool", "log"})
    body(std::string("/run/a run/") + page);
  body("/");
  site_.reset();
  EXPECT_EQ(hashes(), before);
}

TEST_F(SiteTest, PagesFetchNothingFromElsewhere) {
  bool policy = false;
  for (const auto& [name, value] : page_fields())
    policy = policy || (name == "Content-Security-Policy" &&
                        value.starts_with("default-src 'none'") && !has(value, "unsafe"));
  EXPECT_TRUE(policy);
  const std::string html = body("/run/a run/overview");
  EXPECT_FALSE(has(html, "http"));
  EXPECT_EQ(times(html, "<script"), 1u);
}

}  // namespace
}  // namespace ponder::dash
