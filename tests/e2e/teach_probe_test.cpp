// ponder teach --probe, and what ponder plan says of a teacher that has answers.
#include <fmt/format.h>

#include "base/file.h"
#include "e2e/ponder.h"
#include "teach/endpoint_fixture.h"

namespace ponder::e2e {
namespace {

class TeachProbe : public ::testing::Test {
 protected:
  TeachProbe() {
    std::string rows;
    for (int i = 0; i < 10; ++i)
      rows += fmt::format("{{\"id\":\"p{}\",\"problem\":\"What is {} + 1?\",\"answer\":\"{}\"}}\n",
                          i, i, i + 1);
    write_file_atomic(problems_, rows);
  }
  std::vector<std::string> arguments(std::initializer_list<std::string> more) const {
    std::vector<std::string> all =
        command({"teach", "--server", endpoint_.url(), "--served-model", "teacher", "--problems",
                 problems_, "--out", folder_ / "answers", "--samples", "4", "--max-tokens", "100",
                 "--price-input", "1", "--price-output", "10", "--quiet"});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  const testing::TemporaryFolder folder_;
  const std::string problems_ = folder_ / "problems.jsonl";
  // The second of three is wrong at first; 10, 20 and 30 tokens.
  teach::Endpoint endpoint_{[](int number, int times, const Json&) {
    teach::Reply reply = teach::right_reply(number);
    if (number == 5 && times == 0) reply.content = "\\boxed{0}";
    reply.completion_tokens = number == 1 ? 10 : number == 5 ? 20 : 30;
    return reply;
  }};
};

constexpr const char* kRequests =
    "8 to 31 requests are left, likely 11.8 (2 of 3 answers are right)";
constexpr const char* kTotal = "in all likely USD 0.003096, at most 0.063929";

TEST_F(TeachProbe, ThreeOfTenSayWhatTheRestTakes) {
  const testing::Outcome probed = testing::run(arguments({"--probe", "3"}));
  ASSERT_EQ(probed.status, 0) << probed.err;
  EXPECT_EQ(endpoint_.asked(), (std::map<int, int>{{1, 1}, {5, 1}, {8, 1}}));
  const std::string expected =
      "2 of 10 problems solved; 3 answers: 2 kept, 1 rejected (1 wrong); 8 to be asked next\n"
      "USD 0.000627 spent, 27 prompt and 60 completion tokens\n" +
      std::string(kRequests) +
      "\nan answer has 20 completion tokens in the mean, nine of ten no more than 30, and costs "
      "USD 0.000209 in the mean, nine of ten no more than 0.000309\n" +
      kTotal + "\n";
  EXPECT_EQ(probed.out, expected);
  // Once more it asks nobody, and says the same.
  const testing::Outcome again = testing::run(arguments({"--probe", "3", "--json"}));
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(endpoint_.num_asked(), 3);
  const Json likely = json_lines(again.out).at(0)["estimate"];
  EXPECT_EQ(likely["least_requests"], 8);
  EXPECT_EQ(likely["most_requests"], 31);
  EXPECT_NEAR(likely["expected_requests"].get<double>(), 319.0 / 27, 1e-9);
  EXPECT_EQ(likely["answer_price"], (Json{{"mean", "0.000209"}, {"p90", "0.000309"}}));
  EXPECT_EQ(likely["total_price"], (Json{{"likely", "0.003096296296"},
                                         {"low_95", nullptr},
                                         {"high_95", nullptr},
                                         {"most", "0.063929"}}));
  // The whole goes on from there.
  const testing::Outcome whole = testing::run(arguments({"--json"}));
  ASSERT_EQ(whole.status, 0) << whole.err;
  const Json result = json_lines(whole.out).at(0);
  EXPECT_EQ(result["kept"], 10);
  EXPECT_FALSE(result.contains("estimate"));
  EXPECT_EQ(endpoint_.num_asked(), 11);
  EXPECT_EQ(endpoint_.asked().at(1), 1);
  EXPECT_EQ(endpoint_.asked().at(5), 2);
  EXPECT_EQ(endpoint_.asked().at(8), 1);
}

TEST_F(TeachProbe, APlanSaysWhatTheTeacherWillLikelyTake) {
  std::string text = read_file(testing::source_dir() / "recipes/tiny.toml");
  const std::string old = "demonstrations = [{ synth = \"choice\", levels = 1, count = 32 }]";
  ASSERT_NE(text.find(old), std::string::npos);
  text.replace(text.find(old), old.size(),
               "demonstrations = [{ teacher = true }, { synth = \"choice\", levels = 1, count = 4, "
               "seed = 5 }]");
  text += fmt::format(R"(
[teacher]
url = "{}"
model = "teacher"
out = "answers"
problems = [{{ file = "problems.jsonl" }}]
samples = 4
max_tokens = 100
price = {{ input = "1", output = "10" }}
)",
                      endpoint_.url());
  const std::string recipe = folder_ / "taught.toml";
  write_file_atomic(recipe, text);
  make_tiny_base(folder_ / "base");
  const auto planned = [&](std::initializer_list<std::string> more) {
    std::vector<std::string> argv =
        command({"plan", recipe, "--set", "base=" + (folder_ / "base").string()});
    argv.insert(argv.end(), more.begin(), more.end());
    return testing::run(argv);
  };
  const testing::Outcome before = planned({});
  EXPECT_EQ(before.status, 1);
  EXPECT_EQ(before.err.find("likely"), std::string::npos) << before.err;
  EXPECT_FALSE(fs::exists(folder_ / "answers"));
  ASSERT_EQ(testing::run(arguments({"--probe", "3"})).status, 0);
  const testing::Outcome probed = planned({});
  EXPECT_EQ(probed.status, 0) << probed.err;
  const std::string lines = fmt::format("teacher: {}\nteacher: {}\n", kRequests, kTotal);
  EXPECT_NE(probed.out.find(lines), std::string::npos) << probed.out;
  const Json json = json_lines(planned({"--json"}).out).at(0);
  EXPECT_EQ(json["teacher"]["total_price"]["likely"], "0.003096296296");
  EXPECT_EQ(endpoint_.num_asked(), 3);
  // Without rows, as a kill may leave it, and with another question.
  const testing::Outcome other = planned({"--set", "teacher.system=Briefly."});
  EXPECT_NE(other.out.find("holds answers that were asked otherwise: system: "), std::string::npos)
      << other.out;
  fs::remove(folder_ / "answers/demonstrations.jsonl");
  const testing::Outcome without = planned({});
  EXPECT_EQ(without.status, 1);
  EXPECT_NE(without.err.find(kTotal), std::string::npos) << without.err;
  // Once all is there nothing is said of it.
  ASSERT_EQ(testing::run(arguments({})).status, 0);
  EXPECT_EQ(planned({}).out.find("\nteacher: "), std::string::npos);
  EXPECT_FALSE(json_lines(planned({"--json"}).out).at(0).contains("teacher"));
}

}  // namespace
}  // namespace ponder::e2e
