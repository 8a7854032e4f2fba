// Jobs that are looked at while they train, and that end with the last good weights.
#include "train/probe.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "testing/byte_tokenizer.h"
#include "testing/temporary_folder.h"
#include "train/test_world.h"
#include "train/trainer_state.h"
#include "train/training_job.h"

namespace ponder::train {
namespace {

namespace fs = std::filesystem;
using train_test::random_pairs;
using train_test::random_rows;
using train_test::tiny_model;

class ProbeTest : public ::testing::Test {
 protected:
  ProbeTest() {
    fs::create_directories(root / "base");
    write_file_atomic(root / "base" / "config.json", R"({
      "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 300,
      "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
      "num_key_value_heads": 1, "hidden_act": "silu", "max_position_embeddings": 512,
      "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "tie_word_embeddings": true,
      "initializer_range": 0.08, "torch_dtype": "float32", "eos_token_id": 259})");
    write_file_atomic(root / "base" / "tokenizer.json", testing::byte_tokenizer_json());
    options.lr = 2e-3;
    options.batch.batch_rows = 4;
    options.batch.epochs = 4;
  }

  // Of 12 steps, looked at after every second; the reading of step `bad` raises the alarm.
  JobOptions job(const std::string& out, int64_t bad = -1) {
    JobOptions result;
    result.out = root / out;
    result.base_folder = root / "base";
    result.probe.emplace();
    result.probe->every_steps = 2;
    result.probe->identity = {{"bad", bad}};
    result.probe->read = [this, bad](const Policy&, std::span<const ProbeReading> before) {
      const int64_t step = before.empty() ? 0 : before.back().step + 2;
      read.push_back(step);
      return ProbeReading{
          step, {{"probed", 0.5 + static_cast<double>(step)}}, step == bad ? "it fell" : ""};
    };
    return result;
  }
  JobResult train(const JobOptions& files) {
    SftTask task(random_rows(12));
    return run_training(tiny_model(), task, options, files, pool);
  }
  std::string weights(const std::string& out) const {
    return read_file(root / out / "model.safetensors");
  }

  testing::TemporaryFolder temporary;
  const fs::path root = temporary.path();
  TrainOptions options;
  ThreadPool pool{1};
  std::vector<int64_t> read;
};

TEST_F(ProbeTest, LooksAtTheStartEverySoManyStepsAndTheEnd) {
  JobOptions logged = job("out");
  logged.log = root / "log.jsonl";
  const JobResult result = train(logged);
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(read, (std::vector<int64_t>{0, 2, 4, 6, 8, 10, 12}));
  EXPECT_EQ(result.alarm, "");
  EXPECT_FALSE(fs::exists(good_folder(root / "out")));
  JsonRowReader rows(logged.log);
  JsonRow row;
  int64_t probed = 0;
  while (rows.next(row)) {
    if (!row.value.contains("probed")) continue;
    ++probed;
    EXPECT_EQ(row.value.at("probed").get<double>(), 0.5 + row.value.at("step").get<double>());
  }
  EXPECT_EQ(probed, 6);
  JobOptions unseen = job("unseen");
  unseen.probe.reset();
  train(unseen);
  EXPECT_EQ(weights("out"), weights("unseen")) << "looking changes nothing";
}

TEST_F(ProbeTest, AnAlarmEndsTheJobWithTheLastGoodWeights) {
  options.batch.seed = 3;
  JobOptions until_six = job("six");
  until_six.stop_after_steps = 6;
  until_six.probe.reset();
  train(until_six);
  const JobResult result = train(job("out", 8));
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(result.alarm, "it fell");
  EXPECT_EQ(result.steps_done, 6);
  EXPECT_EQ(result.losses.size(), 6u);
  EXPECT_EQ(weights("out"), weights("six"));
  EXPECT_FALSE(fs::exists(good_folder(root / "out")));
  EXPECT_FALSE(fs::exists(root / "out/trainer_state/optimizer.safetensors"));
  // Given again it is found done, with its alarm, and nobody looks.
  read.clear();
  const JobResult again = train(job("out", 8));
  EXPECT_TRUE(again.finished);
  EXPECT_EQ(again.alarm, "it fell");
  EXPECT_EQ(again.sha256, result.sha256);
  EXPECT_TRUE(read.empty());
}

TEST_F(ProbeTest, AnAlarmAtTheFirstLookKeepsNothing) {
  const JobResult result = train(job("out", 2));
  EXPECT_FALSE(result.finished);
  EXPECT_EQ(result.alarm, "it fell");
  EXPECT_FALSE(fs::exists(root / "out"));
}

TEST_F(ProbeTest, StoppedAnywhereItEndsTheSame) {
  train(job("whole", 8));
  for (int64_t steps = 1; steps <= 8; ++steps) {
    const std::string out = "stopped" + std::to_string(steps);
    JobOptions half = job(out, 8);
    half.stop_after_steps = steps;
    train(half);
    const JobResult result = train(job(out, 8));
    EXPECT_EQ(result.alarm, "it fell");
    EXPECT_EQ(weights(out), weights("whole")) << steps;
  }
}

// Killed after a good save, before it is kept as good.
TEST_F(ProbeTest, AGoodSaveIsKeptWhenTheJobGoesOn) {
  train(job("whole", 8));
  JobOptions half = job("half", 8);
  half.stop_after_steps = 6;
  train(half);
  fs::remove_all(good_folder(root / "half"));
  EXPECT_EQ(train(job("half", 8)).alarm, "it fell");
  EXPECT_EQ(weights("half"), weights("whole"));
}

TEST_F(ProbeTest, AnotherProbeIsAnotherJob) {
  JobOptions half = job("out");
  half.stop_after_steps = 3;
  train(half);
  EXPECT_THROW(train(job("out", 8)), Error);
}

TEST(DpoMeasure, IsTheMeanOfTheTermsWithoutAGradient) {
  ThreadPool pool(1);
  const model::Checkpoint model = tiny_model(), other = tiny_model(2);
  model::Decoder decoder(model.config, pool);
  decoder.set_parameters(model.parameters);
  DpoTask held_out(random_pairs(7), {0.5, 0.1}, data::Align::kThought);
  const Policy whole{decoder, 100'000, comm::single_member()},
      split{decoder, 1, comm::single_member()};
  held_out.prepare(whole);
  const auto names = held_out.metric_names();
  const auto at = [&](const std::vector<double>& values, const char* name) {
    return values.at(
        static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin()));
  };
  EXPECT_NEAR(at(held_out.measure(whole), "accuracy"), 0.5, 1e-12);
  EXPECT_NEAR(at(held_out.measure(whole), "margin"), 0, 1e-12);
  decoder.set_parameters(other.parameters);
  const std::vector<double> moved = held_out.measure(whole);
  EXPECT_EQ(moved, held_out.measure(split));
  EXPECT_NE(at(moved, "margin"), 0);
  EXPECT_NEAR(at(moved, "margin"), at(moved, "chosen_reward") - at(moved, "rejected_reward"), 1e-9);
}

}  // namespace
}  // namespace ponder::train
