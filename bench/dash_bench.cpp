// The dashboard's pages on a made-up run of many rollouts: opening it, then the median and the worst
// of each page's times; and the status that `ponder status` asks for. Makes the run where there is none yet (a hundred
// thousand rollouts of 1,000 tokens and 4,000 characters, asked of servers: 1.3 GB).
//
//   build/release/bench/dash_bench --run bench-run [--rollouts 100000] [--steps 200000]
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "base/philox.h"
#include "dash/site.h"
#include "pool/pool.h"
#include "pool/stage_result.h"

namespace ponder {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Of the processor: what a page takes where other programs leave it none says little of the page.
double cpu_ms_since(std::clock_t start) {
  return 1000.0 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

// Of every rollout what became of it, and rows and rejected rows without end.
void make_selection(pool::Pool& pool) {
  pool::Pool::Transaction transaction(pool);
  pool.begin_stage(
      {.name = "refine-1", .kind = std::string(pool::stage_kind::kRefine), .round = 1});
  pool.begin_stage(
      {.name = "improve-1", .kind = std::string(pool::stage_kind::kImprove), .round = 1});
  std::vector<pool::RolloutEntry> entries = pool.rollout_keys("explore-1");
  pool::RefineResult refined;
  refined.strategy = "longest";
  int64_t index = 0;
  for (pool::RolloutEntry& entry : entries) {
    pool.look_at(entry);
    const bool right = entry.verdict == judge::Verdict::kCorrect;
    const bool rare = entry.id % 20000 == 0;
    pool::Selection selection{
        "refine-1", 1, "longest", {pool::RowOrigin::Kind::kRollout, entry.id}, 0, "finished",
        !rare,      0, ""};
    pool.add_selection(selection);
    if (rare) continue;
    selection.step = 1;
    selection.filter = "correct";
    selection.kept = right;
    pool.add_selection(selection);
    ++refined.dropped["correct"];
    if (!right) continue;
    selection.step = 2;
    selection.filter = "longest";
    selection.rank = 1;
    pool.add_selection(selection);
    pool.add_training_row({"improve-1", index++, selection.origin, "hash", 1000});
  }
  refined.candidates = static_cast<int64_t>(entries.size());
  refined.rows = index;
  refined.dropped["correct"] -= index;
  pool.finish_stage("refine-1", pool::StageState::kDone, 1, index, pool::to_json(refined));
  pool.finish_stage("improve-1", pool::StageState::kDone, 1, index,
                    pool::to_json(pool::TrainResult{}));
  pool::SourceRecord source;
  source.stage = "imitate";
  source.name = "rows.jsonl";
  source.account.rows = entries.size();
  source.account.rejected["no_thought"] = entries.size();
  const int64_t id = pool.add_source(source);
  for (size_t line = 1; line <= entries.size(); ++line)
    pool.add_rejection({id, line, "no_thought", "expected a thought, found none"});
  transaction.commit();
}

// Of eight servers in turn; every tenth failed first, in words of its own, every thousandth was refused.
void add_attempts(pool::Pool& pool, const data::Rollout& rollout, int number) {
  pool::AttemptRecord attempt;
  attempt.stage = "explore-1";
  attempt.problem_id = rollout.problem_id;
  attempt.sample = rollout.sample;
  attempt.server = fmt::format("http://gpu{}:8321", number % 8);
  attempt.began = attempt.ended =
      fmt::format("2026-01-31T12:{:02}:{:02}.123Z", number / 60 % 60, number % 60);
  if (number % 10 == 0) {
    attempt.outcome = pool::AttemptRecord::Outcome::kFailed;
    attempt.error = fmt::format("its answer ended after {} bytes", number);
    pool.add_attempt(attempt);
  }
  if (number % 1000 == 0) {
    attempt.outcome = pool::AttemptRecord::Outcome::kRefused;
    attempt.error = fmt::format("its prompt's token ids differ from those sent at {}", number % 7);
    attempt.answer = R"({"text": "It is", "token_ids": [1, 2, 3]})";
    pool.add_attempt(attempt);
  }
  attempt.outcome = pool::AttemptRecord::Outcome::kAnswered;
  attempt.error = attempt.answer = "";
  attempt.num_tokens = 1000;
  pool.add_attempt(attempt);
}

void make_run(const std::filesystem::path& folder, int rollouts, int steps) {
  std::filesystem::create_directories(folder / "training");
  pool::Pool pool = pool::Pool::open(folder / "run.db");
  constexpr int kSamples = 8, kTokens = 1000;
  pool.add_model({"sha-M0", "M0", "", "", "models/base"});
  pool.begin_stage({.name = "imitate", .kind = std::string(pool::stage_kind::kImitate)});
  pool.finish_stage("imitate", pool::StageState::kDone, 1, 1, pool::to_json(pool::TrainResult{}));
  pool.begin_stage(
      {.name = "explore-1", .kind = std::string(pool::stage_kind::kExplore), .round = 1});
  std::string thought;
  while (thought.size() < 4000) thought += "Wait, let me check this step again: 1 < 2. ";
  for (int made = 0; made < rollouts;) {
    pool::Pool::Transaction transaction(pool);
    for (int i = 0; i < 200 && made < rollouts; ++i) {
      data::Problem problem;
      problem.id = fmt::format("problem-{}", made / kSamples);
      problem.question = fmt::format("What is {} + 1?", made);
      problem.answer = std::to_string(made + 1);
      pool.add_problem(problem);
      for (int sample = 0; sample < kSamples && made < rollouts; ++sample, ++made) {
        data::Rollout t;
        t.problem_id = problem.id;
        t.sample = sample;
        t.completion.model_sha256 = "sha-M0";
        t.prompt_sha256 = "prompt";
        t.prompt_ids = {1, 2, 3};
        t.completion.token_ids = std::vector<int32_t>(kTokens, made % 500);
        t.completion.logprobs = std::vector<float>(kTokens, -0.25f);
        t.completion.logprob_source = data::LogprobSource::kEngine;
        t.thought = thought;
        t.solution = fmt::format("It is \\boxed{{{}}}.", made);
        t.completion.text = t.thought + t.solution;
        t.verdict = made % 7 == 0 ? judge::Verdict::kCorrect : judge::Verdict::kIncorrect;
        t.proof = "numbers differ";
        pool.add_rollout("explore-1", 1, t);
        add_attempts(pool, t, made);
      }
    }
    transaction.commit();
  }
  pool::RolloutResult explored;
  explored.samples = rollouts;
  pool.finish_stage("explore-1", pool::StageState::kDone, 1, rollouts, pool::to_json(explored));
  make_selection(pool);
  std::ofstream log(folder / "training/imitate.jsonl");
  for (int step = 1; step <= steps; ++step)
    log << fmt::format(
        "{{\"epoch\":1,\"grad_norm\":{},\"loss\":{},\"lr\":0.001,\"num_steps\":{},\"rows\":8,"
        "\"step\":{},\"tokens\":4000,\"tokens_per_second\":1234.5,\"trained_tokens\":3000}}\n",
        1.0 + step % 7, 2.0 / (1 + step / 1000.0), steps, step);
}

void measure(dash::Site& site, const std::string& path,
             const std::vector<std::pair<std::string, std::string>>& query) {
  constexpr int kTimes = 15;
  std::vector<double> times;
  const std::clock_t worked = std::clock();
  size_t bytes = 0;
  std::string words = path;
  for (const auto& [name, value] : query) words += fmt::format(" {}={}", name, value);
  for (int i = 0; i < kTimes; ++i) {
    const auto start = Clock::now();
    const dash::Answer answer = site.get(path, query);
    times.push_back(ms_since(start));
    bytes = answer.body.size();
    if (answer.status != 200) {
      fmt::print("{}: status {}: {}\n", words, answer.status, answer.body);
      return;
    }
  }
  const double first = times[0];
  const double mean_work = cpu_ms_since(worked) / kTimes;
  std::sort(times.begin(), times.end());
  fmt::print(
      "{:<60} first {:6.1f}  median {:6.1f}  worst {:6.1f}  processor {:6.1f} ms  {:>9} bytes\n",
      words, first, times[kTimes / 2], times.back(), mean_work, bytes);
}

}  // namespace
}  // namespace ponder

