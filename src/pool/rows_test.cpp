// Queries over rollouts, and everything that refers to them: selections, trained rows, scores.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "pool/pool.h"
#include "pool/pool_fixture.h"
#include "pool/sqlite.h"

namespace ponder::pool {
namespace {

std::vector<std::string> keys_of(const Pool& pool, const RolloutQuery& query) {
  std::vector<std::string> keys;
  pool.for_each_rollout(query, [&](const StoredRollout& s) {
    keys.push_back(s.stage + "/" + s.rollout.problem_id + "/" + std::to_string(s.rollout.sample));
  });
  return keys;
}

TEST_F(PoolTest, StreamingIsInOrderWhateverTheOrderOfArrival) {
  Pool pool = Pool::open(file_);
  fill(pool);
  pool.begin_stage({.name = "explore-2", .kind = "explore", .round = 2});
  std::vector<int64_t> ids;
  for (const auto& [stage, id, sample] :
       std::vector<std::tuple<std::string, std::string, int>>{{"explore-2", "b", 0},
                                                              {"explore-1", "a", 1},
                                                              {"explore-1", "b", 10},
                                                              {"explore-1", "a", 0},
                                                              {"explore-1", "b", 2}}) {
    ids.push_back(pool.add_rollout(stage, stage.back() - '0', rollout(id, sample)));
  }
  pool.set_verdict(ids[1], judge::Verdict::kCorrect, "p");
  const std::vector<std::string> all = {"explore-1/b/2", "explore-1/b/10", "explore-1/a/0",
                                        "explore-1/a/1", "explore-2/b/0"};
  EXPECT_EQ(keys_of(pool, {}), all);
  RolloutQuery query;
  query.stage = "explore-1";
  query.problem_id = "a";
  EXPECT_EQ(keys_of(pool, query), (std::vector<std::string>{all[2], all[3]}));
  query.verdict = judge::Verdict::kCorrect;
  EXPECT_EQ(keys_of(pool, query), (std::vector<std::string>{all[3]}));
  query.verdict = judge::Verdict::kIncorrect;
  EXPECT_TRUE(keys_of(pool, query).empty());

  // Another database, another order: the same ids.
  Pool other = Pool::open(folder_ / "other.db");
  fill(other);
  EXPECT_EQ(other.add_rollout("explore-1", 1, rollout("b", 2)), ids[4]);
}

TEST_F(PoolTest, KeysComeInOrderAndRowsAreLookedAtOneByOne) {
  Pool pool = Pool::open(file_);
  fill(pool);
  const int64_t second = pool.add_rollout("explore-1", 1, rollout("a", 1));
  const int64_t first = pool.add_rollout("explore-1", 1, rollout("a", 0));
  pool.set_verdict(second, judge::Verdict::kUndecided, "p");
  std::vector<RolloutEntry> entries = pool.rollout_keys("explore-1");
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].id, first);
  EXPECT_EQ(entries[1].sample, 1);
  EXPECT_EQ(entries[0].problem, entries[1].problem);
  EXPECT_FALSE(entries[1].looked_at || entries[1].verdict);
  EXPECT_TRUE(pool.look_at(entries[0]) && pool.look_at(entries[1]));
  EXPECT_EQ(entries[1].num_tokens, 3);
  EXPECT_EQ(entries[1].verdict, judge::Verdict::kUndecided);
  EXPECT_TRUE(entries[1].looked_at);
  EXPECT_FALSE(entries[0].verdict);
  EXPECT_EQ(pool.rollouts_of_problem("a"), (std::vector<int64_t>{first, second}));
  EXPECT_TRUE(pool.rollouts_of_problem("a", "easy").empty());
  RolloutEntry gone{.id = 1};
  EXPECT_FALSE(pool.look_at(gone) || gone.looked_at);
  EXPECT_TRUE(pool.rollout_keys("no such stage").empty());
  EXPECT_EQ(pool.rollout_keys("explore-1", -1, 1).size(), 2u);  // to the end of the problem
  EXPECT_TRUE(pool.rollout_keys("explore-1", entries[0].problem, 1).empty());
}

