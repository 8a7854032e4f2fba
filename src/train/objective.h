// Objectives: pure functions from the log-probabilities of trained tokens to a loss, its gradient
// with respect to those log-probabilities, and metrics. They work on one example at a time (SFT: a
// row; DPO: a pair) and are given what the whole optimiser step is divided by, so the sum over the
// step's examples is the step's loss however it is split into batches. Sums are double, in token
// order; gradients are rounded to float once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace ponder::train {

// log(1 / (1 + exp(-z))) without overflow or cancellation, for any finite z.
double log_sigmoid(double z);
// 1 / (1 + exp(-z)).
double sigmoid(double z);

// Supervised fine-tuning: the negative log-likelihood of a row's trained tokens, divided by the
// trained tokens of the whole step: a long row weighs as many times more than a short one as it has
// more tokens. logprobs, dlogprobs: (N) of this row; dlogprobs is overwritten. Returns the row's
// share of the loss.
double sft_objective(std::span<const float> logprobs, int64_t step_loss_tokens,
                     std::span<float> dlogprobs);

// What an optimiser step is divided by.
struct StepWeight {
  int64_t units = 1;   // SFT: trained tokens; DPO: pairs
  int64_t tokens = 0;  // DPO: trained tokens of the chosen responses
  StepWeight(int64_t units_, int64_t tokens_ = 0) : units(units_), tokens(tokens_) {}
};

// How the likelihood of the chosen responses is averaged over a step.
enum class SftTerm {
  kPair,   // mean over pairs of the mean over a response's tokens: every pair weighs the same
  kToken,  // mean over the step's tokens: every token weighs the same (TRL's rpo_alpha)
};
std::string_view to_string(SftTerm term);  // "pair", "token"
std::optional<SftTerm> sft_term_from_string(std::string_view text);

struct DpoOptions {
  double beta = 0.1;        // strength of the pull towards the reference
  double sft_weight = 0.1;  // of the likelihood term on the chosen response; 0 leaves it out
  SftTerm sft_term = SftTerm::kPair;
  bool length_normalised = false;  // each side's log-ratio divided by its aligned tokens
};

// One response of a pair under the policy.
struct DpoSide {
  std::span<const float> logprobs;   // (N) of the policy at the response's trained tokens
  std::span<const uint8_t> aligned;  // (N) 1 where the token counts for the preference
  double reference_logprob = 0;      // sum over the aligned tokens under the reference model
};

// A pair's share of the step: every field is already divided by the pairs of the step, so that sums
// over the step's pairs are means.
struct DpoTerms {
  double loss = 0;             // preference_loss + sft_weight * chosen_nll
  double preference_loss = 0;  // -log sigmoid(beta * margin)
  double chosen_nll = 0;       // negative log-likelihood of the chosen response, by SftTerm
  double chosen_reward = 0;    // beta * (policy - reference) of the chosen
  double rejected_reward = 0;
  double margin = 0;    // chosen_reward - rejected_reward
  double accuracy = 0;  // 1 where the margin is positive, 1/2 where it is exactly 0
  double chosen_logprob = 0, rejected_logprob = 0;  // of the policy, sums over aligned tokens
};

// Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290), with
//   margin = (chosen policy - chosen reference) - (rejected policy - rejected reference)
//   loss   = [-log sigmoid(beta * margin) + sft_weight * nll] / step.units
// policy, reference: sums over aligned tokens; nll: mean over the chosen response's trained tokens.
// Every pair weighs the same in both terms, whatever its length.
//   length_normalised (Lambert et al. 2024, arXiv 2411.15124, section 5):
//     margin = (chosen policy - chosen reference) / aligned tokens of the chosen - the same of the
//     rejected: a long response has no larger margin for being long
//   sft_term kToken (the rpo_alpha of TRL's DPOTrainer):
//     loss = -log sigmoid(beta * margin) / step.units - sft_weight * sum of logprobs / step.tokens
// dchosen and drejected (N each) are overwritten.
DpoTerms dpo_objective(const DpoOptions& options, const DpoSide& chosen, const DpoSide& rejected,
                       StepWeight step, std::span<float> dchosen, std::span<float> drejected);

// Sum of the log-probabilities at aligned tokens, in order.
double aligned_sum(std::span<const float> logprobs, std::span<const uint8_t> aligned);

}  // namespace ponder::train
