// Whole runs on a tiny model of random weights: what is planned is what runs, and a run goes on.
#include "pipeline/run.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "base/file.h"
#include "model/checkpoint.h"
#include "pipeline/plan.h"
#include "pipeline/stage_inputs.h"
#include "pool/stage_result.h"
#include "testing/byte_tokenizer.h"
#include "testing/error_text.h"
#include "testing/folders.h"
#include "testing/temporary_folder.h"
#include "tokenizer/thought_format.h"

namespace ponder::pipeline {
namespace {

constexpr const char* kRecipe = R"(
name = "small"
base = "base"
max_length = 256
[sft]
epochs = 1
batch_rows = 4
[imitate]
demonstrations = [{ file = "demonstrations.jsonl" }]
[explore]
problems = [{ file = "problems.jsonl" }]
rounds = 1
samples = 2
max_tokens = 6
[evaluate]
benchmarks = [{ name = "test", synth = "choice", levels = 1, count = 3, split = "test" }]
max_tokens = 6
)";

class RunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::filesystem::path nano = testing::source_dir() / "models/nano-base";
    Json config = read_json_file(nano / "config.json");
    for (const auto& [key, value] :
         {std::pair("hidden_size", 32), std::pair("intermediate_size", 32),
          std::pair("num_hidden_layers", 1), std::pair("num_attention_heads", 2),
          std::pair("num_key_value_heads", 1), std::pair("max_window_layers", 1)}) {
      config[key] = value;
    }
    write_file_atomic(folder_ / "config.json", dump_json(config));
    model::init_checkpoint(folder_ / "config.json", nano, folder_ / "base", tensor::DType::kF32, 1,
                           &threads_);
    std::string demonstrations, problems;
    for (int i = 0; i < 6; ++i) {
      demonstrations += dump_json({{"question", "What is 1 + " + std::to_string(i) + "?"},
                                   {"thought", "I count on."},
                                   {"solution", "It is " + std::to_string(i + 1) + "."}}) +
                        "\n";
      problems += dump_json({{"id", "p" + std::to_string(i)},
                             {"question", "What is 2 + " + std::to_string(i) + "?"},
                             {"answer", std::to_string(i + 2)}}) +
                  "\n";
    }
    write_file_atomic(folder_ / "demonstrations.jsonl",
                      demonstrations + "{\"question\":\"no response\"}\n");
    write_file_atomic(folder_ / "problems.jsonl", problems);
    write_file_atomic(folder_ / "r.toml", kRecipe);
  }

  Recipe recipe(const std::vector<std::string>& set = {}) const {
    return load_recipe(folder_ / "r.toml", set);
  }
  // The stages that ran or were done, in order; false in `finished` when stopped.
  std::vector<std::string> run(const Recipe& recipe, const std::string& until = "",
                               bool* finished = nullptr, const std::string& out = "out") {
    PipelineRun run(recipe, read_sources(recipe), folder_ / out, threads_, monitor_, &stop_);
    std::vector<std::string> names;
    const bool all =
        run.execute(until, [&](const pool::StageRecord& stage) { names.push_back(stage.name); });
    if (finished) *finished = all;
    return names;
  }
  pool::Pool pool(const std::string& out = "out") const {
    return pool::Pool::open_read_only(folder_ / out / "run.db");
  }

  testing::TemporaryFolder folder_;
  ThreadPool threads_{1};
  NullMonitor monitor_;
  std::atomic<bool> stop_ = false;
};

