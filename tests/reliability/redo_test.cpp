// A recipe that is changed after its run has ended: --redo does again what does not follow from it
// any more, and the run is then the one that a fresh start of the changed recipe makes.
#include "base/file.h"
#include "pool/pool.h"
#include "reliability/tiny_world.h"

namespace ponder::reliability {
namespace {

// All that a run holds but the order in which its rows came, by name.
Results contents_of(const fs::path& run) {
  const pool::Pool pool = pool::Pool::open_read_only(run / "run.db");
  Results all;
  for (const pool::StageRecord& stage : pool.stages()) {
    all["stage " + stage.name] = dump_json({stage.kind, stage.round, pool::to_string(stage.state),
                                            stage.rows, stage.result, stage.inputs_sha256});
    int64_t i = 0;
    for (const pool::TrainingRow& row : pool.training_rows(stage.name))
      all["row " + stage.name + " " + std::to_string(i++)] = row.text_sha256;
    for (const pool::Selection& s : pool.selections(stage.name))
      all["selection " + stage.name + " " + std::to_string(i++)] =
          dump_json({s.strategy, s.filter, s.kept, s.rank, s.detail});
  }
  for (const pool::ModelRecord& model : pool.models()) all["model " + model.name] = model.sha256;
  for (const pool::ScoreRecord& score : pool.scores())
    all["score " + score.stage + " " + score.benchmark] = dump_json(score.extra);
  for (const pool::FileRecord& file : pool.files())
    all["file " + file.owner + " " + file.name] = file.sha256;
  for (const data::Problem& problem : pool.problems())
    all["problem " + problem.id] = problem.question;
  const auto rollouts = [&](const std::string& stage) {
    pool.for_each_rollout({.stage = stage}, [&](const pool::StoredRollout& s) {
      const data::Rollout& t = s.rollout;
      all["rollout " + s.stage + " " + s.benchmark + " " + t.problem_id + " " +
          std::to_string(t.sample)] =
          dump_json({t.completion.text, judge::to_string(*t.verdict), t.proof, *t.perplexity});
    });
  };
  for (const pool::StageRecord& stage : pool.stages()) rollouts(stage.name);
  for (const auto& entry : fs::recursive_directory_iterator(run)) {
    const std::string name = entry.path().lexically_relative(run).string();
    if (entry.path().extension() == ".safetensors" || name.starts_with("evaluations/"))
      if (entry.is_regular_file()) all[name] = read_file(entry.path());
  }
  return all;
}

class Redo : public ::testing::Test {
 protected:
  using Settings = std::vector<std::string>;
  testing::Outcome run(const fs::path& place, const Settings& set, bool redo = false) const {
    Settings more = {"--threads", "1"};
    for (const std::string& key : set) more.insert(more.end(), {"--set", key});
    if (redo) more.push_back("--redo");
    return testing::run(world_.run(place, more));
  }
  void expect_as_fresh(const Settings& then, const Settings& now, const std::string& what) {
    const fs::path place = folder_ / ("run" + std::to_string(++count_)),
                   fresh = folder_ / ("fresh" + std::to_string(count_));
    ASSERT_EQ(run(place, then).status, 0);
    const Results before = contents_of(place / "run");
    const testing::Outcome refused = run(place, now);
    EXPECT_EQ(refused.status, 1);
    EXPECT_EQ(testing::lines_of(refused.err).size(), 1u) << refused.err;
    EXPECT_NE(refused.err.find("--redo (" + what + ")"), std::string::npos) << refused.err;
    EXPECT_EQ(differences(before, contents_of(place / "run")), "") << "refused, and changed";

    const testing::Outcome redone = run(place, now, true);
    ASSERT_EQ(redone.status, 0) << redone.err;
    ASSERT_EQ(run(fresh, now).status, 0);
    EXPECT_EQ(differences(contents_of(fresh / "run"), contents_of(place / "run")), "") << what;
    EXPECT_EQ(run(place, now).status, 0) << "the recipe is the run's own now";
  }
  const TinyWorld world_;
  const testing::TemporaryFolder folder_;
  int count_ = 0;
};

TEST_F(Redo, OfAChangedKeyIsWhatAFreshRunMakes) {
  const std::string evaluations =
      "evaluate-M0, evaluate-M1, evaluate-M1-other, evaluate-M2, evaluate-M3, evaluate-M1-dpo";
  expect_as_fresh({}, {"dpo.beta=0.3"}, "kept: 16 stages; done again: dpo, evaluate-M1-dpo");
  expect_as_fresh({}, {"evaluate.max_tokens=20"}, "kept: 12 stages; done again: " + evaluations);
  expect_as_fresh({}, {"explore.samples=6"},
                  "kept: 7 stages; done again: explore-1, refine-1, improve-1, evaluate-M2, "
                  "screen-2, explore-2, refine-2, improve-2, evaluate-M3, dpo, evaluate-M1-dpo");
  expect_as_fresh({"explore.samples=6"}, {"explore.samples=3", "explore.enough_correct=1"},
                  "kept: 7 stages; done again: explore-1, refine-1, improve-1, evaluate-M2, "
                  "screen-2, explore-2, refine-2, improve-2, evaluate-M3, dpo, evaluate-M1-dpo");
}

TEST_F(Redo, OfAStageMoreOrLessIsWhatAFreshRunMakes) {
  const std::string each = "explore.problems_per_round=2";
  expect_as_fresh({each}, {each, "explore.rounds=3"},
                  "kept: 18 stages; new: screen-3, explore-3, refine-3, improve-3, evaluate-M4");
  expect_as_fresh({each}, {each, "explore.rounds=1"},
                  "kept: 13 stages; dropped: screen-2, explore-2, refine-2, improve-2, "
                  "evaluate-M3");
  expect_as_fresh({},
                  {"evaluate.benchmarks=[{name=\"made\", synth=\"choice\", levels=1, count=2, "
                   "split=\"test\"}]"},
                  "kept: 11 stages; done again: ingest, evaluate-M0, evaluate-M1, "
                  "evaluate-M1-other, evaluate-M2, evaluate-M3, evaluate-M1-dpo");
}

TEST_F(Redo, OfAChangedFileIsWhatAFreshRunMakes) {
  const auto edit = [&](const std::string& name, const std::string& from, const std::string& to) {
    std::string text = read_file(world_.folder() / name);
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos);
    write_file_atomic(world_.folder() / name, text.replace(at, from.size(), to));
  };
  const auto changed = [&](const std::string& name, const std::string& from, const std::string& to,
                           const std::string& what) {
    const std::string number = std::to_string(++count_);
    const fs::path place = folder_ / (name + number), fresh = folder_ / ("fresh-" + name + number);
    ASSERT_EQ(run(place, {}).status, 0);
    edit(name, from, to);
    const testing::Outcome refused = run(place, {});
    EXPECT_EQ(refused.status, 1);
    EXPECT_NE(refused.err.find("--redo (" + what), std::string::npos) << refused.err;
    const testing::Outcome redone = run(place, {}, true);
    ASSERT_EQ(redone.status, 0) << redone.err;
    ASSERT_EQ(run(fresh, {}).status, 0);
    EXPECT_EQ(differences(contents_of(fresh / "run"), contents_of(place / "run")), "") << name;
  };
  changed("demonstrations.jsonl", "I choose.", "I pick.",
          "kept: 3 stages; done again: ingest, imitate, evaluate-M1, screen-1");
  changed("problems.jsonl", "\"answer\":\"A\"", "\"answer\":\"B\"",
          "kept: 5 stages; done again: ingest, screen-1");
  // The new row comes first, as it does in a fresh run.
  changed("problems.jsonl", "{",
          R"({"id":"new","question":"A or B? 77","answer":"A","answer_type":"choice"}
{)",
          "kept: 5 stages; done again: ingest, screen-1");
  changed("problems.jsonl", "A or B? 5", "A or B? 55",
          "kept: 5 stages; done again: ingest, screen-1");
  changed("benchmark.jsonl", "\"answer\":\"A\"", "\"answer\":\"B\"",
          "kept: 11 stages; done again: ingest, evaluate-M0, evaluate-M1, evaluate-M1-other");
}

}  // namespace
}  // namespace ponder::reliability
