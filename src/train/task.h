// What a trainer trains on: examples of rows and the objective over them. A new objective is a
// function in objective.h and a task here; the trainer stays as it is.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/token_rows.h"
#include "model/batch.h"
#include "train/batches.h"
#include "train/objective.h"
#include "train/policy.h"

namespace ponder::train {

// An example's share of the step's loss and metrics; shares are added in example order.
struct ExampleTerms {
  double loss = 0;
  std::vector<double> metrics;  // in the order of metric_names()
};

class TrainingTask {
 public:
  virtual ~TrainingTask() = default;

  virtual int64_t num_examples() const = 0;
  virtual const std::string& example_name(int32_t example) const = 0;
  virtual int64_t example_tokens(int32_t example) const = 0;       // of all its rows
  virtual int64_t example_loss_tokens(int32_t example) const = 0;  // targets of all its rows
  virtual int64_t longest_row() const = 0;                         // tokens
  // Appends the example's rows; adds example_loss_tokens(example) targets.
  virtual void append(int32_t example, model::PackedBatch& batch) const = 0;
  // What the step's loss is divided by.
  virtual StepWeight step_weight(std::span<const int32_t> examples) const = 0;
  // logprobs, dlogprobs (example_loss_tokens); dlogprobs is overwritten.
  virtual ExampleTerms evaluate(int32_t example, std::span<const float> logprobs,
                                StepWeight step_weight, std::span<float> dlogprobs) const = 0;
  // What evaluate() writes into every dlogprobs, where that is one value whatever the
  // log-probabilities are: backward can then go along with forward.
  virtual std::optional<float> constant_gradient(StepWeight /*step_weight*/) const { return {}; }
  virtual std::vector<std::string> metric_names() const { return {}; }

  // Called once, before the first step, with the starting weights; what it computes is saved with
  // the trainer's state and given back by load().
  virtual void prepare(const Policy&) {}
  virtual int64_t reference_tokens() const { return 0; }  // that prepare() scores
  virtual Json save() const { return Json::object(); }
  virtual void load(const Json&, const std::string& /*where*/) {}
  // Looks at the first step's sums before anything is updated; throws Error if they cannot be
  // right.
  virtual void check_first_step(const ExampleTerms&) const {}

  // Name, settings and a hash of the rows: two tasks with equal identities train the same.
  virtual Json identity() const = 0;
};

// Throws Error if there are no rows, or naming a row with nothing to train.
class SftTask : public TrainingTask {
 public:
  explicit SftTask(std::vector<data::TokenRow> rows);

  int64_t num_examples() const override { return static_cast<int64_t>(rows_.size()); }
  const std::string& example_name(int32_t example) const override { return row(example).name; }
  int64_t example_tokens(int32_t example) const override { return row(example).num_tokens(); }
  int64_t example_loss_tokens(int32_t example) const override {
    return loss_tokens_[static_cast<size_t>(example)];
  }
  int64_t longest_row() const override;
  void append(int32_t example, model::PackedBatch& batch) const override;
  StepWeight step_weight(std::span<const int32_t> examples) const override;  // trained tokens
  ExampleTerms evaluate(int32_t example, std::span<const float> logprobs, StepWeight step_weight,
                        std::span<float> dlogprobs) const override;
  std::optional<float> constant_gradient(StepWeight step_weight) const override;
  Json identity() const override;

 private:
  const data::TokenRow& row(int32_t example) const { return rows_[static_cast<size_t>(example)]; }
  std::vector<data::TokenRow> rows_;
  std::vector<int64_t> loss_tokens_;
};

// The reference is the model training starts from: its log-probabilities are computed once, by
// prepare(), and at the first step every margin must be exactly 0 and the preference loss ln 2.
class DpoTask : public TrainingTask {
 public:
  DpoTask(std::vector<data::TokenPair> pairs, const DpoOptions& options, data::Align align);

  int64_t num_examples() const override { return static_cast<int64_t>(pairs_.size()); }
  const std::string& example_name(int32_t example) const override { return pair(example).name; }
  int64_t example_tokens(int32_t example) const override;
  int64_t example_loss_tokens(int32_t example) const override;
  int64_t longest_row() const override;
  void append(int32_t example, model::PackedBatch& batch) const override;
  StepWeight step_weight(std::span<const int32_t> examples) const override;  // pairs
  ExampleTerms evaluate(int32_t example, std::span<const float> logprobs, StepWeight step_weight,
                        std::span<float> dlogprobs) const override;
  std::vector<std::string> metric_names() const override;
  void prepare(const Policy& policy) override;
  int64_t reference_tokens() const override;
  Json save() const override;
  void load(const Json& state, const std::string& where) override;
  void check_first_step(const ExampleTerms& sums) const override;
  Json identity() const override;

  // The mean terms of all pairs under the policy, in the order of metric_names(): of pairs that are
  // held out. Once prepared or loaded.
  std::vector<double> measure(const Policy& policy) const;

 private:
  struct Targets {  // alignment of each of a row's targets
    std::vector<uint8_t> chosen, rejected;
  };
  struct Reference {  // sums over aligned tokens
    double chosen = 0, rejected = 0;
  };
  const data::TokenPair& pair(int32_t example) const {
    return pairs_[static_cast<size_t>(example)];
  }
  // Log-probabilities of the targets of the pairs of a range; a batch of its own.
  std::vector<float> forward(model::Decoder& decoder, ExampleRange range) const;
  // References of the pairs of a range.
  void score(model::Decoder& decoder, ExampleRange range, std::span<Reference> references) const;
  std::vector<ExampleRange> batches(int64_t micro_batch_tokens) const;

  std::vector<data::TokenPair> pairs_;
  std::vector<Targets> targets_;
  std::vector<Reference> references_;  // empty until prepared or loaded
  DpoOptions options_;
  data::Align align_;
};

}  // namespace ponder::train