TEST_F(PoolTest, LongListsComeInPieces) {
  Pool pool = Pool::open(file_);
  fill(pool);
  const auto time = std::chrono::seconds(60);
  EXPECT_TRUE(pool.selection_ends("explore-1", "", 0, 10, time).complete);
  for (int sample = 0; sample < 30; ++sample) {
    const RowOrigin origin{RowOrigin::Kind::kRollout,
                           pool.add_rollout("explore-1", 1, rollout("a", sample))};
    const bool right = sample % 3 == 0;
    pool.add_selection({"explore-1", 1, "s", origin, 0, "finished", true, 0, ""});
    pool.add_selection({"explore-1", 1, "s", origin, 1, "correct", right, 0, ""});
    if (right) pool.add_training_row({"explore-1", sample / 3, origin, "h", sample});
  }
  SelectionEnds piece = pool.selection_ends("explore-1", "correct", 0, 15, time);
  EXPECT_EQ(piece.ends.size(), 15u);
  EXPECT_FALSE(piece.complete);
  piece = pool.selection_ends("explore-1", "correct", piece.last, 15, time);
  EXPECT_EQ(piece.ends.size(), 5u);
  EXPECT_TRUE(piece.complete);
  piece = pool.selection_ends("explore-1", "kept", 0, 100, time);
  ASSERT_EQ(piece.ends.size(), 10u);  // one a candidate: the last, not each it passed
  for (const Selection& end : piece.ends) EXPECT_EQ(end.step, 1);
  EXPECT_EQ(pool.selection_ends("explore-1", "", 0, 100, time).ends.size(), 30u);
  EXPECT_TRUE(pool.selection_ends("explore-1", "finished", 0, 100, time).ends.empty());
  // No time: nothing yet, and a place to go on from.
  piece = pool.selection_ends("explore-1", "", 0, 100, std::chrono::seconds(-1));
  EXPECT_TRUE(piece.ends.empty() && !piece.complete);
  EXPECT_EQ(pool.selection_ends("explore-1", "", piece.last, 100, time).ends.size(), 30u);

  EXPECT_EQ(pool.num_training_rows("explore-1"), 10);
  const std::vector<TrainingRow> rows = pool.training_rows("explore-1", {8, 100});
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].index, 8);
  EXPECT_EQ(pool.training_rows("explore-1", {2, 3}).size(), 3u);
  EXPECT_EQ(pool.training_rows("explore-1").size(), 10u);
  pool.add_pair({"explore-1", 0, rows[0].origin.id, rows[1].origin.id});
  EXPECT_EQ(pool.num_pairs("explore-1"), 1);
  EXPECT_TRUE(pool.pairs("explore-1", {1, 1}).empty());
}

TEST_F(PoolTest, VisitorsMayWriteAndTokensMayBeLeftOut) {
  Pool pool = Pool::open(file_);
  fill(pool);
  for (int sample = 0; sample < 20; ++sample)
    pool.add_rollout("explore-1", 1, rollout("a", sample));
  int seen = 0;
  {
    Pool::Transaction transaction(pool);
    pool.for_each_rollout({.stage = "explore-1"}, [&](const StoredRollout& s) {
      ++seen;
      EXPECT_EQ(s.rollout.completion.token_ids->size(), 3u);
      pool.set_verdict(
          s.id, s.rollout.sample % 4 ? judge::Verdict::kIncorrect : judge::Verdict::kCorrect, "p");
      pool.set_perplexity(s.id, 1.5, "m1");
    });
    transaction.commit();
  }
  EXPECT_EQ(seen, 20);
  pool.for_each_rollout({.with_tokens = false}, [&](const StoredRollout& s) {
    EXPECT_FALSE(s.rollout.completion.token_ids || s.rollout.completion.logprobs);
    EXPECT_TRUE(s.rollout.prompt_ids.empty());
    EXPECT_EQ(s.rollout.completion.num_tokens(), 3);
    EXPECT_EQ(s.rollout.perplexity, 1.5);
    EXPECT_EQ(s.rollout.completion.text, "text of a");
  });
  const PoolCounts counts = pool.counts();
  ASSERT_EQ(counts.stages.size(), 1u);
  EXPECT_EQ(counts.stages[0].correct, 5);
  EXPECT_EQ(counts.stages[0].incorrect, 15);
  EXPECT_EQ(counts.stages[0].unjudged, 0);
  EXPECT_EQ(counts.stages[0].problems, 1);
  EXPECT_EQ(counts.stages[0].problems_solved, 1);
  EXPECT_EQ(counts.stages[0].tokens, 60);
  EXPECT_EQ(to_json(counts).at("stages")[0].at("correct"), 5);
}

