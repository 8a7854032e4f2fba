// Whole runs on a tiny model of random weights: what is planned is what runs, and a run goes on.
#include <fmt/format.h>

#include <fstream>
#include <map>

#include "pipeline/plan.h"
#include "pipeline/run_fixture.h"
#include "pipeline/stage_inputs.h"
#include "pool/stage_result.h"
#include "testing/byte_tokenizer.h"
#include "testing/error_text.h"
#include "testing/sanitizers.h"

namespace ponder::pipeline {
namespace {

TEST_F(RunTest, DoesWhatThePlanSaysAndKeepsEverythingInThePool) {
  const Recipe r = recipe();
  const RecipePlan plan = plan_recipe(r, read_sources(r), threads_);
  explore_with_answers(r);
  const std::vector<std::string> names = run(r);
  ASSERT_EQ(names.size(), plan.stages.size());
  const pool::Pool pool = this->pool();
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(names[i], plan.stages[i].name);
    const pool::StageRecord stage = *pool.stage(names[i]);
    EXPECT_EQ(stage.state, pool::StageState::kDone);
    EXPECT_EQ(stage.inputs_sha256.size(), 64u) << stage.name;
    if (stage.kind == pool::stage_kind::kImitate) {
      const pool::TrainResult result = *pool::result_of<pool::TrainResult>(stage);
      EXPECT_EQ(result.tokens, plan.stages[i].tokens);  // counted, not estimated
      ASSERT_FALSE(result.loss_curve.empty());
      ASSERT_TRUE(result.last_loss);
      EXPECT_EQ(result.last_loss, result.loss_curve.back().loss);
      EXPECT_EQ(result.demonstrations, 6);
      EXPECT_EQ(result.rejected.size(), 1u);
    }
  }
  const std::string report = read_file(folder_ / "out/report.html");
  const pool::TrainResult improved = *pool::result_of<pool::TrainResult>(*pool.stage("improve-1"));
  EXPECT_NE(report.find(fmt::format("{:.4f}</td>", *improved.last_loss)), std::string::npos);

  // Every source with its account, every row and every rejection.
  const std::vector<pool::SourceRecord> sources = pool.sources();
  ASSERT_EQ(sources.size(), 3u);
  EXPECT_EQ(sources[1].account.rows, 7u);
  EXPECT_EQ(pool.demonstrations_of(sources[1].id).size(), 6u);
  EXPECT_EQ(pool.rejections_of(sources[1].id).size(), 1u);
  EXPECT_EQ(pool.problems_of(sources[2].id).size(), 6u);
  // The rows that were trained on can be made from the pool alone.
  const pool::RowOrigin origin = pool.training_rows("imitate").at(3).origin;
  EXPECT_EQ(pool.demonstration(origin.id).question, "What is 1 + 3?");
  // Evaluations are kept, and apart from what is trained on.
  EXPECT_EQ(pool.counts_of("evaluate-M1").rollouts, 3);
  EXPECT_EQ(pool.counts().evaluation_rollouts, 9);
  EXPECT_EQ(pool.counts().problems, 6);
}

TEST_F(RunTest, DoneStagesStayAndEvaluationsAreNotSampledAgain) {
  const Recipe r = recipe();
  run(r, "evaluate-M1");
  std::vector<int64_t> ids;
  pool().for_each_rollout({.stage = "evaluate-M1"},
                          [&](const pool::StoredRollout& s) { ids.push_back(s.id); });
  ASSERT_EQ(ids.size(), 3u);
  {
    // As if killed between the last rollout and the end of the stage.
    pool::Pool writer = pool::Pool::open(folder_ / "out/run.db");
    writer.finish_stage("evaluate-M1", pool::StageState::kFailed, 0, 0, Json::object());
    writer.set_verdict(ids[0], judge::Verdict::kCorrect, "by hand");
  }
  run(r, "evaluate-M1");
  EXPECT_EQ(pool().counts_of("evaluate-M1").rollouts, 3);
  // A rollout sampled again would have been judged again.
  EXPECT_EQ(pool().counts_of("evaluate-M1").correct, 1);
  ASSERT_EQ(pool().scores().size(), 2u);
  EXPECT_EQ(pool().scores()[1].accuracy, 1.0 / 3);  // the stored verdict counts
}

TEST_F(RunTest, AStopIsAResultAndTheRunGoesOn) {
  const Recipe r = recipe();
  stop_ = true;
  bool finished = true;
  EXPECT_TRUE(run(r, "", &finished).empty());
  EXPECT_FALSE(finished);
  EXPECT_EQ(pool().stage("ingest")->state, pool::StageState::kRunning);
  EXPECT_TRUE(pool().sources().empty());
  const double seconds = pool().stage("ingest")->seconds;
  EXPECT_GT(seconds, 0);
  stop_ = false;
  run(r, "imitate", &finished);
  EXPECT_TRUE(finished);
  EXPECT_GT(pool().stage("ingest")->seconds, seconds);  // added up
  run(r, "imitate", nullptr, "peace");
  EXPECT_EQ(pool().model_named("M1")->sha256, pool("peace").model_named("M1")->sha256);
}

// Counts the tokens that a stage samples; told to, stops it once there are some.
class SampledTokens final : public Monitor {
 public:
  SampledTokens(std::string stage, std::atomic<bool>* stop)
      : stage_(std::move(stage)), stop_(stop) {}
  void take(const MonitorEvent& event) override {
    if (event.kind != MonitorEvent::Kind::kProgress || event.name != stage_) return;
    count = event.fields.at("sampled_tokens").get<int64_t>();
    if (stop_ && count > 0) *stop_ = true;
  }
  int64_t count = 0;

