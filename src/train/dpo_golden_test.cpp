// DPO against an implementation of PyTorch's making (tests/golden/dpo, made by
// tools/make_dpo_golden.py): the objective alone, with its gradient, and whole training steps.
#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "model/checkpoint.h"
#include "testing/folders.h"
#include "train/trainer.h"

namespace ponder::train {
namespace {

Json golden() { return read_json_file(testing::source_dir() / "tests/golden/dpo/golden.json"); }

struct Side {
  explicit Side(const Json& json)
      : logprobs(json.at("logprobs").get<std::vector<float>>()),
        aligned(json.at("aligned").get<std::vector<uint8_t>>()),
        reference(json.at("reference").get<double>()),
        gradient(json.at("gradient").get<std::vector<double>>()) {}
  DpoSide side() const { return {logprobs, aligned, reference}; }

  std::vector<float> logprobs;
  std::vector<uint8_t> aligned;
  double reference;
  std::vector<double> gradient;
};

void expect_near(double found, double expected, const std::string& what) {
  EXPECT_NEAR(found, expected, 1e-6 * std::max(1e-3, std::abs(expected))) << what;
}

TEST(DpoGolden, ObjectiveAndItsGradientArePyTorchs) {
  const Json cases = golden().at("objective");
  ASSERT_GE(cases.size(), 5u);
  for (size_t c = 0; c < cases.size(); ++c) {
    SCOPED_TRACE("case " + std::to_string(c));
    const Json& json = cases[c];
    const Side chosen(json.at("chosen")), rejected(json.at("rejected"));
    const DpoOptions options{json.at("beta").get<double>(), json.at("sft_weight").get<double>()};
    std::vector<float> dchosen(chosen.logprobs.size()), drejected(rejected.logprobs.size());
    const DpoTerms terms = dpo_objective(options, chosen.side(), rejected.side(),
                                         json.at("step_pairs").get<int64_t>(), dchosen, drejected);
    expect_near(terms.loss, json.at("loss").get<double>(), "loss");
    const std::pair<const char*, double> metrics[] = {{"preference_loss", terms.preference_loss},
                                                      {"chosen_nll", terms.chosen_nll},
                                                      {"chosen_reward", terms.chosen_reward},
                                                      {"rejected_reward", terms.rejected_reward},
                                                      {"margin", terms.margin},
                                                      {"accuracy", terms.accuracy}};
    for (const auto& [name, value] : metrics)
      expect_near(value, json.at("metrics").at(name).get<double>(), name);
    for (size_t i = 0; i < dchosen.size(); ++i)
      expect_near(dchosen[i], chosen.gradient[i], "chosen");
    for (size_t i = 0; i < drejected.size(); ++i)
      expect_near(drejected[i], rejected.gradient[i], "rejected");
  }
}

data::TokenRow row_of(const Json& json, const std::string& name) {
  data::TokenRow row;
  row.name = name;
  row.tokens = json.at("tokens").get<std::vector<int32_t>>();
  row.loss_mask = json.at("trained").get<std::vector<uint8_t>>();
  return row;
}

TEST(DpoGolden, StepsArePyTorchs) {
  const Json json = golden();
  std::vector<data::TokenPair> pairs;
  for (const Json& pair : json.at("pairs")) {
    data::TokenPair& own = pairs.emplace_back();
    own.name = "pair " + std::to_string(pairs.size());
    own.chosen = row_of(pair.at("chosen"), own.name);
    own.rejected = row_of(pair.at("rejected"), own.name);
    own.chosen_aligned = pair.at("chosen").at("aligned").get<std::vector<uint8_t>>();
    own.rejected_aligned = pair.at("rejected").at("aligned").get<std::vector<uint8_t>>();
  }
  const Json& settings = json.at("settings");
  const auto number = [&](const char* key) { return settings.at(key).get<double>(); };
  TrainOptions options;
  options.batch.epochs = settings.at("steps").get<int>();  // every step sees all pairs
  options.batch.batch_rows = static_cast<int64_t>(pairs.size());
  options.lr = number("lr");
  options.warmup_ratio = number("warmup_steps") / number("steps");
  options.adamw = {.beta1 = number("beta1"),
                   .beta2 = number("beta2"),
                   .epsilon = number("epsilon"),
                   .weight_decay = number("weight_decay")};
  options.max_grad_norm = number("max_grad_norm");

  const Json& steps = json.at("steps");
  // In one chain, and as a sum over groups of single pairs.
  for (const int64_t group_tokens : {0, 1}) {
    options.group_tokens = group_tokens;
    model::Checkpoint start = model::load_checkpoint(testing::source_dir() / "tests/golden/model");
    ThreadPool pool(1);
    model::Decoder decoder(start.config, pool);
    DpoTask task(pairs, {number("beta"), number("sft_weight")}, data::Align::kThought);
    PlannedBatches batches(task, options.batch);
    Trainer trainer(start.config, std::move(start.parameters), batches, options, decoder, pool);
    for (size_t i = 0; i < steps.size(); ++i) {
      SCOPED_TRACE("step " + std::to_string(i + 1));
      const StepReport report = *trainer.step();
      const double loss = steps[i].at("loss").get<double>(),
                   norm = steps[i].at("grad_norm").get<double>();
      EXPECT_NEAR(report.loss, loss, 1e-5 * loss);
      EXPECT_NEAR(report.grad_norm, norm, 1e-4 * norm);
      EXPECT_NEAR(report.lr, steps[i].at("lr").get<double>(), 1e-12);
      ASSERT_EQ(report.metrics.size(), 8u);
      for (const auto& [name, value] : report.metrics) {
        if (name.ends_with("_logprob")) continue;  // not among PyTorch's
        const double expected = steps[i].at("metrics").at(name).get<double>();
        // Rewards are small differences of sums of up to 70 float32 numbers.
        EXPECT_NEAR(value, expected, 1e-5 * std::max(1.0, std::abs(expected))) << name;
      }
    }
    EXPECT_TRUE(trainer.done());
    const Json references = task.save();
    for (size_t i = 0; i < pairs.size(); ++i) {
      const double chosen = json.at("references")[i][0].get<double>(),
                   rejected = json.at("references")[i][1].get<double>();
      EXPECT_NEAR(references.at("reference_chosen")[i].get<double>(), chosen, -1e-5 * chosen);
      EXPECT_NEAR(references.at("reference_rejected")[i].get<double>(), rejected, -1e-5 * rejected);
    }
  }
}

}  // namespace
}  // namespace ponder::train