TEST_F(PoolTest, AStageBegunAgainStartsCleanButKeepsItsRollouts) {
  Pool pool = Pool::open(file_);
  fill(pool);
  EXPECT_THROW(pool.begin_stage({.name = "imitate", .kind = "imitate"}), Error);  // done
  const int64_t first = pool.add_rollout("explore-1", 1, rollout("a", 0));
  const int64_t second = pool.add_rollout("explore-1", 1, rollout("a", 1));
  const auto results = [&] {
    pool.add_selection(
        {"explore-1", 1, "longest", {RowOrigin::Kind::kRollout, first}, 0, "correct", true, 0, ""});
    pool.add_training_row({"explore-1", 0, {RowOrigin::Kind::kRollout, first}, "h", 3});
    pool.add_pair({"explore-1", 0, first, second});
    pool.add_score(
        {"explore-1", "M1", "easy", 500, 1, 0.5, 0.45, 0.55, 1, 0, 20, Json{{"pass_at_k", 0.5}}});
  };
  results();
  EXPECT_THROW(results(), Error);  // twice without a restart
  pool.stop_stage("explore-1", 0.5);
  EXPECT_EQ(pool.stage("explore-1")->state, StageState::kRunning);
  pool.finish_stage("explore-1", StageState::kFailed, 1, 0, Json::object());
  pool.begin_stage({.name = "explore-1", .kind = "explore", .round = 1});
  EXPECT_EQ(pool.counts().training_rows + pool.counts().pairs, 0);
  EXPECT_TRUE(pool.selections("explore-1").empty() && pool.scores().empty());
  EXPECT_EQ(pool.counts().rollouts, 2);
  results();
  pool.finish_stage("explore-1", StageState::kDone, 2, 2, Json::object());
  EXPECT_EQ(pool.stage("explore-1")->seconds, 3.5);
  EXPECT_EQ(pool.stages().size(), 2u);
  ASSERT_EQ(pool.scores().size(), 1u);
  const Json score = to_json(pool.scores()[0]);
  EXPECT_EQ(score.at("interval_95")[1], 0.55);
  EXPECT_EQ(score.at("pass_at_k"), 0.5);
  EXPECT_EQ(pool.pairs("explore-1").at(0).rejected, second);
  EXPECT_EQ(pool.training_rows("explore-1").at(0).origin,
            (RowOrigin{RowOrigin::Kind::kRollout, first}));
  EXPECT_THROW(pool.add_pair({"explore-1", 1, first, first}), Error);
}

