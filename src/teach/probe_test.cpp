// A teacher that is asked for a few samples first, and what it then says of the rest.
#include <gtest/gtest.h>

#include "teach/endpoint_fixture.h"
#include "testing/error_text.h"
#include "testing/temporary_folder.h"

namespace ponder::teach {
namespace {

class ProbeTest : public ::testing::Test {
 protected:
  ProbeTest()
      : endpoint_([this](int number, int times, const Json&) {
          Reply reply = right_reply(number);
          if (number == 5 && times == 0) reply.content = "\\boxed{0}";
          reply.completion_tokens = number == 1 ? 10 : number == 5 ? 20 : 30;
          reply.finish = fails_ ? "length" : "stop";
          return reply;
        }),
        settings_(settings_for(endpoint_)) {
    settings_.samples = 4;
    settings_.prices = {"USD", 1'000'000, 1'000'000, 10'000'000, true};
  }
  std::unique_ptr<Teacher> teacher(int count = 10) {
    return std::make_unique<Teacher>(sums(count), settings_, files(), monitor_);
  }
  TeacherFiles files() const { return teacher_files(folder_ / "taught"); }

  const testing::TemporaryFolder folder_;
  NullMonitor monitor_;
  std::atomic<bool> fails_ = false;
  Endpoint endpoint_;
  TeacherSettings settings_;
};

using Asked = std::map<int, int>;

TEST_F(ProbeTest, AsksAFewAndTheRestIsAskedByTheWhole) {
  {
    const auto probed = teacher();
    EXPECT_TRUE(probed->probe(3, nullptr));
    EXPECT_EQ(endpoint_.asked(), (Asked{{1, 1}, {5, 1}, {8, 1}}));
    const Estimate likely = probed->estimate();
    EXPECT_EQ(likely.right, 2);
    EXPECT_EQ(likely.answers, 3);
    EXPECT_EQ(likely.least_requests, 8);  // seven problems, and the wrong one's second
    EXPECT_EQ(likely.most_requests, 31);
    EXPECT_NEAR(likely.expected_requests.value(), 319.0 / 27, 1e-9);
    EXPECT_EQ(likely.tokens.mean, 20);
    // 9 prompt tokens and 10, 20 and 30 of the answer.
    EXPECT_EQ(likely.price.mean, 209'000'000);
    EXPECT_EQ(likely.price.ninetieth, 309'000'000);
    EXPECT_EQ(likely.all_price.likely, 627'000'000 + 2'469'296'296);
    EXPECT_EQ(likely.all_price.most, int64_t{627'000'000} + int64_t{31} * 2'042'000'000);
    EXPECT_TRUE(probed->probe(3, nullptr));
    probed->write_rows();
  }
  EXPECT_TRUE(teacher()->probe(3, nullptr));  // the same three
  EXPECT_EQ(endpoint_.num_asked(), 3);
  const auto whole = teacher();
  EXPECT_TRUE(whole->ask(nullptr));
  EXPECT_EQ(whole->report().kept, 10);
  EXPECT_EQ(
      endpoint_.asked(),
      (Asked{{0, 1}, {1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 2}, {6, 1}, {7, 1}, {8, 1}, {9, 1}}));
  EXPECT_EQ(whole->estimate().most_requests, 0);
}

TEST_F(ProbeTest, OfFewerProblemsItAsksEach) {
  EXPECT_TRUE(teacher(2)->probe(20, nullptr));
  EXPECT_EQ(endpoint_.asked(), (Asked{{0, 1}, {1, 1}}));
}

// A wrong first sample is not followed by a second one.
TEST_F(ProbeTest, AsksNoSecondSample) {
  fails_ = true;
  const auto probed = teacher();
  EXPECT_TRUE(probed->probe(10, nullptr));
  EXPECT_EQ(endpoint_.num_asked(), 10);
  EXPECT_EQ(probed->estimate().expected_requests, 30);  // none is right: all of them
  EXPECT_EQ(probed->estimate().least_requests, 10);
}

TEST_F(ProbeTest, KeepsWithinTheBudgetAndSaysWhatAllWouldTake) {
  settings_.budget = *amount_from_text("0.0021");  // .002042 a request at the most
  settings_.fleet.rules.max_inflight = 1;
  const auto probed = teacher();
  const std::string said = testing::error_text([&] { probed->probe(3, nullptr); });
  EXPECT_TRUE(probed->ended_by_budget());
  EXPECT_EQ(endpoint_.num_asked(), 1);
  for (const char* part :
       {"an answer costs 0.000109 in the mean, nine of ten no more than 0.000109",
        "9 to 36 requests are left", "in all likely USD 0.00109, at most 0.073621;"})
    EXPECT_NE(said.find(part), std::string::npos) << part << "\n" << said;
}

// What was asked without prices has its price now.
TEST_F(ProbeTest, IsReckonedAtThePricesOfNow) {
  const Prices prices = settings_.prices;
  settings_.prices = {};
  EXPECT_TRUE(teacher()->probe(3, nullptr));
  EXPECT_EQ(teacher()->estimate().currency, "");
  settings_.prices = prices;
  const Estimate likely = teacher()->estimate();
  EXPECT_EQ(likely.price.mean, 209'000'000);
  EXPECT_EQ(likely.all_price.likely, 2'469'296'296);  // nothing was booked
}

TEST_F(ProbeTest, IsLookedAtWhileAnotherAsks) {
  const auto asking = teacher();
  EXPECT_TRUE(asking->probe(3, nullptr));
  const auto looking = Teacher::to_look_at(sums(10), settings_, files(), monitor_);
  EXPECT_EQ(looking->estimate().json(), asking->estimate().json());
  const auto absent = teacher_files(folder_ / "absent");
  EXPECT_NE(testing::error_text([&] { Teacher::to_look_at(sums(1), settings_, absent, monitor_); }),
            "(no error)");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "absent"));
}

// --again that was interrupted before the probe is not over because of it.
TEST_F(ProbeTest, LeavesOpenWhatIsAskedAgain) {
  settings_.samples = 1;
  fails_ = true;
  EXPECT_TRUE(teacher()->ask(nullptr));
  settings_.max_tokens = 200;
  teacher()->again({"length"});
  EXPECT_TRUE(teacher()->probe(3, nullptr));
  EXPECT_EQ(endpoint_.num_asked(), 13);
  const auto went_on = teacher();
  went_on->again({"length"});
  EXPECT_TRUE(went_on->ask(nullptr));
  EXPECT_EQ(endpoint_.num_asked(), 20);
}

}  // namespace
}  // namespace ponder::teach
