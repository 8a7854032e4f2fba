#include "report/metrics.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "testing/temporary_folder.h"

namespace ponder::report {
namespace {

TEST(StepMetrics, TakesTheNumbersOfALine) {
  StepMetrics metrics;
  EXPECT_TRUE(metrics.add(
      R"({"step": 3, "loss": 0.5, "lr":1e-3, "skipped_rows":["a, \"b\"", {"x": 1}], "note":"}", "nan": null})"));
  EXPECT_TRUE(metrics.add(R"({"loss":-2,"step":4})"));
  ASSERT_EQ(metrics.series().size(), 2u);
  ASSERT_EQ(metrics.series().at("loss").size(), 2u);
  EXPECT_EQ(metrics.series().at("loss")[1].step, 4);
  EXPECT_EQ(metrics.series().at("loss")[1].value, -2);
  EXPECT_EQ(metrics.series().at("lr")[0].value, 1e-3);
  for (const char* bad : {"", "{", "[1]", R"({"loss": 1})", R"({"step": 1, "loss": 2)", "{\"a",
                          R"({"step" 1})", R"({"step": 1, "x": "y})"}) {
    EXPECT_FALSE(metrics.add(bad)) << bad;
  }
  EXPECT_EQ(metrics.num_steps(), 2);
}

TEST(StepMetrics, FollowsAFileThatGrows) {
  const testing::TemporaryFolder folder;
  const auto log = folder / "imitate.jsonl";
  StepMetrics metrics;
  metrics.read(log);
  EXPECT_EQ(metrics.num_steps(), 0);
  std::ofstream(log) << "{\"step\":1,\"loss\":2}\n{\"step\":2,\"lo";
  metrics.read(log);
  EXPECT_EQ(metrics.num_steps(), 1);
  std::ofstream(log, std::ios::app) << "ss\":1}\nbroken\n";
  metrics.read(log);
  EXPECT_EQ(metrics.num_steps(), 2);
  EXPECT_EQ(metrics.bad_lines(), 1);
  std::ofstream(folder / "other") << "{\"step\":1,\"loss\":9}\n";  // begun anew, as StepLog does
  std::filesystem::rename(folder / "other", log);
  metrics.read(log);
  EXPECT_EQ(metrics.num_steps(), 1);
  EXPECT_EQ(metrics.series().at("loss")[0].value, 9);
}

TEST(StepMetrics, ReadsALongFileInPieces) {
  const testing::TemporaryFolder folder;
  const auto log = folder / "imitate.jsonl";
  std::string text;
  for (int step = 1; step <= 50; ++step)
    text += "{\"step\":" + std::to_string(step) + ",\"a\":1}\n";
  std::ofstream(log) << text << "{\"step\":51,\"note\":\"" << std::string(500, 'x') << "\"}\n"
                     << "{\"step\":52";
  StepMetrics metrics;
  int pieces = 1;
  for (; !metrics.read(log, 100) && pieces < 100; ++pieces) {
  }
  EXPECT_GT(pieces, 5);
  EXPECT_LT(pieces, 100);
  EXPECT_EQ(metrics.num_steps(), 51);
  EXPECT_EQ(metrics.bad_lines(), 0);
  EXPECT_TRUE(metrics.read(log, 100));
}

TEST(StepMetrics, AsCsv) {
  StepMetrics metrics;
  metrics.add(R"({"step": 1, "loss": 0.1, "lr": 0.001})");
  metrics.add(R"({"step": 2, "lr": 0.002})");
  metrics.add(R"({"step": 3, "loss": 2})");
  EXPECT_EQ(to_csv(metrics), "step,loss,lr\n1,0.1,0.001\n2,,0.002\n3,2,\n");
}

TEST(StepMetrics, StepsHaveTheTimesTheyTook) {
  StepMetrics metrics;
  metrics.add(R"({"step": 1, "loss": 2, "tokens": 1000, "tokens_per_second": 4000})");
  metrics.add(R"({"step": 2, "loss": 1, "tokens": 3000, "tokens_per_second": 1000})");
  EXPECT_EQ(to_csv(metrics, 86400 * 365),
            "step,timestamp,loss,tokens,tokens_per_second\n"
            "1,1971-01-01T00:00:00.250Z,2,1000,4000\n"
            "2,1971-01-01T00:00:03.250Z,1,3000,1000\n");
}

TEST(StepMetrics, AsLlamaFactorysTrainerLog) {
  StepMetrics metrics;
  metrics.add(
      R"({"step": 1, "num_steps": 3, "loss": 2, "lr": 0.001, "epoch": 0.25, "tokens": 7200, "tokens_per_second": 1})");
  metrics.add(R"({"step": 2, "num_steps": 3, "accuracy": 0.5})");
  EXPECT_EQ(
      to_trainer_log(metrics),
      R"({"current_steps":1,"elapsed_time":"2:00:00","total_steps":3,"percentage":33.33,"remaining_time":"4:00:00","epoch":0.25,"loss":2.0,"lr":0.001})"
      "\n"
      R"({"current_steps":2,"elapsed_time":"2:00:01","total_steps":3,"percentage":66.67,"remaining_time":"1:00:00","accuracy":0.5})"
      "\n");
}

// https://www.rfc-editor.org/rfc/rfc3720#appendix-B.4
TEST(EventFile, Crc32cOfTheStandard) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
}

TEST(EventFile, RecordsAreWhole) {
  StepMetrics metrics;
  metrics.add(R"({"step": 300, "loss": 0.5})");
  const std::string file = to_event_file(metrics, 1000);
  size_t at = 0, records = 0;
  const auto number = [&](auto value, size_t from) {
    std::memcpy(&value, file.data() + from, sizeof value);
    return value;
  };
  const auto masked = [](uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; };
  std::string last;
  while (at < file.size()) {
    const uint64_t length = number(uint64_t{}, at);
    ASSERT_LE(at + 16 + length, file.size());
    EXPECT_EQ(number(uint32_t{}, at + 8), masked(crc32c(file.substr(at, 8))));
    last = file.substr(at + 12, length);
    EXPECT_EQ(number(uint32_t{}, at + 12 + length), masked(crc32c(last)));
    at += 16 + length;
    ++records;
  }
  EXPECT_EQ(records, 2u);
  // wall_time 1001.0; step 300; summary { value { tag "loss"; simple_value 0.5 } }
  const std::string expected(
      "\x09\0\0\0\0\0\x48\x8f\x40\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15\0\0\0\x3f", 27);
  EXPECT_EQ(last, expected);
}

}  // namespace
}  // namespace ponder::report
