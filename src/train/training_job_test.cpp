#include "train/training_job.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "testing/byte_tokenizer.h"
#include "testing/temporary_folder.h"
#include "train/test_world.h"
#include "train/trainer_state.h"

namespace ponder::train {
namespace {

namespace fs = std::filesystem;
using train_test::random_pairs;
using train_test::random_rows;
using train_test::tiny_model;

constexpr const char* kConfig = R"({
  "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 300,
  "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
  "num_key_value_heads": 1, "hidden_act": "silu", "max_position_embeddings": 512,
  "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "tie_word_embeddings": true,
  "initializer_range": 0.08, "torch_dtype": "float32", "eos_token_id": 259})";

// Does something after every step.
class OnStep final : public Monitor {
 public:
  explicit OnStep(std::function<void(int64_t step)> action) : action_(std::move(action)) {}
  void take(const MonitorEvent& event) override {
    if (event.kind == MonitorEvent::Kind::kProgress) action_(event.done);
  }

 private:
  std::function<void(int64_t step)> action_;
};

class Job : public ::testing::Test {
 protected:
  Job() {
    fs::create_directories(root / "base");
    // What a real base folder brings: a config and a tokenizer, copied into every checkpoint.
    write_file_atomic(root / "base" / "config.json", kConfig);
    write_file_atomic(root / "base" / "tokenizer.json", testing::byte_tokenizer_json());
    options.lr = 2e-3;
    options.batch.batch_rows = 4;
    options.batch.epochs = 2;
  }

  JobOptions job(const std::string& out) const {
    JobOptions result;
    result.out = root / out;
    result.base_folder = root / "base";
    return result;
  }
  JobResult sft(const JobOptions& files) {
    SftTask task(random_rows(12));
    return run_training(tiny_model(), task, options, files, pool);
  }
  JobResult dpo(const JobOptions& files) {
    DpoTask task(random_pairs(12), {0.5, 0.1}, data::Align::kThought);
    return run_training(tiny_model(), task, options, files, pool);
  }
  std::string weights(const std::string& out) const {
    return read_file(root / out / "model.safetensors");
  }

  testing::TemporaryFolder temporary;
  const fs::path root = temporary.path();
  TrainOptions options;
  ThreadPool pool{1};
};

TEST_F(Job, StoppedAndResumedIsByteIdentical) {
  const JobResult whole = sft(job("whole"));
  EXPECT_TRUE(whole.finished);
  EXPECT_EQ(whole.steps_done, 6);
  JobOptions half = job("half");
  half.stop_after_steps = 3;
  const JobResult first = sft(half);
  EXPECT_FALSE(first.finished);
  EXPECT_EQ(first.steps_done, 3);
  EXPECT_NE(weights("half"), weights("whole"));
  const JobResult second = sft(job("half"));
  EXPECT_TRUE(second.finished);
  EXPECT_EQ(weights("half"), weights("whole"));
  EXPECT_EQ(second.sha256, whole.sha256);
  EXPECT_EQ(second.losses, whole.losses);
  EXPECT_EQ(second.losses.size(), 6u);
  EXPECT_EQ(second.last_loss, whole.last_loss);
  EXPECT_FALSE(fs::exists(root / "half.next"));
  EXPECT_TRUE(fs::exists(root / "half" / "trainer_state" / "state.json"));
  EXPECT_FALSE(fs::exists(root / "half" / "trainer_state" / "optimizer.safetensors"));
}

TEST_F(Job, MomentsInBf16ResumeByteIdentical) {
  const JobResult wide = sft(job("wide"));
  options.adamw.moments = tensor::DType::kBF16;
  sft(job("whole"));
  EXPECT_NE(weights("whole"), weights("wide"));
  JobOptions half = job("half");
  half.stop_after_steps = 3;
  sft(half);
  half.stop_after_steps = 0;
  sft(half);
  EXPECT_EQ(weights("half"), weights("whole"));
  options.adamw.moments = tensor::DType::kF32;
  EXPECT_THROW(sft(job("half")), Error) << "another way to store moments is another job";
}

TEST_F(Job, GradientsOfGroupsResumeByteIdentical) {
  options.group_tokens = 60;
  sft(job("whole"));
  JobOptions half = job("half");
  half.stop_after_steps = 3;
  sft(half);
  half.stop_after_steps = 0;
  options.micro_batch_tokens = 25;
  sft(half);
  EXPECT_EQ(weights("half"), weights("whole"));
}

