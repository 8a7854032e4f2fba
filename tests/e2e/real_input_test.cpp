// Real files: the benchmarks as their authors publish them, and a Qwen2.5-0.5B cut to two layers
// that learns from real long thoughts with the real tokenizer. Skipped where the shared data is
// absent.
#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

const fs::path kData = testing::shared_data();

#define SKIP_WITHOUT(path) \
  if (!fs::exists(path)) GTEST_SKIP() << "no shared data: " << (path)

struct RealBenchmark {
  std::string file;
  int rows;
  std::string answer;  // in every response
};

void PrintTo(const RealBenchmark& benchmark, std::ostream* out) { *out << benchmark.file; }

class WholeBenchmark : public ::testing::TestWithParam<RealBenchmark> {};

// All rows are read, each response judged: an answer that is right for some and wrong for others.
TEST_P(WholeBenchmark, IsReadWhole) {
  const fs::path file = kData / "benchmarks" / GetParam().file;
  SKIP_WITHOUT(file);
  const testing::TemporaryFolder folder;
  std::string responses;
  for (int i = 0; i < GetParam().rows; ++i) {
    responses +=
        dump_json({{"response", "So the answer is \\boxed{" + GetParam().answer + "}."}}) + "\n";
  }
  write_file_atomic(folder / "responses.jsonl", responses);
  const testing::Outcome outcome =
      ponder({"eval", "--benchmark", file, "--responses", folder / "responses.jsonl", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const std::vector<Json> scores = json_lines(outcome.out);
  ASSERT_EQ(scores.size(), 1u);
  EXPECT_EQ(scores[0]["n"], GetParam().rows);
  EXPECT_EQ(scores[0]["finished"], 1.0);
  const double accuracy = scores[0]["accuracy"].get<double>();
  EXPECT_GT(accuracy, 0.0);
  EXPECT_LT(accuracy, 0.5);

  // One response too many names its line.
  write_file_atomic(folder / "responses.jsonl", responses + "{\"response\": \"x\"}\n");
  const testing::Outcome surplus =
      ponder({"eval", "--benchmark", file, "--responses", folder / "responses.jsonl", "--json"});
  EXPECT_EQ(surplus.status, 1);
  EXPECT_NE(surplus.err.find("responses.jsonl:" + std::to_string(GetParam().rows + 1)),
            std::string::npos)
      << surplus.err;
}

INSTANTIATE_TEST_SUITE_P(Real, WholeBenchmark,
                         ::testing::Values(RealBenchmark{"MATH_OAI.jsonl", 500, "2"},
                                           RealBenchmark{"AIME24.jsonl", 30, "204"},
                                           RealBenchmark{"gpqa_diamond.json.gz", 198, "A"}),
                         [](const auto& test) { return test.param.file.substr(0, 4); });

TEST(SlowRealModel, LearnsFromRealThoughtsAndSpeaks) {
  const fs::path config_file = kData / "configs/Qwen2.5-0.5B-Instruct.config.json";
  const fs::path thoughts = kData / "imitation/still_format.jsonl";
  const fs::path tokenizer = kData / "tokenizers/qwen2.5";
  SKIP_WITHOUT(config_file);
  SKIP_WITHOUT(thoughts);
  SKIP_WITHOUT(tokenizer);
  const testing::TemporaryFolder folder;
  Json config = read_json_file(config_file);
  config["num_hidden_layers"] = 2;
  config["max_window_layers"] = 2;
  write_file_atomic(folder / "config.json", dump_json(config));
  const testing::Outcome made =
      ponder({"init", "--config", folder / "config.json", "--tokenizer", tokenizer, "--dtype",
              "bfloat16", "--out", folder / "base", "--quiet"});
  ASSERT_EQ(made.status, 0) << made.err;

  // Six short real rows, and a long one, which is rejected and counted, never cut.
  std::string rows, longest;
  int short_rows = 0;
  for (const std::string& line : testing::lines_of(read_file(thoughts))) {
    if (line.size() > longest.size()) longest = line;
    if (line.size() > 2600 || short_rows == 6) continue;
    rows += line + "\n";
    ++short_rows;
  }
  ASSERT_EQ(short_rows, 6);
  rows += longest + "\n";
  write_file_atomic(folder / "thoughts.jsonl", rows);
  const testing::Outcome sft =
      ponder({"sft", "--model", folder / "base", "--data", folder / "thoughts.jsonl", "--out",
              folder / "out", "--max-length", "2048", "--batch-rows", "2", "--steps", "3", "--lr",
              "1e-4", "--json"},
             {.folder = folder.path(), .input = "", .limit = std::chrono::minutes(5)});
  ASSERT_EQ(sft.status, 0) << sft.err;
  const std::vector<Json> steps = json_lines(sft.out);
  ASSERT_EQ(steps.size(), 3u);
  for (const Json& step : steps) {
    // A random model of 151,936 tokens knows nothing: ln 151936 = 11.93.
    EXPECT_GT(step["loss"].get<double>(), 8.0);
    EXPECT_LT(step["loss"].get<double>(), 14.0);
    EXPECT_GT(step["tokens"].get<int64_t>(), 200);
    EXPECT_LE(step["tokens"].get<int64_t>(), 2 * 2048);
  }
  EXPECT_LT(steps[2]["loss"].get<double>(), steps[0]["loss"].get<double>());
  EXPECT_NE(sft.err.find("too_long"), std::string::npos)
      << "the rejected rows are not counted: " << sft.err;

  const testing::Outcome spoken =
      ponder({"generate", "--model", folder / "out", "--prompt", "How many r are in strawberry?",
              "-n", "2", "--temperature", "1", "--max-tokens", "16", "--json"},
             {.folder = folder.path(), .input = "", .limit = std::chrono::minutes(3)});
  ASSERT_EQ(spoken.status, 0) << spoken.err;
  const std::vector<Json> samples = json_lines(spoken.out);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_NE(samples[0]["token_ids"], samples[1]["token_ids"]);
}

}  // namespace
}  // namespace ponder::e2e
