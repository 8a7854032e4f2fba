#include "trainers/job.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "testing/error_text.h"
#include "testing/folders.h"

namespace ponder::trainers {
namespace {

Job small_job(Kind kind) {
  Job job;
  job.settings.kind = kind;
  job.settings.launch = {"torchrun", "--nproc-per-node", "2"};
  job.settings.processes = 2;
  job.options.batch.batch_rows = 8;
  job.options.batch.epochs = 2;
  job.model = "/models/base";
  job.folder = "/runs/one/training/imitate.job";
  job.num_rows = 10;
  return job;
}

TEST(TrainerJob, StepsAreMadeAsAccelerateMakesThem) {
  Job job = small_job(Kind::kTrl);
  EXPECT_EQ(job.accumulation(), 4);
  EXPECT_EQ(job.steps_per_epoch(), 2);  // 5 rounds of two processes, four to a step
  EXPECT_EQ(job.num_steps(), 4);
  const auto all = orders(job);
  ASSERT_EQ(all.size(), 2u);
  for (std::vector<int32_t> order : all) {
    std::sort(order.begin(), order.end());
    for (int32_t i = 0; i < 10; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
  }
  EXPECT_NE(all[0], all[1]);
  EXPECT_EQ(first_step(job, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}),
            (std::vector<std::vector<int32_t>>{{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}}));
  // Fewer rows than a step: two rounds, the last filled from the beginning.
  EXPECT_EQ(first_step(job, {4, 5, 6}), (std::vector<std::vector<int32_t>>{{4}, {5}, {6}, {4}}));
  job.settings.per_device_rows = 2;
  EXPECT_EQ(first_step(job, {0, 1, 2, 3, 4}),
            (std::vector<std::vector<int32_t>>{{0, 1}, {2, 3}, {4, 0}, {1, 2}}));
}

TEST(TrainerJob, SaysWhatATrainerCannotDo) {
  struct Case {
    Kind kind;
    std::function<void(Job&)> change;
    const char* said;
  };
  const Case cases[] = {
      {Kind::kTrl, [](Job& j) { j.settings.launch.clear(); }, "trainer.launch"},
      {Kind::kTrl, [](Job& j) { j.settings.per_device_rows = 3; }, "batch_rows = 6"},
      {Kind::kTrl, [](Job& j) { j.options.group_tokens = 100; }, "group_tokens"},
      {Kind::kTrl, [](Job& j) { j.options.adamw.moments = tensor::DType::kBF16; },
       "optimizer_dtype"},
      {Kind::kTrl,
       [](Job& j) {
         j.settings.lora_rank = 8;
         j.settings.sharding = Sharding::kZero3;
       },
       "lora_rank"},
      {Kind::kLlamaFactory, [](Job& j) { j.settings.lora_rank = 8; }, "adapters"},
      {Kind::kOpenRlhf, [](Job&) {}, "openrlhf trains in bf16"},
      {Kind::kOpenRlhf, [](Job& j) { j.settings.sharding = Sharding::kFsdp; }, "DeepSpeed"},
      {Kind::kTrl,
       [](Job& j) {
         j.objective = Objective::kDpo;
         j.align = data::Align::kThought;
       },
       "not \"thought\" alone"},
      {Kind::kTrl,
       [](Job& j) {
         j.objective = Objective::kDpo;
         j.settings.per_device_rows = 2;
       },
       "sft_term"},
      {Kind::kLlamaFactory, [](Job& j) { j.objective = Objective::kDpo; }, "sft_weight = 0"},
      {Kind::kLlamaFactory,
       [](Job& j) {
         j.objective = Objective::kDpo;
         j.dpo.length_normalised = true;
       },
       "no such preference"},
  };
  for (const Case& each : cases) {
    Job job = small_job(each.kind);
    each.change(job);
    const std::string said = testing::error_text([&] { check(job, "sft"); });
    EXPECT_NE(said.find(each.said), std::string::npos) << each.said << ": " << said;
  }
  for (const Kind kind : {Kind::kBuiltin, Kind::kTrl, Kind::kLlamaFactory, Kind::kCommand})
    EXPECT_NO_THROW(check(small_job(kind), "sft"));
  Job thoughts = small_job(Kind::kCommand);  // it is given the tokens that count
  thoughts.objective = Objective::kDpo;
  thoughts.align = data::Align::kThought;
  EXPECT_NO_THROW(check(thoughts, "dpo"));
}

TEST(TrainerJob, WhatIsRun) {
  EXPECT_EQ(argv(small_job(Kind::kTrl)),
            (std::vector<std::string>{"torchrun", "--nproc-per-node", "2",
                                      "/runs/one/training/imitate.job/train.py"}));
  Job job = small_job(Kind::kCommand);
  job.settings.launch = {"srun", "trainer", "--job={job}"};
  EXPECT_EQ(argv(job),
            (std::vector<std::string>{"srun", "trainer", "--job=/runs/one/training/imitate.job"}));
  job = small_job(Kind::kLlamaFactory);
  EXPECT_EQ(argv(job)[3], "-m");
  EXPECT_EQ(argv(job)[4], "llamafactory.launcher");
  job.settings.launch = {"/opt/bin/llamafactory-cli"};
  EXPECT_EQ(argv(job), (std::vector<std::string>{"/opt/bin/llamafactory-cli", "train",
                                                 "/runs/one/training/imitate.job/train.yaml"}));
  job = small_job(Kind::kOpenRlhf);
  job.settings.launch = {"deepspeed"};
  const std::vector<std::string> words = argv(job);
  EXPECT_EQ(words[1], "--module");
  EXPECT_EQ(words[2], "openrlhf.cli.train_sft");
  for (const auto& [name, value] :
       {std::pair("--data.input_key", "prompt"), std::pair("--train.batch_size", "8"),
        std::pair("--adam.lr", "1e-05"), std::pair("--min_lr_ratio", "0")}) {
    const auto at = std::find(words.begin(), words.end(), name);
    ASSERT_NE(at, words.end()) << name;
    EXPECT_EQ(*(at + 1), value);
  }
}

TEST(TrainerJob, Configurations) {
  Job job = small_job(Kind::kLlamaFactory);
  job.objective = Objective::kDpo;
  job.options.precision = tensor::Precision::kBf16;
  job.settings.sharding = Sharding::kZero3;
  auto texts = files(job, orders(job), {4, 2});
  const Json config = parse_json(texts.at("train.yaml"), "train.yaml");
  EXPECT_EQ(config["stage"], "dpo");
  EXPECT_EQ(config["template"], "empty");
  EXPECT_EQ(config["per_device_train_batch_size"], 1);
  EXPECT_EQ(config["gradient_accumulation_steps"], 4);
  EXPECT_EQ(config["disable_shuffling"], true);
  EXPECT_EQ(config["bf16"], true);
  EXPECT_EQ(config["pref_beta"], 0.1);
  EXPECT_EQ(config["warmup_steps"], 1);
  EXPECT_EQ(config["deepspeed"], "/runs/one/training/imitate.job/deepspeed.json");
  EXPECT_EQ(parse_json(texts.at("deepspeed.json"), "")["zero_optimization"]["stage"], 3);
  const Json info = parse_json(texts.at("dataset_info.json"), "dataset_info.json");
  EXPECT_EQ(info["rows"]["ranking"], true);
  const Json own = parse_json(texts.at(kJobFile), kJobFile);
  EXPECT_EQ(own["probe"]["rows"], Json({4, 2}));
  EXPECT_EQ(own["dpo"]["align"], "response");
  EXPECT_EQ(own["num_steps"], 4);
  EXPECT_EQ(files(small_job(Kind::kTrl), orders(job), {}).count("train.py"), 1u);
}

class TrainerRowsTest : public ::testing::Test {
 protected:
  TrainerRowsTest()
      : text_(testing::source_dir() / "models/nano-base",
              {{}, 512, {}, {}, data::ThoughtForm::kStill}) {
    const data::RowBuilder builder(text_, 500);
    row_ = *builder.row("a row", "", "Compute 2+3", {"I add. 2+3 is 5.", {}});
    pair_ = *builder.pair("a pair", "", "Compute 2+3", {"I add. It is 5.", {}},
                          {"I add. It is 6.", {}}, data::Align::kResponse);
  }
  data::ModelText text_;
  data::TokenRow row_;
  data::TokenPair pair_;
};

TEST_F(TrainerRowsTest, InEachTrainersForm) {
  const Json ids = row_of(small_job(Kind::kTrl), row_, text_);
  EXPECT_EQ(ids["input_ids"].size(), row_.tokens.size());
  EXPECT_EQ(ids["completion_mask"].get<std::vector<uint8_t>>(), row_.loss_mask);
  const Json factory = row_of(small_job(Kind::kLlamaFactory), row_, text_);
  EXPECT_EQ(factory["output"], "I add. 2+3 is 5.<|im_end|>");
  EXPECT_TRUE(factory["instruction"].get<std::string>().ends_with("<|im_start|>assistant\n"));
  const Json open = row_of(small_job(Kind::kOpenRlhf), row_, text_);
  EXPECT_EQ(open["prompt"], factory["instruction"]);
  EXPECT_EQ(open["completion"], factory["output"]);
  const Json pair = row_of(small_job(Kind::kTrl), pair_, text_);
  EXPECT_EQ(pair["prompt_ids"].size() + pair["chosen_ids"].size(), pair_.chosen.tokens.size());
  EXPECT_EQ(row_of(small_job(Kind::kCommand), pair_, text_)["chosen_mask"].size(),
            pair["chosen_ids"].size());
  EXPECT_EQ(row_of(small_job(Kind::kLlamaFactory), pair_, text_)["rejected"],
            "I add. It is 6.<|im_end|>");
}

TEST_F(TrainerRowsTest, SampledIdsThatTextWouldNotGive) {
  // "5" and "." as a model sampled them, where the tokenizer would write another token.
  data::TokenRow row = row_;
  std::vector<int32_t> letters;
  for (const char c : std::string("is is is"))
    letters.push_back(*text_.tokenizer().token_id(std::string(1, c)));
  row.tokens.insert(row.tokens.end() - 1, letters.begin(), letters.end());
  row.loss_mask.insert(row.loss_mask.end(), letters.size(), 1);
  EXPECT_NO_THROW(row_of(small_job(Kind::kTrl), row, text_));
  EXPECT_THROW(row_of(small_job(Kind::kLlamaFactory), row, text_), Error);
  EXPECT_THROW(row_of(small_job(Kind::kOpenRlhf), row, text_), Error);
  row = row_;
  row.loss_mask[static_cast<size_t>(row.num_prompt_tokens) + 2] = 0;
  EXPECT_THROW(row_of(small_job(Kind::kLlamaFactory), row, text_), Error);
}

}  // namespace
}  // namespace ponder::trainers