TEST_F(Job, HalfPrecisionModelsResumeFromFullPrecisionState) {
  JobOptions whole = job("whole"), half = job("half");
  whole.dtype = half.dtype = tensor::DType::kBF16;
  sft(whole);
  half.stop_after_steps = 3;
  sft(half);
  half.stop_after_steps = 0;
  sft(half);
  EXPECT_EQ(weights("half"), weights("whole"));
}

TEST_F(Job, AnotherPrecisionOfTheSavedModelIsAnotherJob) {
  const auto expect_refused = [&](const JobOptions& files, const char* difference) {
    try {
      sft(files);
      FAIL() << difference;
    } catch (const Error& error) {
      EXPECT_NE(error.problem().find(difference), std::string::npos) << error.what();
    }
  };
  JobOptions half = job("half");
  half.dtype = tensor::DType::kBF16;
  half.stop_after_steps = 3;
  sft(half);
  expect_refused(job("half"), "dtype: \"bfloat16\" there, nothing here");
  half.dtype = tensor::DType::kF16;
  expect_refused(half, "dtype: \"bfloat16\" there, \"float16\" here");

  // A state whose identity does not say it yet.
  const fs::path state = root / "half" / "trainer_state" / "state.json";
  Json json = read_json_file(state);
  json["job"].erase("dtype");
  write_file_atomic(state, dump_json(json));
  expect_refused(job("half"), "dtype");
  half.dtype = tensor::DType::kBF16;
  half.stop_after_steps = 0;
  EXPECT_TRUE(sft(half).finished);
  expect_refused(job("half"), "dtype");  // finished ones too
}

TEST_F(Job, InBf16ItResumesAndIsNotTakenForOneOfF32) {
  const auto expect_refused = [&](const JobOptions& files, const char* difference,
                                  const char* advice = "repeat the command with the old settings") {
    try {
      sft(files);
      FAIL() << difference;
    } catch (const Error& error) {
      EXPECT_NE(error.problem().find(difference), std::string::npos) << error.what();
      EXPECT_NE(error.advice().find(advice), std::string::npos) << error.advice();
    }
  };
  sft(job("f32"));
  options.precision = tensor::Precision::kBf16;
  sft(job("whole"));
  EXPECT_NE(weights("whole"), weights("f32"));
  expect_refused(job("f32"), "precision: nothing there, \"bf16-3\" here",  // finished ones too
                 "--precision f32");
  JobOptions half = job("half");
  half.stop_after_steps = 3;
  sft(half);
  options.precision = tensor::Precision::kF32;
  expect_refused(job("half"), "precision: \"bf16-3\" there, nothing here");
  options.precision = tensor::Precision::kBf16;
  // One of before the definition of bf16 changed, which this program cannot go on with.
  const fs::path state = root / "half/trainer_state/state.json";
  const std::string now = read_file(state);
  Json json = parse_json(now, state.string());
  for (const std::string former : {"bf16", "bf16-2"}) {
    json["job"]["precision"] = former;
    write_file_atomic(state, dump_json(json));
    const std::string difference = "precision: \"" + former + "\" there, \"bf16-3\" here";
    expect_refused(job("half"), difference.c_str(), "with the ponder that began it");
  }
  write_file_atomic(state, now);
  options.activation_checkpointing = true;
  options.micro_batch_tokens = 40;
  EXPECT_TRUE(sft(job("half")).finished);
  EXPECT_EQ(weights("half"), weights("whole"));
  // The preferences too, whose reference is scored in it.
  dpo(job("pairs"));
  half.out = root / "half-pairs";
  dpo(half);
  EXPECT_TRUE(dpo(job("half-pairs")).finished);
  EXPECT_EQ(weights("half-pairs"), weights("pairs"));
}

TEST_F(Job, DpoResumesWithItsFirstReference) {
  dpo(job("whole"));
  JobOptions half = job("half");
  half.stop_after_steps = 4;
  dpo(half);
  dpo(job("half"));
  EXPECT_EQ(weights("half"), weights("whole"));
}

TEST_F(Job, DpoStoppedBeforeItsFirstStepGoesOn) {
  dpo(job("whole"));
  const std::atomic<bool> stop{true};
  JobOptions half = job("half");
  half.stop = &stop;
  EXPECT_TRUE(dpo(half).stopped_by_request);
  EXPECT_FALSE(fs::exists(half.out)) << "nothing was done, and gigabytes are written for nothing";
  EXPECT_TRUE(dpo(job("half")).finished);
  EXPECT_EQ(weights("half"), weights("whole"));
}

