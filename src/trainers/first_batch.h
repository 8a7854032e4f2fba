// Trust and verify: the loss of a trainer's first step, as ponder's own forward computes it from the
// rows that it was given, held against what the trainer says. Where they differ, every way of
// reading the batch otherwise is tried, and the one that gives the trainer's number is named.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/decoder.h"
#include "trainers/follow.h"
#include "trainers/job.h"
#include "trainers/suspects.h"

namespace ponder::trainers {

// What is known of the first step: its rows by micro-batch, in the order of first_step(). DPO: the
// chosen and the rejected ones, their masks saying which tokens count for the preference, and the
// chosen ones with all that is trained.
struct FirstBatch {
  std::vector<std::vector<data::TokenRow>> rows, rejected, whole;
  // The same step if the order were not heeded; empty where that is the same.
  std::vector<std::vector<data::TokenRow>> in_file_order;
  bool sampled = false;  // rows are a sample of what the step may hold
};

// What the first step should say.
struct Expectation {
  double loss = 0;
  std::optional<double> chosen_logprob, rejected_logprob;  // DPO: means over pairs
  double margin = 0;  // by how much a sample may be off (four standard errors); 0: exact
};

class FirstBatchCheck {
 public:
  struct Context {
    const Job& job;
    const data::ModelText& text;
    std::filesystem::path tokenizer_folder;
    std::string system;
    model::Decoder& decoder;  // with the starting weights
    const std::atomic<bool>* stop = nullptr;
  };
  // Borrows what the context refers to.
  FirstBatchCheck(const Context& context, FirstBatch batch);

  // Computes it (may throw model::Interrupted).
  const Expectation& expected();
  // Throws Error where the step's numbers are further than the recipe's tolerance from those that are
  // expected, with the likely cause; in f32, where two programs agree to a few millionths, also
  // where they are nearer and a known cause gives just that number.
  // Returns a sentence that says what was compared.
  std::string compare(const LogStep& first);

 private:
  struct RowScore {
    double sum = 0;           // of the targets' log-probabilities
    double sum_of_means = 0;  // of the vocabulary's means in their place
    int64_t targets = 0, tokens = 0;
  };
  using Scores = std::vector<std::vector<RowScore>>;
  struct Likeness;
  class Likely;

  Scores score(const ScoredBatch& batch) const;
  double tolerance(double expected, double margin) const;
  double agreement(double expected, double margin) const;
  bool narrow() const;
  Likely likely(double theirs, double ours) const;
  void try_reductions(Likely& likely) const;
  void try_batches(Likely& likely, bool sums) const;
  [[noreturn]] void refuse(const std::string& what, double theirs, double ours,
                           const Likely& likely) const;
  void compare_preference(const LogStep& first);

  Context context_;
  FirstBatch batch_;
  std::optional<Expectation> expected_;
  Scores scores_;
};

// Log-probabilities of a row's trained tokens.
std::vector<float> logprobs_of(model::Decoder& decoder, const data::TokenRow& row);

}  // namespace ponder::trainers