TEST_F(PoolTest, WhatHasBegunComesBackAndGoesWithItsRollout) {
  const auto part = [](const char* problem, int sample, int64_t first, data::Partial tokens) {
    return PartialRecord{"explore-1", "", problem, sample, "request", first, std::move(tokens)};
  };
  {
    Pool pool = Pool::open(file_);
    fill(pool);
    pool.add_partial(part("a", 1, 0, {{7}, {-0.5f}}));
    pool.add_partial(part("a", 0, 0, {{1, 2}, {-0.1f, -1e-30f}}));
    pool.add_partial(part("b", 0, 0, {{9}, {-2.0f}}));
    pool.add_partial(part("a", 0, 2, {{151645}, {-3.25f}}));
    EXPECT_THROW(pool.add_partial(part("a", 2, 0, {{5, 6}, {-1.0f}})), Error);
    EXPECT_THROW(pool.add_partial(part("c", 0, 0, {{5}, {-1.0f}})), Error);
  }
  Pool pool = Pool::open(file_);
  pool.begin_stage({.name = "explore-1", .kind = "explore", .round = 1});  // goes on
  std::vector<PartialRecord> partials = pool.partials("explore-1");
  ASSERT_EQ(partials.size(), 3u);
  EXPECT_EQ(partials[0].problem_id, "b");
  EXPECT_EQ(partials[1].problem_id + std::to_string(partials[1].sample), "a0");
  EXPECT_EQ(partials[1].tokens.token_ids, (std::vector<int32_t>{1, 2, 151645}));
  EXPECT_EQ(partials[1].tokens.logprobs, (std::vector<float>{-0.1f, -1e-30f, -3.25f}));
  EXPECT_EQ(partials[1].request_sha256, "request");
  EXPECT_TRUE(pool.partials("imitate").empty());

  pool.add_rollout("explore-1", 1, rollout("a", 0));
  pool.remove_partial(partials[0]);
  partials = pool.partials("explore-1");
  ASSERT_EQ(partials.size(), 1u);
  EXPECT_EQ(partials[0].sample, 1);
  pool.finish_stage("explore-1", StageState::kFailed, 1, 0, Json::object());
  EXPECT_EQ(pool.partials("explore-1").size(), 1u);  // it may be begun again
  pool.finish_stage("explore-1", StageState::kDone, 1, 1, Json::object());
  EXPECT_TRUE(pool.partials("explore-1").empty());
  EXPECT_EQ(pool.counts().rollouts, 1);

  pool.add_partial(part("b", 0, 1, {{5}, {-1.0f}}));  // behind nothing
  EXPECT_NE(testing::error_text([&] { (void)pool.partials("explore-1"); }).find("gap"),
            std::string::npos);
}

// Of a server's, which gives no log-probabilities and may take back what came.
TEST_F(PoolTest, WhatHasBegunMayGoOnOtherwise) {
  Pool pool = Pool::open(file_);
  fill(pool);
  const auto add = [&](int64_t first, std::vector<int32_t> ids) {
    pool.add_partial({"explore-1", "", "a", 0, "request", first, {std::move(ids), {}}});
  };
  const auto ids = [&] {
    const auto partials = pool.partials("explore-1");
    return partials.empty() ? std::vector<int32_t>{} : partials.at(0).tokens.token_ids;
  };
  using Ids = std::vector<int32_t>;
  pool.add_partial({"explore-1", "", "a", 1, "request", 0, {{8, 9}, {}}});  // another's
  add(0, {1, 2, 3});
  add(3, {4, 5});
  EXPECT_EQ(ids(), (Ids{1, 2, 3, 4, 5}));
  EXPECT_TRUE(pool.partials("explore-1").at(0).tokens.logprobs.empty());
  add(2, {30, 40});  // within a piece
  EXPECT_EQ(ids(), (Ids{1, 2, 30, 40}));
  add(2, {});  // at the end of one
  EXPECT_EQ(ids(), (Ids{1, 2}));
  add(2, {3});
  EXPECT_EQ(ids(), (Ids{1, 2, 3}));
  pool.verify();
  add(0, {});
  EXPECT_EQ(ids(), (Ids{8, 9}));  // nothing of it
}