TEST_F(RunTest, DoesWhatThePlanSaysAndKeepsEverythingInThePool) {
  const Recipe r = recipe();
  const RecipePlan plan = plan_recipe(r, read_sources(r), threads_);
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
  ASSERT_EQ(decisions.size(), 1u);
  EXPECT_EQ(decisions[0].filter, "too_long");
  EXPECT_FALSE(decisions[0].kept);
  EXPECT_EQ(pool().demonstration(decisions[0].origin.id).question, "Long?");
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
  ASSERT_EQ(pool.scores().size(), 3u);
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
  run(r, "explore-1");
  {
    pool::Pool writer = pool::Pool::open(folder_ / "out/run.db");
    std::optional<pool::StoredRollout> stored;
    writer.for_each_rollout({.stage = "explore-1"},
                            [&](const pool::StoredRollout& s) { stored = s; });
    ASSERT_TRUE(stored);
    const tokenizer::Tokenizer tokens = tokenizer::Tokenizer::load(folder_ / "base");
    data::Rollout t = stored->rollout;
    t.completion.finish_reason = data::FinishReason::kStop;
    for (const judge::Verdict verdict : {judge::Verdict::kCorrect, judge::Verdict::kIncorrect}) {
      const bool right = verdict == judge::Verdict::kCorrect;
      ++t.sample;
      t.verdict = verdict;
      t.completion.text =
          tokenizer::format_thought(right ? "I count." : "I guess.", right ? "Right." : "Wrong.");
      t.completion.token_ids = tokens.encode(t.completion.text);
      t.completion.token_ids->push_back(*tokens.token_id("<|im_end|>"));
      t.completion.logprobs.emplace(t.completion.token_ids->size(), -1.0f);
      t.perplexity = 2.5;
      t.perplexity_model_sha256 = t.completion.model_sha256;
      writer.add_rollout("explore-1", 1, t);
    }
  }
  run(r, "dpo");
  const Json pair = pool().lineage("dpo:0");
  for (const char* side : {"chosen", "rejected"}) {
    const Json& decisions = pair.at(side).at("decisions");
    ASSERT_EQ(decisions.size(), 1u) << side;
    EXPECT_EQ(decisions[0].at("stage"), "dpo");
    EXPECT_EQ(decisions[0].at("filter"), side);
    EXPECT_NE(decisions[0].at("detail").get<std::string>().find("2.5000"), std::string::npos);
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

// What a run made: its models and every row of its database, times left out.
std::map<std::string, std::string> made_by(const pool::Pool& pool) {
  std::map<std::string, std::string> made;
  for (const pool::ModelRecord& model : pool.models())
    if (model.name != "M0") made[model.name] = model.sha256;
  for (const pool::FileRecord& file : pool.files())
    made[file.owner + "/" + file.name] = file.sha256;
  pool.for_each_rollout({}, [&](const pool::StoredRollout& s) {
    made[std::to_string(s.id)] = s.rollout.completion.text;
  });
  for (const pool::ScoreRecord& score : pool.scores()) made[score.stage] = dump_json(score.extra);
  return made;
}

struct Change {
  std::string file;  // beside the recipe
  std::string what;
  std::function<std::string(const std::string&)> edit;  // of its contents
  std::string used_by;
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::vector<Change> changes() {
  const auto append = [](const std::string& line) {
    return [line](const std::string& text) { return text + line + "\n"; };
  };
  const auto without_last = [](const std::string& text) {
    return text.substr(0, text.rfind('\n', text.size() - 2) + 1);
  };
  const auto without_first = [](const std::string& text) {
    return text.substr(text.find('\n') + 1);
  };
  const auto reordered = [](const std::string& text) {
    const size_t end = text.find('\n') + 1;
    return text.substr(end) + text.substr(0, end);
  };
  const auto replace = [](const std::string& from, const std::string& to) {
    return [=](const std::string& text) { return replaced(text, from, to); };
  };
  const auto flip = [](std::string text) {
    text[text.size() - 5] ^= 1;
    return text;
  };
  const std::string row = R"({"question":"Another?","thought":"So.","solution":"It is 5."})";
  const std::string problem = R"({"id":"more","question":"What is 5?","answer":"5"})";
  std::vector<Change> all;
  const auto rows = [&](const std::string& file, const std::string& line, const std::string& from,
                        const std::string& to, const std::string& used_by) {
    all.push_back({file, "appended", append(line), used_by});
    all.push_back({file, "last removed", without_last, used_by});
    all.push_back({file, "first removed", without_first, used_by});
    all.push_back({file, "reordered", reordered, used_by});
    all.push_back({file, "edited", replace(from, to), used_by});
  };
  rows("demonstrations.jsonl", row, "count on", "guess", "ingest");
  rows("problems.jsonl", problem, "\"answer\":\"2\"", "\"answer\":\"9\"", "ingest");
  rows("bench.jsonl", problem, "\"answer\":\"3\"", "\"answer\":\"9\"", "ingest");
  all.push_back({"base/config.json", "eps", replace("1e-06", "1e-05"), ""});
  all.push_back({"base/config.json", "theta", replace("rope_theta\":", "rope_theta\":1"), ""});
  all.push_back({"base/tokenizer.json", "edited", append(" "), ""});
  all.push_back({"base/tokenizer_config.json", "edited", append(" "), ""});
  all.push_back({"base/generation_config.json", "new", append("{}"), ""});
  all.push_back({"base/chat_template.jinja", "new", append("x"), ""});
  all.push_back({"base/model.safetensors", "weights", flip, ""});
  return all;
}

TEST_F(RunTest, AChangedInputIsRefusedByNameAtEveryMoment) {
  write_file_atomic(folder_ / "bench.jsonl",
                    "{\"id\":\"b\",\"question\":\"1 + 2?\","
                    "\"answer\":\"3\"}\n{\"id\":\"c\",\"question\":\"2 + 2?\",\"answer\":\"4\"}\n");
  const std::string text = replaced(
      kRecipe, R"({ name = "test", synth = "choice", levels = 1, count = 3, split = "test" })",
      R"({ name = "test", file = "bench.jsonl" })");
  write_file_atomic(folder_ / "r.toml", text);
  const Recipe r = recipe();
  run(r, "", nullptr, "peace");
  int tried = 0;
  for (const std::string moment : {"ingest", "imitate", "explore-1", "evaluate-M2"}) {
    run(r, moment);
    for (const Change& change : changes()) {
      SCOPED_TRACE(change.file + " " + change.what + " after " + moment);
      const std::filesystem::path file = folder_ / change.file;
      const bool existed = std::filesystem::exists(file);
      const std::string before = existed ? read_file(file) : "";
      write_file_atomic(file, change.edit(before));
      const std::string refused = testing::error_text([&] { run(r); });
      existed ? write_file_atomic(file, before) : (void)std::filesystem::remove(file);
      ++tried;
      EXPECT_NE(refused.find("was begun with other inputs"), std::string::npos) << refused;
      const std::string name = change.file.substr(change.file.find('/') + 1);
      EXPECT_NE(refused.find(name == "model.safetensors" ? "weights" : name), std::string::npos)
          << refused;
      EXPECT_NE(refused.find(existed ? "sha256" : "absent then"), std::string::npos) << refused;
      EXPECT_NE(refused.find("used by " + (moment == "ingest" && change.used_by.empty()
                                               ? "no stage yet"
                                               : change.used_by)),
                std::string::npos)
          << refused;
      if (moment == "evaluate-M2" && change.file == "problems.jsonl") {
        EXPECT_NE(refused.find("explore-1, refine-1, improve-1, evaluate-M2"), std::string::npos)
            << refused;
      }
    }
  }
  EXPECT_EQ(tried, 88);
  run(r);
  EXPECT_EQ(made_by(pool()), made_by(pool("peace")));
}

TEST_F(RunTest, ADamagedCheckpointIsMadeAgain) {
  const Recipe r = recipe();
  run(r, "", nullptr, "peace");
  const auto expected = made_by(pool("peace"));
  run(r, "imitate");
  const std::filesystem::path m1 = folder_ / "out/checkpoints/M1";
  const std::vector<std::pair<std::string, std::function<void()>>> damages = {
      {"a flipped bit",
       [&] {
         std::string bytes = read_file(m1 / "model.safetensors");
         bytes[bytes.size() / 2] ^= 1;
         write_file_atomic(m1 / "model.safetensors", bytes);
       }},
      {"cut", [&] { std::filesystem::resize_file(m1 / "model.safetensors", 1000); }},
      {"no weights", [&] { std::filesystem::remove(m1 / "model.safetensors"); }},
      {"gone", [&] { std::filesystem::remove_all(m1); }},
      {"another model",
       [&] {
         std::filesystem::remove_all(m1);
         std::filesystem::copy(folder_ / "base", m1);
       }},
      {"config",
       [&] {
         const std::string config = read_file(m1 / "config.json");
         write_file_atomic(m1 / "config.json", replaced(config, "1e-06", "1e-05"));
       }},
      {"tokenizer", [&] { std::ofstream(m1 / "tokenizer.json", std::ios::app) << " "; }}};
  for (const auto& [name, damage] : damages) {
    SCOPED_TRACE(name);
    std::filesystem::remove_all(folder_ / "copy");
    std::filesystem::copy(folder_ / "out", folder_ / "copy",
                          std::filesystem::copy_options::recursive);
    damage();
    run(r);
    EXPECT_EQ(made_by(pool()), expected);
    EXPECT_EQ(pool().stage("imitate")->state, pool::StageState::kDone);
    EXPECT_EQ(read_file(m1 / "model.safetensors"),
              read_file(folder_ / "peace/checkpoints/M1/model.safetensors"));
    std::filesystem::remove_all(folder_ / "out");
    std::filesystem::rename(folder_ / "copy", folder_ / "out");
  }
}

TEST_F(RunTest, AProjectMayMove) {
  const auto names = {"base", "r.toml", "demonstrations.jsonl", "problems.jsonl"};
  std::filesystem::create_directory(folder_ / "here");
  for (const char* name : names) std::filesystem::rename(folder_ / name, folder_ / "here" / name);
  run(load_recipe(folder_ / "here/r.toml", {}), "imitate", nullptr, "here/out");
  run(load_recipe(folder_ / "here/r.toml", {}), "", nullptr, "peace");
  std::filesystem::rename(folder_ / "here", folder_ / "there");
  run(load_recipe(folder_ / "there/r.toml", {}), "", nullptr, "there/out");
  EXPECT_EQ(made_by(pool("there/out")), made_by(pool("peace")));
  EXPECT_NE(testing::error_text([&] {
              run(load_recipe(folder_ / "there/r.toml", {"sft.lr=1e-3"}), "", nullptr, "there/out");
            }).find("sft.lr"),
            std::string::npos);
}

}  // namespace
}  // namespace ponder::pipeline
