#include "dash/rollout_list.h"

#include "report/run_fixture.h"

namespace ponder::dash {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kNoTime{0}, kLong{60'000};

class RolloutListTest : public report::ReportTest {
 protected:
  RolloutListTest() {
    report::fill_run(pool_);
    refresh();
  }
  void refresh() {
    EXPECT_TRUE(list_.refresh(pool_.stages()));
    list_.list(pool_, kLong);
    EXPECT_TRUE(list_.listed());
  }
  // Of each problem that explore-1 has rollouts of, so many.
  void add_rollouts(const std::string& stage, int samples) {
    std::vector<data::Rollout> rollouts;
    pool_.for_each_rollout({.stage = "explore-1"}, [&](const pool::StoredRollout& stored) {
      if (stored.rollout.sample == 0) rollouts.push_back(stored.rollout);
    });
    pool::Pool::Transaction transaction(pool_);
    for (data::Rollout& rollout : rollouts)
      for (rollout.sample = 0; rollout.sample < samples; ++rollout.sample)
        pool_.add_rollout(stage, 3, rollout);
    transaction.commit();
  }
  size_t found() const {
    return static_cast<size_t>(
        std::count_if(list_.entries().begin(), list_.entries().end(),
                      [&](const pool::RolloutEntry& e) { return list_.holds_text(e.id); }));
  }

  pool::Pool pool_ = open();
  RolloutList list_;
};

TEST_F(RolloutListTest, KeysAreListedInPieces) {
  report::begin(pool_, pool::stage_kind::kExplore, "explore-3", 3);
  add_rollouts("explore-3", 30);
  RolloutList list;
  EXPECT_TRUE(list.refresh(pool_.stages()));
  int pieces = 0;
  for (; !list.listed() && pieces < 1000; ++pieces) {
    EXPECT_FALSE(list.refresh(pool_.stages()));  // it goes on
    EXPECT_FALSE(list.complete());
    EXPECT_TRUE(list.size_text().ends_with(" and more"));
    list.list(pool_, kNoTime);
  }
  EXPECT_GT(pieces, static_cast<int>(pool_.stages().size()));
  EXPECT_EQ(list.size_text(), "1,440");
  // In the same order as all at once, and each in its stage.
  refresh();
  ASSERT_EQ(list_.entries().size(), 1440u);
  for (size_t i = 0; i < 1440; ++i) {
    EXPECT_EQ(list.entries()[i].id, list_.entries()[i].id);
    EXPECT_EQ(list.entries()[i].stage, list_.entries()[i].stage);
  }
}

TEST_F(RolloutListTest, TheOldListIsShownUntilTheNewOneIsThere) {
  report::begin(pool_, pool::stage_kind::kExplore, "explore-3", 3);
  add_rollouts("explore-3", 30);
  refresh();
  list_.look(pool_, kLong);
  add_rollouts("explore-3", 40);
  EXPECT_TRUE(list_.refresh(pool_.stages()));
  list_.list(pool_, kNoTime);
  EXPECT_EQ(list_.entries().size(), 1440u);
  EXPECT_FALSE(list_.complete());
  while (!list_.listed()) list_.list(pool_, kNoTime);
  EXPECT_EQ(list_.entries().size(), 1840u);
  EXPECT_EQ(list_.num_looked_at(), 1440u);  // they are judged, and stay known
  // A stage that goes away in the middle of a listing is not shown any more, nor are places mixed up.
  add_rollouts("explore-3", 50);
  EXPECT_TRUE(list_.refresh(pool_.stages()));
  list_.list(pool_, kNoTime);
  const std::vector<std::string> dropped = {"explore-2", "explore-3"};
  pool_.forget_stages({}, dropped);
  const std::vector<pool::StageRecord> stages = pool_.stages();
  EXPECT_TRUE(list_.refresh(stages));
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(list_.entries().size(), 120u);
    for (const pool::RolloutEntry& entry : list_.entries())
      EXPECT_EQ(stages[static_cast<size_t>(entry.stage)].name, "explore-1");
    list_.list(pool_, kLong);
  }
  EXPECT_TRUE(list_.complete());
}

TEST_F(RolloutListTest, AllAreKnownAtOnceAndLookedAtInPieces) {
  EXPECT_EQ(list_.entries().size(), 240u);
  EXPECT_EQ(list_.num_looked_at(), 0u);
  RolloutFilter right;
  right.verdict = "correct";
  EXPECT_FALSE(right.takes(list_.entries()[0]));  // as nobody knows yet
  EXPECT_TRUE(RolloutFilter{}.takes(list_.entries()[0]));
  int pieces = 0;
  for (; !list_.complete() && pieces < 1000; ++pieces) {
    const size_t before = list_.num_looked_at();
    list_.look(pool_, kNoTime);
    EXPECT_GT(list_.num_looked_at(), before);  // each time it comes further
  }
  EXPECT_GT(pieces, 2);
  EXPECT_EQ(list_.num_looked_at(), 240u);
  EXPECT_TRUE(right.takes(list_.entries()[0]));
  EXPECT_FALSE(right.takes(list_.entries()[1]));
}

TEST_F(RolloutListTest, WhatIsKnownStaysUntilItCanHaveChanged) {
  list_.look(pool_, kLong);
  report::begin(pool_, pool::stage_kind::kExplore, "explore-3", 3);
  data::Rollout rollout;
  pool_.for_each_rollout({.stage = "explore-1"},
                         [&](const pool::StoredRollout& s) { rollout = s.rollout; });
  const std::optional<judge::Verdict> verdict = rollout.verdict;
  rollout.verdict.reset();
  const int64_t id = pool_.add_rollout("explore-3", 3, rollout);
  refresh();
  EXPECT_EQ(list_.num_looked_at(), 240u);
  list_.look(pool_, kLong);
  EXPECT_FALSE(list_.entries().back().verdict);
  pool_.set_verdict(id, *verdict, "numbers");
  refresh();
  EXPECT_FALSE(list_.complete());  // it was not judged: it may be now
  list_.look(pool_, kLong);
  EXPECT_EQ(list_.entries().back().verdict, verdict);
  // A stage that is done again is judged again.
  pool_.finish_stage("explore-3", pool::StageState::kDone, 1, 1, Json::object());
  refresh();
  EXPECT_TRUE(list_.complete());
  const std::vector<std::string> redone = {"explore-3"};
  pool_.forget_stages(redone, {});
  refresh();
  EXPECT_EQ(list_.num_looked_at(), 240u);
  list_.look(pool_, kLong);
  EXPECT_FALSE(list_.entries().back().verdict);
}

TEST_F(RolloutListTest, TextsAreSearchedInPiecesAndOnce) {
  RolloutFilter second;
  for (size_t i = 0; i < pool_.stages().size(); ++i)
    if (pool_.stages()[i].name == "explore-2") second.stage = static_cast<int32_t>(i);
  list_.search(pool_, "I add 7 and", second, kNoTime);
  EXPECT_LE(found(), 3u);
  int pieces = 1;
  while (list_.search_on(pool_, kNoTime)) ++pieces;
  EXPECT_GT(pieces, 1);
  EXPECT_EQ(found(), 3u);
  EXPECT_FALSE(list_.was_read(list_.entries()[0].id));  // of explore-1
  list_.search(pool_, "I add 7 and", {}, kLong);
  EXPECT_EQ(found(), 6u);
  list_.search(pool_, "no such text", {}, kLong);
  EXPECT_EQ(found(), 0u);
  EXPECT_TRUE(list_.was_read(list_.entries()[0].id));
}

}  // namespace
}  // namespace ponder::dash
