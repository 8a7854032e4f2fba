// A folder of its own and a small run for the tests of the pool.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "pool/pool.h"
#include "testing/error_text.h"
#include "testing/temporary_folder.h"

namespace ponder::pool {

class PoolTest : public ::testing::Test {
 protected:
  static data::Problem problem(const std::string& id) {
    data::Problem problem;
    problem.id = id;
    problem.domain = "math";
    problem.level = "3";
    problem.question = "What is \"" + id + "\"?";
    problem.answer = "42";
    problem.answer_type = judge::AnswerType::kNumber;
    problem.source = "test";
    problem.tolerance = 0.05;
    problem.file = "problems.jsonl";
    problem.line = 7;
    return problem;
  }

  static data::Rollout rollout(const std::string& problem_id, int sample) {
    data::Rollout t;
    t.problem_id = problem_id;
    t.sample = sample;
    t.seed = 0xFFFFFFFFFFFFFFF0u + static_cast<uint64_t>(sample);
    t.sampling = {0.75, 0.95, 20, 512};
    t.completion.model_sha256 = "m1";
    t.template_sha256 = "tpl";
    t.prompt_sha256 = "prompt-" + problem_id;
    t.prompt_ids = {9, 8, 7};
    t.completion.token_ids = {1, 2, 151645 + sample};
    t.completion.logprobs = {-0.1f, -1e-30f, -3.25f};
    t.completion.logprob_source = data::LogprobSource::kEngine;
    t.completion.text = "text of " + problem_id;
    t.thought = std::string("thought\0with NUL", 16);
    t.solution = "\xE2\x88\x9A";
    t.completion.finish_reason = data::FinishReason::kLength;
    return t;
  }

  // Stages imitate and explore-1, models M0 and M1, problems b and a (in this order).
  static void fill(Pool& pool) {
    Pool::Transaction transaction(pool);
    pool.begin_stage({.name = "imitate", .kind = "imitate"});
    pool.add_model({"m0", "M0", "", "", "checkpoints/M0"});
    pool.add_model({"m1", "M1", "m0", "imitate", "checkpoints/M1"});
    pool.finish_stage("imitate", StageState::kDone, 1.5, 10, Json{{"loss", 0.5}});
    pool.begin_stage({.name = "explore-1", .kind = "explore", .round = 1});
    pool.add_problem(problem("b"));
    pool.add_problem(problem("a"));
    transaction.commit();
  }

  const testing::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path(), file_ = folder_ / "run.db";
};

}  // namespace ponder::pool
