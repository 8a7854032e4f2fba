#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/error.h"
#include "train/batches.h"
#include "train/task.h"
#include "train/task_rows.h"

namespace ponder::train {
namespace {

// The mask's values at the row's targets.
std::vector<uint8_t> at_targets(const data::TokenRow& row, const std::vector<uint8_t>& aligned) {
  if (aligned.size() != row.tokens.size()) {
    throw Error(row.name, fmt::format("expected an alignment of {} tokens, found {}",
                                      row.tokens.size(), aligned.size()));
  }
  std::vector<uint8_t> result;
  for (size_t i = 1; i < row.tokens.size(); ++i) {
    if (row.loss_mask[i]) result.push_back(aligned[i]);
  }
  if (std::count(result.begin(), result.end(), 1) == 0) {
    throw Error(row.name, "expected at least one aligned token, found none", "leave the pair out");
  }
  return result;
}

}  // namespace

DpoTask::DpoTask(std::vector<data::TokenPair> pairs, const DpoOptions& options, data::Align align)
    : pairs_(std::move(pairs)), options_(options), align_(align) {
  if (pairs_.empty()) throw Error("training data", "no pairs are left to train on");
  if (!(options.beta > 0) || !std::isfinite(options.beta)) {
    throw Error("beta", fmt::format("expected a number above 0, found {}", options.beta),
                "0.1 is usual");
  }
  if (!(options.sft_weight >= 0) || !std::isfinite(options.sft_weight)) {
    throw Error("sft_weight", fmt::format("expected 0 or more, found {}", options.sft_weight));
  }
  for (const data::TokenPair& pair : pairs_) {
    checked_loss_tokens(pair.chosen);
    checked_loss_tokens(pair.rejected);
    targets_.push_back({at_targets(pair.chosen, pair.chosen_aligned),
                        at_targets(pair.rejected, pair.rejected_aligned)});
  }
}

int64_t DpoTask::example_tokens(int32_t example) const {
  return pair(example).chosen.num_tokens() + pair(example).rejected.num_tokens();
}

int64_t DpoTask::example_loss_tokens(int32_t example) const {
  const Targets& targets = targets_[static_cast<size_t>(example)];
  return static_cast<int64_t>(targets.chosen.size() + targets.rejected.size());
}

int64_t DpoTask::longest_row() const {
  int64_t longest = 0;
  for (const data::TokenPair& pair : pairs_) {
    longest = std::max({longest, pair.chosen.num_tokens(), pair.rejected.num_tokens()});
  }
  return longest;
}

void DpoTask::append(int32_t example, model::PackedBatch& batch) const {
  batch.append(pair(example).chosen.tokens, pair(example).chosen.loss_mask);
  batch.append(pair(example).rejected.tokens, pair(example).rejected.loss_mask);
}

StepWeight DpoTask::step_weight(std::span<const int32_t> examples) const {
  int64_t tokens = 0;
  for (const int32_t example : examples)
    tokens += static_cast<int64_t>(targets_[static_cast<size_t>(example)].chosen.size());
  return {static_cast<int64_t>(examples.size()), tokens};
}

ExampleTerms DpoTask::evaluate(int32_t example, std::span<const float> logprobs,
                               StepWeight step_weight, std::span<float> dlogprobs) const {
  const Targets& targets = targets_[static_cast<size_t>(example)];
  const Reference& reference = references_.at(static_cast<size_t>(example));
  const size_t split = targets.chosen.size();
  const DpoTerms terms =
      dpo_objective(options_, {logprobs.first(split), targets.chosen, reference.chosen},
                    {logprobs.subspan(split), targets.rejected, reference.rejected}, step_weight,
                    dlogprobs.first(split), dlogprobs.subspan(split));
  return {terms.loss,
          {terms.preference_loss, terms.chosen_nll, terms.chosen_reward, terms.rejected_reward,
           terms.margin, terms.accuracy, terms.chosen_logprob, terms.rejected_logprob}};
}

std::vector<std::string> DpoTask::metric_names() const {
  return {"preference_loss", "chosen_nll", "chosen_reward",  "rejected_reward",
          "margin",          "accuracy",   "chosen_logprob", "rejected_logprob"};
}

void DpoTask::prepare(const Policy& policy) {
  const std::vector<ExampleRange> ranges = batches(policy.micro_batch_tokens);
  const auto size = static_cast<size_t>(policy.members.size()),
             rank = static_cast<size_t>(policy.members.rank());
  std::vector<Reference> own(pairs_.size()), all(size * own.size());
  bool stopped = false;
  try {
    for (size_t r = rank; r < ranges.size(); r += size) score(policy.decoder, ranges[r], own);
  } catch (const model::Interrupted&) {
    stopped = true;
  }
  if (policy.members.any(stopped)) throw model::Interrupted();
  policy.members.gather(std::as_bytes(std::span(own)), std::as_writable_bytes(std::span(all)));
  references_.resize(own.size());
  for (size_t r = 0; r < ranges.size(); ++r) {
    for (size_t i = ranges[r].begin; i < ranges[r].end; ++i)
      references_[i] = all[r % size * own.size() + i];
  }
}

std::vector<ExampleRange> DpoTask::batches(int64_t micro_batch_tokens) const {
  std::vector<int64_t> tokens;
  for (int32_t example = 0; example < num_examples(); ++example)
    tokens.push_back(example_tokens(example));
  return split_step(tokens, micro_batch_tokens);
}

std::vector<float> DpoTask::forward(model::Decoder& decoder, ExampleRange range) const {
  model::PackedBatch batch;
  for (size_t i = range.begin; i < range.end; ++i) append(static_cast<int32_t>(i), batch);
  std::vector<float> logprobs(static_cast<size_t>(batch.num_targets()));
  decoder.forward(batch, logprobs, model::Keep::kNothing);
  return logprobs;
}

std::vector<double> DpoTask::measure(const Policy& policy) const {
  std::vector<int32_t> all(pairs_.size());
  std::iota(all.begin(), all.end(), 0);
  const StepWeight weight = step_weight(all);
  std::vector<double> sums(metric_names().size());
  for (const ExampleRange range : batches(policy.micro_batch_tokens)) {
    const std::vector<float> logprobs = forward(policy.decoder, range);
    std::vector<float> unused(logprobs.size());
    size_t at = 0;
    for (size_t i = range.begin; i < range.end; ++i) {
      const auto example = static_cast<int32_t>(i);
      const auto count = static_cast<size_t>(example_loss_tokens(example));
      const ExampleTerms terms =
          evaluate(example, std::span<const float>(logprobs).subspan(at, count), weight,
                   std::span(unused).subspan(at, count));
      at += count;
      for (size_t m = 0; m < sums.size(); ++m) sums[m] += terms.metrics[m];
    }
  }
  return sums;
}

void DpoTask::score(model::Decoder& decoder, ExampleRange range,
                    std::span<Reference> references) const {
  const std::vector<float> logprobs = forward(decoder, range);
  std::span<const float> rest = logprobs;
  for (size_t i = range.begin; i < range.end; ++i) {
    const Targets& targets = targets_[i];
    references[i].chosen = aligned_sum(rest.first(targets.chosen.size()), targets.chosen);
    rest = rest.subspan(targets.chosen.size());
    references[i].rejected = aligned_sum(rest.first(targets.rejected.size()), targets.rejected);
    rest = rest.subspan(targets.rejected.size());
    if (!std::isfinite(references[i].chosen) || !std::isfinite(references[i].rejected)) {
      throw Error(pairs_[i].name,
                  "the reference model gives this pair a log-probability that is not finite",
                  "check the model's weights with: ponder inspect");
    }
  }
}

int64_t DpoTask::reference_tokens() const {
  int64_t tokens = 0;
  for (int32_t example = 0; example < num_examples(); ++example) tokens += example_tokens(example);
  return tokens;
}

Json DpoTask::save() const {
  Json chosen = Json::array(), rejected = Json::array();
  for (const Reference& reference : references_) {
    chosen.push_back(reference.chosen);
    rejected.push_back(reference.rejected);
  }
  return Json{{"reference_chosen", chosen}, {"reference_rejected", rejected}};
}

void DpoTask::load(const Json& state, const std::string& where) {
  std::vector<Reference> references(pairs_.size());
  for (const char* key : {"reference_chosen", "reference_rejected"}) {
    const auto list = state.find(key);
    if (list == state.end() || !list->is_array() || list->size() != pairs_.size()) {
      throw Error(where, fmt::format("expected {} with {} numbers", key, pairs_.size()),
                  "the saved state is damaged; remove it to start again");
    }
    for (size_t i = 0; i < references.size(); ++i) {
      const Json& value = (*list)[i];
      if (!value.is_number()) throw Error(where, fmt::format("{}: expected numbers", key));
      (key[10] == 'c' ? references[i].chosen : references[i].rejected) = value.get<double>();
    }
  }
  references_ = std::move(references);
}

void DpoTask::check_first_step(const ExampleTerms& sums) const {
  const double loss = sums.metrics[0], margin = sums.metrics[4];
  if (std::abs(loss - std::numbers::ln2) <= 1e-6 && std::abs(margin) <= 1e-6) return;
  throw Error(
      "dpo, first step",
      fmt::format("expected preference loss ln 2 = {:.7f} and margin 0 before the first update, "
                  "found {:.7f} and {:g}",
                  std::numbers::ln2, loss, margin),
      "the reference log-probabilities are not those of the model that training starts from");
}

Json DpoTask::identity() const {
  Sha256 hash;
  for (const data::TokenPair& pair : pairs_) {
    hash_row(hash, pair.chosen.tokens, pair.chosen_aligned);
    hash_row(hash, pair.rejected.tokens, pair.rejected_aligned);
  }
  Json identity = {{"objective", "dpo"},
                   {"beta", options_.beta},
                   {"sft_weight", options_.sft_weight},
                   {"align", data::to_string(align_)},
                   {"rows", num_examples()},
                   {"rows_sha256", hash.hex()}};
  // Younger than jobs that go on: absent, they are what those had.
  if (options_.sft_term != SftTerm::kPair) identity["sft_term"] = to_string(options_.sft_term);
  if (options_.length_normalised) identity["length_normalised"] = true;
  return identity;
}

}  // namespace ponder::train
