// A small made-up run for the tests of the report: M0, M1, M1-large, M2, M3 and M1-dpo on the
// benchmarks easy, hard and choice, with two rounds of exploration.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "eval/metrics.h"
#include "judge/judge.h"
#include "pool/pool.h"
#include "pool/stage_result.h"
#include "testing/temporary_folder.h"

namespace ponder::report {

class ReportTest : public ::testing::Test {
 protected:
  pool::Pool open(const std::string& name = "run.db") const {
    return pool::Pool::open(folder_ / name);
  }

  static bool has(const std::string& all, const std::string& part) {
    return all.find(part) != std::string::npos;
  }
  static size_t times(const std::string& all, const std::string& part) {
    size_t count = 0;
    for (size_t at = all.find(part); at != std::string::npos; at = all.find(part, at + 1)) ++count;
    return count;
  }

  const testing::TemporaryFolder folder_;
};

inline void begin(pool::Pool& pool, std::string_view kind, const std::string& name, int round = 0) {
  pool.begin_stage({.name = name, .kind = std::string(kind), .round = round});
}

// One model's score, its `correct` field with `right` of n problems: the easier ones for the most
// part, and some by the model's own luck.
inline void add_test_score(pool::Pool& pool, const std::string& model, const std::string& benchmark,
                           int n, int right, const Json& judge_version = judge::kVersion) {
  if (!pool.stage("evaluate-" + model))
    begin(pool, pool::stage_kind::kEvaluate, "evaluate-" + model);
  const int luck = std::accumulate(model.begin(), model.end(), 0) * 7907;
  std::vector<std::pair<int, size_t>> difficulty;
  for (int i = 0; i < n; ++i) {
    difficulty.emplace_back(i * 7919 % n + (i * 10473 + luck) % (n / 3 + 1),
                            static_cast<size_t>(i));
  }
  std::sort(difficulty.begin(), difficulty.end());
  std::string correct(static_cast<size_t>(n), '0');
  for (int i = 0; i < right; ++i) correct[difficulty[static_cast<size_t>(i)].second] = 'x';
  const double accuracy = static_cast<double>(right) / n;
  const eval::Interval interval = eval::wilson_interval(accuracy, n);
  pool.add_score({"evaluate-" + model, model, benchmark, n, 1, accuracy, interval.low,
                  interval.high, 0.992, 0.004, 312.4,
                  Json{{"correct", correct}, {"judge_version", judge_version}}});
}

inline void train(pool::Pool& pool, std::string_view kind, const std::string& stage,
                  const std::string& model, const std::string& label) {
  begin(pool, kind, stage);
  std::vector<pool::LossPoint> steps;
  for (int step = 1; step <= 400; ++step) {
    steps.push_back({step, 0.4 + 1.6 * std::exp(-step / 60.0) + 0.05 * std::sin(step * 1.7)});
  }
  pool.add_model(
      {"sha-" + model, model, stage == "dpo" ? "sha-M1" : "sha-M0", stage, "checkpoints/" + model});
  pool::TrainResult result;
  result.model = model;
  result.label = label;
  result.steps = 400;
  result.tokens = 1234567;
  result.last_loss = steps.back().loss;
  result.loss_curve = pool::thinned(steps);
  pool.finish_stage(stage, pool::StageState::kDone, 12.25, 1100, pool::to_json(result));
}

inline void evaluate(pool::Pool& pool, const std::string& model, int easy, int hard, int choice) {
  begin(pool, pool::stage_kind::kEvaluate, "evaluate-" + model);
  add_test_score(pool, model, "easy", 500, easy);
  add_test_score(pool, model, "hard", 500, hard);
  add_test_score(pool, model, "choice", 500, choice);
  pool.finish_stage("evaluate-" + model, pool::StageState::kDone, 3.5, 3,
                    pool::to_json(pool::EvaluateResult{.model = model}));
}

inline void explore(pool::Pool& pool, int round, const std::string& model) {
  const std::string name = fmt::format("explore-{}", round);
  const std::string screen = fmt::format("screen-{}", round);
  begin(pool, pool::stage_kind::kScreen, screen, round);
  pool.finish_stage(screen, pool::StageState::kDone, 5, 900,
                    pool::to_json(pool::RolloutResult{.problems = 900, .solved = 860, .hard = 40}));
  begin(pool, pool::stage_kind::kExplore, name, round);
  for (int p = 0; p < 40; ++p) {
    data::Problem problem;
    problem.id = fmt::format("arithmetic-{}-{}", round, p);
    problem.domain = "math";
    problem.level = std::to_string(1 + p % 5);
    problem.question =
        fmt::format("What is {} + {} if a < b & c > d? <b>not bold</b>", p, round * 100);
    problem.answer = std::to_string(p + round * 100);
    problem.answer_type = judge::AnswerType::kNumber;
    pool.add_problem(problem);
    for (int sample = 0; sample < 3; ++sample) {
      data::Rollout t;
      t.problem_id = problem.id;
      t.sample = sample;
      t.seed = 1;
      t.sampling = {1.0, 0.95, 0, 512};
      t.completion.model_sha256 = "sha-" + model;
      t.template_sha256 = "template";
      t.prompt_sha256 = "prompt-" + problem.id;
      t.prompt_ids = {1, 2};
      t.completion.token_ids = {3, 4, 5};
      t.completion.logprobs = {-0.5f, -0.25f, -0.125f};
      t.completion.logprob_source = data::LogprobSource::kEngine;
      const bool right = (p + sample) % 4 == 0;
      t.thought = fmt::format(
          "Alright, I add {} and {}.\n\nWait, let me check that: 1 < "
          "2.\n<script>alert('x')</script>",
          p, round * 100);
      t.solution = fmt::format("The answer is \\boxed{{{}}}.", p + round * 100 + (right ? 0 : 1));
      t.completion.text = t.thought + t.solution;
      t.verdict = right ? judge::Verdict::kCorrect : judge::Verdict::kIncorrect;
      t.proof = right ? "numbers equal" : "numbers differ: <script>alert(1)</script>";
      t.perplexity = 1.25;
      t.perplexity_model_sha256 = t.completion.model_sha256;
      pool.add_rollout(name, round, t);
    }
  }
  pool.finish_stage(name, pool::StageState::kDone, 30, 120,
                    pool::to_json(pool::RolloutResult{.problems = 40,
                                                      .solved = 30,
                                                      .samples = 120,
                                                      .correct = 30,
                                                      .incorrect = 90,
                                                      .undecided = 0,
                                                      .unfinished = 6,
                                                      .tokens = 360,
                                                      .hard = {}}));
  const std::string refine = fmt::format("refine-{}", round);
  begin(pool, pool::stage_kind::kRefine, refine, round);
  pool.finish_stage(
      refine, pool::StageState::kDone, 0.5, 30,
      pool::to_json(pool::RefineResult{.strategy = "longest",
                                       .candidates = 120,
                                       .rows = 30,
                                       .mean_tokens = 412.5,
                                       .mean_perplexity = 1.875,
                                       .dropped = {{"correct", 88}, {"finished", 2}}}));
}

inline void fill_run(pool::Pool& pool) {
  pool::Pool::Transaction transaction(pool);
  pool.add_model({"sha-M0", "M0", "", "", "models/base"});
  evaluate(pool, "M0", 220, 61, 178);
  train(pool, pool::stage_kind::kImitate, "imitate", "M1", "imitation, 1100 demonstrations");
  evaluate(pool, "M1", 401, 205, 240);
  train(pool, pool::stage_kind::kImitate, "imitate-large", "M1-large",
        "imitation, 3900 demonstrations");
  evaluate(pool, "M1-large", 466, 331, 290);
  explore(pool, 1, "M1");
  train(pool, pool::stage_kind::kImprove, "improve-1", "M2", "imitation + 700 explored, round 1");
  evaluate(pool, "M2", 433, 240, 262);
  explore(pool, 2, "M2");
  train(pool, pool::stage_kind::kImprove, "improve-2", "M3", "imitation + 1600 explored, round 2");
  evaluate(pool, "M3", 441, 246, 270);
  train(pool, pool::stage_kind::kDpo, "dpo", "M1-dpo", "SFT & DPO, 300 pairs");
  evaluate(pool, "M1-dpo", 410, 214, 226);
  transaction.commit();
}

}  // namespace ponder::report