// Scoring the reference takes as long as an epoch's forwards.
TEST_F(Job, DpoStoppedWithinItsReferenceGoesOn) {
  class StopsAtReference : public DpoTask {
   public:
    using DpoTask::DpoTask;
    void append(int32_t example, model::PackedBatch& batch) const override {
      DpoTask::append(example, batch);
      if (example == 5) stop = true;
    }
    mutable std::atomic<bool> stop = false;
  };
  dpo(job("whole"));
  StopsAtReference task(random_pairs(12), DpoOptions{0.5, 0.1}, data::Align::kThought);
  JobOptions half = job("half");
  half.stop = &task.stop;
  const JobResult stopped = run_training(tiny_model(), task, options, half, pool);
  EXPECT_TRUE(stopped.stopped_by_request);
  EXPECT_EQ(stopped.steps_done, 0);
  EXPECT_TRUE(dpo(job("half")).finished);
  EXPECT_EQ(weights("half"), weights("whole"));
}

TEST_F(Job, StopFlagSavesAndReturns) {
  sft(job("whole"));
  std::atomic<bool> stop{false};
  JobOptions half = job("half");
  half.stop = &stop;
  OnStep at_two([&](int64_t step) { stop = step == 2; });
  half.monitor = &at_two;
  const JobResult first = sft(half);
  EXPECT_TRUE(first.stopped_by_request);
  EXPECT_EQ(first.steps_done, 2);
  sft(job("half"));
  EXPECT_EQ(weights("half"), weights("whole"));
}

TEST_F(Job, PeriodicSavesChangeNothing) {
  sft(job("whole"));
  JobOptions often = job("often");
  often.checkpoint_steps = 1;
  std::vector<std::string> seen;
  OnStep look([&](int64_t step) {
    if (step > 1) seen.push_back(weights("often"));
  });
  often.monitor = &look;
  sft(often);
  EXPECT_EQ(seen.size(), 5u);
  EXPECT_NE(seen[0], seen[1]);
  EXPECT_EQ(weights("often"), weights("whole"));
}

TEST_F(Job, OtherSettingsAreRefusedByName) {
  JobOptions half = job("half");
  half.stop_after_steps = 3;
  sft(half);
  options.lr = 3e-3;
  options.batch.seed = 5;
  try {
    sft(half);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.problem().find("lr: 0.002 there, 0.003 here"), std::string::npos)
        << error.what();
    EXPECT_NE(error.problem().find("seed"), std::string::npos);
    EXPECT_EQ(error.problem().find("epochs"), std::string::npos);
  }
  options.lr = 2e-3;
  options.group_tokens = 64;
  try {
    sft(half);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.problem().find("group_tokens: nothing there, 64 here"), std::string::npos)
        << error.what();
  }
  options.group_tokens = 0;
  // How it is computed may change.
  options.batch.seed = 1;
  options.micro_batch_tokens = 17;
  options.activation_checkpointing = true;
  EXPECT_TRUE(sft(job("half")).finished);
}

TEST_F(Job, FinishedJobIsLeftAlone) {
  const JobResult first = sft(job("out"));
  const auto written = fs::last_write_time(root / "out" / "model.safetensors");
  const JobResult second = sft(job("out"));
  EXPECT_EQ(second.losses, first.losses);
  EXPECT_TRUE(second.finished);
  EXPECT_EQ(second.sha256, first.sha256);
  EXPECT_EQ(fs::last_write_time(root / "out" / "model.safetensors"), written);
}

TEST_F(Job, SecondProcessIsRefused) {
  LockFile other(root / "out.lock");
  try {
    sft(job("out"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), (root / "out").string());
    EXPECT_NE(error.problem().find("pid"), std::string::npos);
  }
  EXPECT_FALSE(fs::exists(root / "out"));
}

TEST_F(Job, ForeignFolderIsRefused) {
  fs::create_directories(root / "out");
  write_file_atomic(root / "out" / "thesis.tex", "important");
  EXPECT_THROW(sft(job("out")), Error);
  EXPECT_EQ(read_file(root / "out" / "thesis.tex"), "important");
}

TEST_F(Job, DamagedStateIsRefused) {
  JobOptions half = job("half");
  half.stop_after_steps = 3;
  sft(half);
  const fs::path path = root / "half" / "trainer_state" / "optimizer.safetensors";
  std::string bytes = read_file(path);
  bytes[bytes.size() / 2] ^= 1;
  write_file_atomic(path, bytes);
  EXPECT_THROW(sft(job("half")), Error);
}