TEST_F(PoolTest, ARolloutKnowsTheArithmeticOfItsNumbers) {
  Pool pool = Pool::open(file_);
  fill(pool);
  data::Rollout t = rollout("a", 0);
  t.completion.precision = tensor::Precision::kBf16;
  const int64_t id = pool.add_rollout("explore-1", 1, t);
  EXPECT_EQ(pool.rollout(id)->rollout.completion.precision, tensor::Precision::kBf16);
  EXPECT_FALSE(pool.rollout(id)->rollout.perplexity);
  pool.set_perplexity(id, 1.5, "m1", tensor::Precision::kBf16);
  EXPECT_EQ(pool.rollout(id)->rollout.perplexity_precision, tensor::Precision::kBf16);
  EXPECT_EQ(pool.lineage("explore-1:0").at("origin").at("perplexity_precision"), "bf16-3");
  pool.set_perplexity(id, 1.5, "m1");
  EXPECT_EQ(pool.rollout(id)->rollout.perplexity_precision, tensor::Precision::kF32);
  // Equal numbers of another arithmetic, or another definition of it, are not the same rollout.
  EXPECT_EQ(pool.add_rollout("explore-1", 1, t), id);
  for (const auto other : {tensor::Precision::kF32, tensor::Precision::kBf16First}) {
    t.completion.precision = other;
    EXPECT_NE(testing::error_text([&] { pool.add_rollout("explore-1", 1, t); }).find("precision"),
              std::string::npos);
  }
}