 private:
  const std::string stage_;
  std::atomic<bool>* stop_;
};

// Of evaluations as of exploration: what was finished and what had begun is gone on with, and
// nothing else.
TEST_F(RunTest, RolloutsOfAStoppedStageGoOn) {
  // So many that a stage is not done before it was stopped twice, a quarter of a second after it begins.
  const int samples = testing::kSlowdown > 1 ? 40 : 160;
  const Recipe r = recipe(
      {"evaluate.max_tokens=400", fmt::format("evaluate.samples={}", samples),
       "evaluate.temperature=1.0", "explore.max_tokens=400",
       fmt::format("explore.samples={}", samples / 2), "explore.hard_only=false",
       "engine.max_batch=8",
       fmt::format("explore.enough_correct={}", samples / 2)});  // never: its rule discards nothing
  run(r, "explore-1", nullptr, "peace");
  const auto rollouts_of = [&](const std::string& out, const std::string& stage) {
    std::vector<std::string> rows;
    pool(out).for_each_rollout({.stage = stage}, [&](const pool::StoredRollout& stored) {
      rows.push_back(dump_json(data::to_json(stored.rollout)));
    });
    return rows;
  };
  const auto tokens_of = [&](const std::string& stage) {
    int64_t tokens = pool().counts_of(stage).tokens;
    for (const pool::PartialRecord& partial : pool().partials(stage))
      tokens += partial.tokens.size();
    return tokens;
  };
  for (const std::string stage : {"evaluate-M0", "explore-1"}) {
    SCOPED_TRACE(stage);
    int64_t sampled = 0;
    for (int stops = 0; stops < 2; ++stops) {
      SampledTokens monitor(stage, &stop_);
      EXPECT_FALSE(PipelineRun(r, read_sources(r), folder_ / "out", threads_, monitor, &stop_)
                       .execute(stage, [](const pool::StageRecord&) {}));
      stop_ = false;
      sampled += monitor.count;
      EXPECT_EQ(tokens_of(stage), sampled) << stops;
      ASSERT_FALSE(pool().partials(stage).empty());
    }
    // Not what is of another request, whatever it holds.
    int64_t lost = 0;
    {
      pool::Pool writer = pool::Pool::open(folder_ / "out/run.db");
      pool::PartialRecord foreign = writer.partials(stage).back();
      lost = foreign.tokens.size();
      writer.remove_partial(foreign);
      foreign.request_sha256 = std::string(64, '0');
      std::fill(foreign.tokens.token_ids.begin(), foreign.tokens.token_ids.end(), 5);
      writer.add_partial(foreign);
    }
    SampledTokens monitor(stage, nullptr);
    EXPECT_TRUE(PipelineRun(r, read_sources(r), folder_ / "out", threads_, monitor, &stop_)
                    .execute(stage, [](const pool::StageRecord&) {}));
    EXPECT_EQ(rollouts_of("out", stage), rollouts_of("peace", stage)) << stage;
    EXPECT_TRUE(pool().partials(stage).empty());
    EXPECT_EQ(sampled + monitor.count, tokens_of(stage) + lost);
  }
}

// What a changed recipe does again costs what is new about it.
TEST_F(RunTest, WhatIsDoneAgainSamplesOnlyWhatIsNew) {
  const auto sampled = [&](const Recipe& r, const std::string& stage) {
    SampledTokens monitor(stage, nullptr);
    PipelineRun run(r, read_sources(r), folder_ / "out", threads_, monitor, &stop_,
                    Changes::kRedone);
    EXPECT_TRUE(run.execute(stage, [](const pool::StageRecord&) {}));
    return monitor.count;
  };
  const std::string all = "explore.hard_only=false";
  run(recipe({all}), "explore-1");
  const int64_t two = pool().counts_of("explore-1").tokens;
  const int64_t third = sampled(recipe({all, "explore.samples=3"}), "explore-1");
  EXPECT_EQ(third, pool().counts_of("explore-1").tokens - two);
  EXPECT_GT(third, 0);
  EXPECT_EQ(pool().counts_of("explore-1").rollouts, 18);
  const std::vector<std::string> enough = {all, "explore.samples=3", "explore.enough_correct=0",
                                           "explore.enough_incorrect=2"};
  EXPECT_EQ(sampled(recipe(enough), "explore-1"), 0);
  EXPECT_EQ(pool().counts_of("explore-1").rollouts, 12) << "two wrong ones are enough";
  EXPECT_EQ(sampled(recipe({all, "explore.samples=1"}), "explore-1"), 0);
  EXPECT_EQ(pool().counts_of("explore-1").rollouts, 6);
  EXPECT_GT(sampled(recipe({all, "explore.samples=1", "seed=2"}), "explore-1"), 0);

  const int64_t one = pool().counts_of("evaluate-M0").tokens;
  {
    pool::Pool writer = pool::Pool::open(folder_ / "out/run.db");
    writer.for_each_rollout({.stage = "evaluate-M0"}, [&](const pool::StoredRollout& stored) {
      writer.set_verdict(stored.id, judge::Verdict::kCorrect, "by another judge");
    });
  }
  const Recipe more = recipe(
      {all, "explore.samples=1", "seed=2",
       "evaluate.benchmarks=[{name=\"more\",synth=\"choice\",levels=1,count=2,split=\"test\","
       "seed=9},{name=\"test\",synth=\"choice\",levels=1,count=3,split=\"test\"}]"});
  const int64_t added = sampled(more, "evaluate-M0");
  EXPECT_EQ(added, 0) << "the last benchmark is the one that was there";
  EXPECT_GT(pool().counts_of("evaluate-M0").tokens, one);
  EXPECT_EQ(pool().counts_of("evaluate-M0").rollouts, 5);
  EXPECT_EQ(pool().counts_of("evaluate-M0").correct, 0) << "judged again";
}

TEST_F(RunTest, AFailedStageIsMarkedReportedAndBegunAgain) {
  const Recipe r = recipe({"max_length=3"});
  EXPECT_NE(testing::error_text([&] {
              plan_recipe(r, read_sources(r), threads_);
            }).find("no demonstration"),
            std::string::npos);
  EXPECT_NE(testing::error_text([&] { run(r); }).find("no row is left"), std::string::npos);
  EXPECT_EQ(pool().stage("imitate")->state, pool::StageState::kFailed);
  EXPECT_NE(pool::failure_of(*pool().stage("imitate")).find("no row is left"), std::string::npos);
  EXPECT_NE(read_file(folder_ / "out/report.html").find("no row is left"), std::string::npos);
  std::filesystem::remove(folder_ / "out/report.html");
  EXPECT_NE(testing::error_text([&] { run(r); }).find("no row is left"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out/report.html"));
  EXPECT_EQ(pool::failure_of(*pool().stage("ingest")), "");
}

TEST_F(RunTest, TheDiskAskedForIsWhatIsStillToCome) {
  const Recipe r = recipe();
  const RecipePlan plan = plan_recipe(r, read_sources(r), threads_);
  const auto to_come = [&] { return disk_to_come(plan, folder_ / "out"); };
  EXPECT_EQ(to_come(), plan.disk_bytes());
  int64_t kept = 0, peaks = 0;
  for (const StagePlan& stage : plan.stages) {
    EXPECT_LE(stage.kept_bytes, stage.disk_bytes);
    kept += stage.kept_bytes;
    peaks += stage.disk_bytes;
  }
  EXPECT_GT(plan.disk_bytes(), kept);
  EXPECT_LT(plan.disk_bytes(), peaks);

  run(r, "imitate");
  const int64_t after_imitation = to_come();
  EXPECT_LT(after_imitation, plan.disk_bytes());
  run(r, "explore-1");
  EXPECT_LT(to_come(), after_imitation);
  run(r, "improve-1");
  EXPECT_EQ(to_come(), plan.stages.back().disk_bytes) << "an evaluation is left";
  run(r);
  EXPECT_EQ(to_come(), 0);
}

TEST_F(RunTest, WhatAStageReadsDecidesItsHash) {
  const Recipe r = recipe();
  run(r, "explore-1");
  const pool::Pool pool = this->pool();
  const std::vector<Stage> stages = stages_of(r);
  const auto hashes = [&](const Recipe& recipe) {
    std::map<std::string, std::string> by_stage;
    for (const Stage& stage : stages) {
      if (pool.stage(stage.name)) by_stage[stage.name] = inputs_sha256(stage, recipe, pool);
    }
    return by_stage;
  };
  const auto changed = [&](const std::string& set) {
    const auto before = hashes(r), after = hashes(recipe({set}));
    std::vector<std::string> names;
    for (const Stage& stage : stages) {
      if (before.contains(stage.name) && before.at(stage.name) != after.at(stage.name))
        names.push_back(stage.name);
    }
    return names;
  };
  for (const auto& [name, hash] : hashes(r)) {
    EXPECT_EQ(hash, pool.stage(name)->inputs_sha256) << name;
    EXPECT_EQ(hash.size(), 64u);
  }
  using Names = std::vector<std::string>;
  EXPECT_EQ(changed("sft.lr=1e-3"), (Names{"imitate"}));
  EXPECT_EQ(changed("explore.samples=3"), (Names{"explore-1"}));
  EXPECT_EQ(changed("evaluate.max_tokens=7"), (Names{"evaluate-M0", "evaluate-M1"}));
  EXPECT_EQ(changed("engine.max_batch=3"), (Names{}));
  EXPECT_EQ(changed("sft.micro_batch_tokens=7"), (Names{}));
  EXPECT_EQ(changed("refine.per_problem=2"), (Names{}));
  EXPECT_EQ(changed("decontaminate=false"), (Names{"ingest"}));
  EXPECT_EQ(changed("system=x"),
            (Names{"evaluate-M0", "imitate", "evaluate-M1", "screen-1", "explore-1"}));
  // A file's bytes count.
  const std::string before = inputs_sha256(stages[0], r, pool);
  std::ofstream(folder_ / "problems.jsonl", std::ios::app) << "\n";
  EXPECT_NE(inputs_sha256(stages[0], r, pool), before);
}

TEST_F(RunTest, ADemonstrationThatCannotBeTrainedOnIsADecision) {
  std::ofstream(folder_ / "demonstrations.jsonl", std::ios::app)
      << dump_json({{"question", "Long?"}, {"thought", std::string(2000, '7')}, {"solution", "s"}})
      << "\n";
  run(recipe(), "imitate");
  const std::vector<pool::Selection> decisions = pool().selections("imitate");
  ASSERT_EQ(decisions.size(), 7u) << "of every one of them";
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_TRUE(decisions[i].kept);
    EXPECT_EQ(decisions[i].filter, "max_length");
    EXPECT_NE(decisions[i].detail.find("tokens, at most 256"), std::string::npos);
  }
  EXPECT_EQ(decisions[6].filter, "too_long");
  EXPECT_FALSE(decisions[6].kept);
  EXPECT_EQ(pool().demonstration(decisions[6].origin.id).question, "Long?");
  EXPECT_EQ(pool::result_of<pool::TrainResult>(*pool().stage("imitate"))->rejected.at("too_long"),
            1);
}

// Problems of a benchmark and of exploration that cannot be asked: the plan names them, the run
// counts them and goes on.
TEST_F(RunTest, WhatCannotBeAskedIsLeftOutById) {
  write_file_atomic(folder_ / "base/tokenizer.json", testing::byte_tokenizer_json("\x04"));
  std::filesystem::remove(folder_ / "base/tokenizer_config.json");
  const auto row = [](const std::string& id, const std::string& question) {
    return dump_json({{"id", id}, {"question", question}, {"answer", "2"}}) + "\n";
  };
  const std::string two = row("lacking", "1\x04") + row("long", std::string(5000, 'x'));
  write_file_atomic(folder_ / "bench.jsonl", row("fits", "Six?") + two);
  write_file_atomic(folder_ / "problems.jsonl", read_file(folder_ / "problems.jsonl") +
                                                    row("lacking", "2\x04") +
                                                    row("long", std::string(5000, 'y')));
  const Recipe r = recipe({"evaluate.benchmarks=[{file=\"bench.jsonl\"}]"});
  const RecipePlan plan = plan_recipe(r, read_sources(r), threads_);
  ASSERT_EQ(plan.sources.size(), 3u);
  EXPECT_EQ(plan.sources[0].account.summary(),
            "3 rows, 1 kept, 2 rejected (no_token 1, too_long 1)");
  EXPECT_EQ(plan.sources[0].account.left_out_by_id().at(0),
            "lacking: no_token: byte 0x04 at 1 has no token");
  EXPECT_EQ(plan.sources[2].account.summary(),
            "8 rows, 6 kept, 2 rejected (no_token 1, too_long 1)");

  run(r);
  const pool::Pool pool = this->pool();
  const std::map<std::string, int64_t> rejected = {{"no_token", 1}, {"too_long", 1}};
  for (const char* stage : {"screen-1", "explore-1"}) {
    EXPECT_EQ(pool::result_of<pool::RolloutResult>(*pool.stage(stage))->rejected, rejected)
        << stage;
  }
  ASSERT_EQ(pool.scores().size(), 2u);  // nothing was selected: no M2
  for (const pool::ScoreRecord& score : pool.scores()) {
    EXPECT_EQ(score.n, 1);
    EXPECT_EQ(score.extra.at("rejected"), Json(rejected));
  }
  EXPECT_NE(read_file(folder_ / "out/log.jsonl").find("\"id\":\"lacking\""), std::string::npos);

  // Nothing left is an error, before anything is trained.
  write_file_atomic(folder_ / "bench.jsonl", two);
  EXPECT_NE(testing::error_text([&] {
              plan_recipe(r, read_sources(r), threads_);
            }).find("none of its 2 problems can be asked"),
            std::string::npos);
}

TEST_F(RunTest, APairKnowsWhyItIsOne) {
  const Recipe r = recipe({"dpo.max_pairs=5"});
  explore_with_answers(r);
  run(r, "dpo");
  const Json pair = pool().lineage("dpo:0");
  for (const char* side : {"chosen", "rejected"}) {
    const Json& decisions = pair.at(side).at("decisions");
    std::vector<std::string> filters;
    for (const Json& decision : decisions) {
      EXPECT_EQ(decision.at("stage"), "dpo");
      EXPECT_EQ(decision.at("decision"), "kept");
      filters.push_back(decision.at("filter"));
    }
    const std::string rule =
        side == std::string("chosen") ? "highest-perplexity" : "lowest-perplexity";
    EXPECT_EQ(filters, (std::vector<std::string>{"judged", "finished", "well_formed", "counterpart",
                                                 rule, "max_pairs", side}));
    EXPECT_NE(decisions.back().at("detail").get<std::string>().find("2.5000"), std::string::npos);
  }
}

// A rollout sampled after another template than the model's does not enter its training rows.
TEST_F(RunTest, SelectedRowsOfAnotherTemplateAreLeftOut) {
  const Recipe r = recipe();
  run(r, "refine-1");
  {
    pool::Pool writer = pool::Pool::open(folder_ / "out/run.db");
    std::optional<pool::StoredRollout> stored;
    writer.for_each_rollout({.stage = "explore-1"},
                            [&](const pool::StoredRollout& s) { stored = s; });
    ASSERT_TRUE(stored);
    // Two more samples that a refinement selected, alike but for the template.
    const tokenizer::Tokenizer tokenizer = tokenizer::Tokenizer::load(folder_ / "base");
    data::Rollout t = stored->rollout;
    t.completion.token_ids = tokenizer.encode("x");
    t.completion.token_ids->push_back(*tokenizer.token_id("<|im_end|>"));
    t.completion.logprobs.emplace(t.completion.token_ids->size(), -1.0f);
    for (const char* tmpl : {stored->rollout.template_sha256.c_str(), "other"}) {
      ++t.sample;
      t.template_sha256 = tmpl;
      const int64_t id = writer.add_rollout("explore-1", 1, t);
      writer.add_selection({"refine-1",
                            1,
                            "longest",
                            {pool::RowOrigin::Kind::kRollout, id},
                            9,
                            "selected",
                            true,
                            0,
                            ""});
    }
  }
  const pool::TrainResult before = *pool::result_of<pool::TrainResult>(*pool().stage("imitate"));
  run(r, "improve-1");
  const pool::TrainResult result = *pool::result_of<pool::TrainResult>(*pool().stage("improve-1"));
  EXPECT_EQ(result.rejected.at("other_template"), 1);
  EXPECT_EQ(result.explored,
            1 + pool::result_of<pool::RefineResult>(*pool().stage("refine-1"))->rows);
  EXPECT_EQ(result.demonstrations, before.demonstrations);
}

}  // namespace
}  // namespace ponder::pipeline