TEST_F(Job, LogHasEveryStepOnce) {
  JobOptions half = job("half");
  half.log = root / "log.jsonl";
  half.stop_after_steps = 3;
  sft(half);
  {  // as after a crash: a step beyond the last save, and a torn line
    AppendLog log(half.log);
    log.append("{\"step\":4,\"loss\":1}");
    log.append("{\"step\":5,\"lo");
  }
  half.stop_after_steps = 0;
  sft(half);
  JsonRowReader reader(half.log);
  JsonRow row;
  int64_t expected = 1;
  while (reader.next(row)) {
    EXPECT_EQ(row.value["step"], expected++);
    for (const char* key : {"loss", "lr", "grad_norm", "tokens", "tokens_per_second"}) {
      EXPECT_TRUE(row.value.contains(key)) << key;
    }
    EXPECT_GT(row.value["lr"], 0.0);
  }
  EXPECT_EQ(expected, 7);
}

TEST_F(Job, RestsOfACrashAreClearedUp) {
  JobOptions half = job("half");
  half.stop_after_steps = 3;
  sft(half);
  fs::create_directories(root / "half.next.tmp");
  fs::create_directories(root / "half.next" / "trainer_state");
  // Between two renames, on a file system that cannot exchange names.
  fs::rename(root / "half", root / "half.old");
  sft(job("whole"));
  sft(job("half"));
  EXPECT_EQ(weights("half"), weights("whole"));
  EXPECT_FALSE(fs::exists(root / "half.old"));
  EXPECT_FALSE(fs::exists(root / "half.next"));
  EXPECT_FALSE(fs::exists(root / "half.next.tmp"));
}

TEST_F(Job, PlanCountsStepsAndBytes) {
  SftTask task(random_rows(12));
  model::Decoder decoder(train_test::tiny_config(), pool);
  const TrainPlan plan = plan_training(decoder, workload_of(task), options);
  EXPECT_EQ(plan.num_steps, 6);
  EXPECT_GT(plan.flops, 0);
  EXPECT_GT(plan.peak_memory_bytes(), 6 * 4 * train_test::tiny_config().num_parameters());

  // A sum beside the gradient of a group, whose embedding has rows for fewer tokens.
  options.group_tokens = 30;
  const int64_t more = plan_training(decoder, workload_of(task), options).peak_memory_bytes() -
                       plan.peak_memory_bytes();
  EXPECT_LE(more, 4 * train_test::tiny_config().num_parameters());
  EXPECT_GT(more, 3 * train_test::tiny_config().num_parameters());

  // Settings near the limit of their type.
  options.group_tokens = 0;
  const int64_t whole = plan_training(decoder, workload_of(task), options).num_steps;
  EXPECT_EQ(whole, 6);
  options.batch.batch_rows = INT64_MAX;
  const TrainPlan one = plan_training(decoder, workload_of(task), options);
  EXPECT_EQ(one.num_steps, 2);
  options.batch.batch_rows = 12 * 40;  // more than there are tokens
  EXPECT_EQ(one.memory_bytes, plan_training(decoder, workload_of(task), options).memory_bytes);
  options.batch.batch_tokens = INT64_MAX;
  EXPECT_EQ(plan_training(decoder, workload_of(task), options).num_steps, 2);
}

TEST_F(Job, WithoutAnUpdateIsNoSuccess) {
  const auto train_on = [&](float weight, const JobOptions& files) {
    model::Checkpoint start = tiny_model();
    start.parameters.flat()[0] = weight;  // of the embedding: every logit of token 0
    SftTask task(random_rows(12));
    return run_training(std::move(start), task, options, files, pool);
  };
  options.batch.batch_rows = 6;
  options.batch.epochs = 1;  // two steps: one fewer than may be skipped in a row
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float weight : {nan, std::numeric_limits<float>::infinity()}) {
    try {
      train_on(weight, job("out"));
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_NE(error.problem().find("every step (2) was skipped"), std::string::npos)
          << error.what();
    }
    EXPECT_FALSE(fs::exists(root / "out"));
  }
  EXPECT_EQ(train_on(0.5f, job("out")).num_updates, 2);

  // One that an earlier version called finished.
  const fs::path state = root / "out" / "trainer_state" / "state.json";
  Json json = read_json_file(state);
  ASSERT_EQ(json.at("num_updates"), 2);
  json["num_updates"] = 0;
  write_file_atomic(state, dump_json(json));
  EXPECT_THROW(train_on(0.5f, job("out")), Error);
}

}  // namespace
}  // namespace ponder::train
