// Ten steps of supervised fine-tuning of every architecture against PyTorch in double precision
// (tests/golden/model and model_*, made by tools/make_model_golden.py and make_family_golden.py):
// forward, objective, backward, clipping, schedule and AdamW together.
#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "model/checkpoint.h"
#include "testing/folders.h"
#include "train/trainer.h"

namespace ponder::train {
namespace {

// Relative; PyTorch's own float32 is up to 1.4e-6 away in a loss.
constexpr double kTolerance = 1e-5;

struct Variant {
  const char* folder;
  bool tied;
};

class GoldenRun : public ::testing::TestWithParam<Variant> {
 protected:
  GoldenRun()
      : folder_(testing::source_dir() / "tests/golden" / GetParam().folder),
        golden_(read_json_file(folder_ / "golden.json")) {
    const Json& rows = golden_.at("rows");
    for (size_t r = 0; r < rows.size(); ++r) {
      data::TokenRow row;
      row.name = "golden.json:" + std::to_string(r);
      row.tokens = rows[r].get<std::vector<int32_t>>();
      row.loss_mask = golden_.at("trained")[r].get<std::vector<uint8_t>>();
      rows_.push_back(row);
    }
    const Json& settings = golden_.at("train_settings");
    const int64_t steps = settings.at("steps").get<int64_t>();
    options_.batch.epochs = static_cast<int>(steps);  // every step sees all rows
    options_.batch.batch_rows = static_cast<int64_t>(rows_.size());
    options_.lr = settings.at("lr").get<double>();
    options_.schedule = ScheduleKind::kCosine;
    options_.warmup_ratio = settings.at("warmup_steps").get<double>() / static_cast<double>(steps);
    options_.adamw.beta1 = settings.at("beta1").get<double>();
    options_.adamw.beta2 = settings.at("beta2").get<double>();
    options_.adamw.epsilon = settings.at("epsilon").get<double>();
    options_.adamw.weight_decay = settings.at("weight_decay").get<double>();
    options_.max_grad_norm = settings.at("max_grad_norm").get<double>();
  }

  std::vector<StepReport> train() const {
    const model::Checkpoint checkpoint = model::load_checkpoint(folder_);
    model::ModelConfig config = checkpoint.config;
    config.tie_word_embeddings =
        GetParam().tied;  // the tied model has the same weights but no head
    model::Parameters start(config, "weights");
    for (const model::ParameterInfo& entry : start.layout().entries()) {
      const auto from = checkpoint.parameters.at(entry.name);
      std::copy(from.begin(), from.end(), start.at(entry.name).begin());
    }
    ThreadPool pool(2);
    model::Decoder decoder(config, pool);
    SftTask task(rows_);
    PlannedBatches batches(task, options_.batch);
    Trainer trainer(config, std::move(start), batches, options_, decoder, pool);
    std::vector<StepReport> reports;
    while (!trainer.done()) reports.push_back(*trainer.step());
    return reports;
  }

  std::filesystem::path folder_;
  Json golden_;
  std::vector<data::TokenRow> rows_;
  TrainOptions options_;
};

std::vector<Variant> variants() {
  std::vector<Variant> all;
  for (const char* folder : {"model", "model_qwen3", "model_llama", "model_smollm2",
                             "model_smollm3", "model_olmo3", "model_mistral", "model_qwen2_yarn"}) {
    for (const bool tied : {false, true}) all.push_back({folder, tied});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(, GoldenRun, ::testing::ValuesIn(variants()), [](const auto& test) {
  return std::string(test.param.folder) + (test.param.tied ? "_tied" : "_untied");
});

TEST_P(GoldenRun, TenLossesArePyTorchs) {
  const auto expected = golden_.at(GetParam().tied ? "tied" : "untied").at("train");
  // One batch per step; rows one by one, with recomputation.
  for (const bool split : {false, true}) {
    options_.micro_batch_tokens = split ? 1 : 4096;
    options_.activation_checkpointing = split;
    const auto reports = train();
    ASSERT_EQ(reports.size(), 10u);
    for (size_t i = 0; i < reports.size(); ++i) {
      const double loss = expected.at("loss")[i].get<double>(),
                   norm = expected.at("grad_norm")[i].get<double>(),
                   lr = expected.at("lr")[i].get<double>();
      EXPECT_NEAR(reports[i].loss, loss, kTolerance * loss) << "step " << i + 1;
      EXPECT_NEAR(reports[i].grad_norm, norm, 10 * kTolerance * norm) << "step " << i + 1;
      EXPECT_NEAR(reports[i].lr, lr, 1e-12) << "step " << i + 1;
    }
  }
}

}  // namespace
}  // namespace ponder::train