TEST_F(PoolTest, LineageOfARollout) {
  Pool pool = Pool::open(file_);
  fill(pool);
  data::Rollout t = rollout("a", 4);
  t.verdict = judge::Verdict::kCorrect;
  t.proof = "extracted 42; equal numbers";
  t.perplexity = 1.5;
  t.perplexity_model_sha256 = "m1";
  const RowOrigin origin = {RowOrigin::Kind::kRollout, pool.add_rollout("explore-1", 1, t)};
  pool.begin_stage({.name = "refine-1", .kind = "refine", .round = 1});
  pool.add_selection({"refine-1", 1, "longest", origin, 1, "longest", true, 1, "3 tokens"});
  pool.add_selection({"refine-1", 1, "longest", origin, 0, "correct", true, 0, ""});
  pool.begin_stage({.name = "improve-1", .kind = "improve", .round = 1});
  pool.add_training_row({"improve-1", 12, origin, "texthash", 40});

  const Json json = pool.lineage("improve-1:12");
  EXPECT_EQ(json.at("row"), "improve-1:12");
  EXPECT_EQ(json.at("text_sha256"), "texthash");
  const Json& from = json.at("origin");
  EXPECT_EQ(from.at("problem").at("id"), "a");
  EXPECT_EQ(from.at("sample"), 4);
  EXPECT_EQ(from.at("seed"), t.seed);
  EXPECT_EQ(from.at("sampling").at("top_p"), 0.95);
  EXPECT_EQ(from.at("model_sha256"), "m1");
  EXPECT_EQ(from.at("models").size(), 2u);
  EXPECT_EQ(from.at("models")[1].at("name"), "M0");
  EXPECT_EQ(from.at("template_sha256"), "tpl");
  EXPECT_EQ(from.at("verdict"), "correct");
  EXPECT_EQ(from.at("proof"), t.proof);
  ASSERT_EQ(from.at("decisions").size(), 2u);
  EXPECT_EQ(from.at("decisions")[0].at("filter"), "correct");
  EXPECT_EQ(from.at("decisions")[1].at("rank"), 1);
  const std::string text = lineage_text(json);
  for (const char* part :
       {"rollout 4 of problem a", "stage explore-1", "M1 <- M0", "sha256 tpl", "temperature 0.75",
        "correct: extracted 42", "longest kept in refine-1", "rank 1", "3 tokens"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST_F(PoolTest, LineageOfADemonstrationAndOfAPair) {
  Pool pool = Pool::open(file_);
  fill(pool);
  data::Demonstration d;
  d.id = "d-9";
  d.question = "why?";
  d.thought = "t";
  d.solution = "s";
  d.line = 10;
  const RowOrigin origin = {RowOrigin::Kind::kDemonstration,
                            pool.add_demonstration("still.jsonl", 9, d)};
  pool.begin_stage({.name = "improve-1", .kind = "improve", .round = 1});
  pool.add_selection({"improve-1", 1, "all", origin, 0, "length", true, 0, ""});
  pool.add_training_row({"improve-1", 0, origin, "h", 7});
  const Json json = pool.lineage("improve-1:0");
  EXPECT_EQ(json.at("origin").at("kind"), "demonstration");
  EXPECT_EQ(json.at("origin").at("file"), "still.jsonl");
  EXPECT_EQ(json.at("origin").at("line"), 10);
  EXPECT_EQ(json.at("origin").at("decisions").size(), 1u);
  EXPECT_NE(lineage_text(json).find("still.jsonl (line 10)"), std::string::npos);

  const int64_t good = pool.add_rollout("explore-1", 1, rollout("a", 0));
  const int64_t bad = pool.add_rollout("explore-1", 1, rollout("a", 1));
  const RowOrigin chosen = {RowOrigin::Kind::kRollout, good};
  pool.begin_stage({.name = "refine-1", .kind = "refine", .round = 1});
  pool.add_selection({"refine-1", 1, "longest", chosen, 0, "correct", false, 0, ""});
  pool.begin_stage({.name = "dpo", .kind = "dpo", .inputs = {"M1", "explore-1"}});
  pool.add_pair({"dpo", 3, good, bad});
  pool.add_selection({"dpo", 0, "pairs", chosen, 0, "chosen", true, 0, "highest perplexity"});
  const Json pair = pool.lineage("dpo:3");
  EXPECT_EQ(pair.at("chosen").at("sample"), 0);
  EXPECT_EQ(pair.at("rejected").at("sample"), 1);
  EXPECT_NE(lineage_text(pair).find("not judged"), std::string::npos);
  // The pair's own decision, and refinement's about the same rollout is not among them; of a row
  // that refinement selected it is the other way round.
  ASSERT_EQ(pair.at("chosen").at("decisions").size(), 1u);
  EXPECT_EQ(pair.at("chosen").at("decisions")[0].at("filter"), "chosen");
  pool.begin_stage({.name = "improve-2", .kind = "improve", .inputs = {"M1", "refine-1"}});
  pool.add_training_row({"improve-2", 0, chosen, "h", 3});
  const Json row = pool.lineage("improve-2:0").at("origin");
  ASSERT_EQ(row.at("decisions").size(), 1u);
  EXPECT_EQ(row.at("decisions")[0].at("stage"), "refine-1");

  for (const char* wrong :
       {"improve-1", "improve-1:", "improve-1:x", "improve-1:-1", "improve-1:1", "nobody:0", ""}) {
    EXPECT_THROW(pool.lineage(wrong), Error) << wrong;
  }
  EXPECT_NE(
      testing::error_text([&] { pool.lineage("nobody:0"); }).find("improve-1:0 to improve-1:0"),
      std::string::npos);
}

// What a row is made of can only be gone from a database that is damaged.
TEST_F(PoolTest, LineageOfARowWhosePartsAreGoneIsAnError) {
  {
    Pool pool = Pool::open(file_);
    fill(pool);
    const int64_t good = pool.add_rollout("explore-1", 1, rollout("a", 0));
    const int64_t bad = pool.add_rollout("explore-1", 1, rollout("a", 1));
    pool.begin_stage({.name = "dpo", .kind = "dpo"});
    pool.add_pair({"dpo", 0, good, bad});
  }
  const std::filesystem::path whole = folder_ / "whole.db";
  std::filesystem::copy_file(file_, whole);
  EXPECT_NO_THROW(Pool::open_read_only(file_).lineage("dpo:0"));
  const struct {
    const char *table, *row, *gone;
  } parts[] = {{"trajectories", "sample = 1", "or its problem is gone"},
               {"problems", "id = 'a'", "or its problem is gone"},
               {"stages", "name = 'dpo'", "stage \"dpo\" is gone"}};
  for (const auto& [table, row, gone] : parts) {
    std::filesystem::copy_file(whole, file_, std::filesystem::copy_options::overwrite_existing);
    sqlite::Database(file_, sqlite::Database::Access::kWrite)
        .execute(fmt::format("PRAGMA foreign_keys = OFF; DELETE FROM {} WHERE {}", table, row));
    const std::string error =
        testing::error_text([&] { Pool::open_read_only(file_).lineage("dpo:0"); });
    EXPECT_NE(error.find(gone), std::string::npos) << error;
  }
}

}  // namespace
}  // namespace ponder::pool