int main(int argc, char** argv) {
  using namespace ponder;
  std::string folder;
  int rollouts = 100000, steps = 200000;
  std::string first_page = "rollouts";
  CLI::App app{"times of the dashboard's pages"};
  app.add_option("--run", folder, "run directory, made where there is none")->required();
  app.add_option("--rollouts", rollouts);
  app.add_option("--steps", steps);
  app.add_option("--first", first_page, "the page asked for first; of another than rollouts alone");
  CLI11_PARSE(app, argc, argv);
  if (!std::filesystem::exists(std::filesystem::path(folder) / "run.db"))
    make_run(folder, rollouts, steps);
  const auto start = Clock::now();
  dash::Site site({folder});
  fmt::print("opening: {:.0f} ms\n", ms_since(start));
  const auto first = Clock::now();
  const std::clock_t worked = std::clock();
  const std::string run = "/run/" + site.runs().at(0) + "/";
  const std::string page = site.get(run + first_page, {}).body;
  fmt::print("first page, {}: {:.0f} ms, of the processor {:.0f}\n", first_page, ms_since(first),
             cpu_ms_since(worked));
  if (first_page != "rollouts") return 0;
  const size_t at = page.find("after=") + 6;
  const std::string id = page.substr(at, page.find_first_of("\"&", at) - at);
  const auto all_at_once = [&] {  // what the server does while nobody asks
    const auto begun = Clock::now();
    int pieces = 0;
    while (site.work(std::chrono::milliseconds(10))) ++pieces;
    fmt::print("everything looked at: {:.0f} ms in {} pieces\n", ms_since(begun), pieces);
  };
  measure(site, run + "rollouts", {{"verdict", "undecided"}});
  measure(site, run + "pool", {});
  measure(site, run + "rollouts", {{"text", "no such"}});
  all_at_once();
  measure(site, run + "rollouts", {{"text", "no such"}});
  measure(site, run + "rollouts", {});
  measure(site, run + "rollouts", {{"after", id}});
  measure(site, run + "rollouts", {{"verdict", "correct"}});
  measure(site, run + "rollouts", {{"verdict", "undecided"}});
  measure(site, run + "rollout", {{"id", id}});
  measure(site, run + "problem", {{"id", "problem-77"}});
  measure(site, run + "pool", {});
  measure(site, run + "selections", {{"stage", "refine-1"}, {"filter", "correct"}});
  measure(site, run + "selections", {{"stage", "refine-1"}, {"filter", "kept"}});
  measure(site, run + "selections", {{"stage", "refine-1"}, {"filter", "finished"}});
  measure(site, run + "rows", {{"stage", "improve-1"}});
  measure(site, run + "rows", {{"stage", "improve-1"}, {"from", "14000"}});
  measure(site, run + "row", {{"name", "improve-1:14000"}});
  measure(site, run + "rejections", {{"source", "1"}, {"from", "99000"}});
  measure(site, run + "fleet", {});
  measure(site, run + "overview", {});
  measure(site, run + "curves", {});
  measure(site, "/", {});
  measure(site, run + "rollouts", {{"text", "no such text"}});
  all_at_once();
  measure(site, run + "rollouts", {{"text", "no such text"}});
  measure(site, run + "rollouts", {{"text", "boxed{7"}, {"verdict", "correct"}});
}
