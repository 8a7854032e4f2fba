// Objectives: pure functions from the log-probabilities of trained tokens to a loss, its gradient
// with respect to those log-probabilities, and metrics. They work on one example at a time (SFT: a
// row; DPO: a pair) and are given what the whole optimiser step is divided by, so the sum over the
// step's examples is the step's loss however it is split into batches. Sums are double, in token
// order; gradients are rounded to float once.
#pragma once

#include <cstdint>
#include <span>

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

struct DpoOptions {
  double beta = 0.1;        // strength of the pull towards the reference
  double sft_weight = 0.1;  // of the likelihood term on the chosen response; 0 leaves it out
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
  double chosen_nll = 0;       // mean negative log-likelihood of a token of the chosen response
  double chosen_reward = 0;    // beta * (policy - reference) of the chosen
  double rejected_reward = 0;
  double margin = 0;    // chosen_reward - rejected_reward
  double accuracy = 0;  // 1 where the margin is positive, 1/2 where it is exactly 0
};

// Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290), with
//   margin = (chosen policy - chosen reference) - (rejected policy - rejected reference)
//   loss   = [-log sigmoid(beta * margin) + sft_weight * nll] / step_pairs
// policy, reference: sums over aligned tokens; nll: mean over the chosen response's trained tokens.
// Every pair weighs the same in both terms, whatever its length. dchosen and drejected (N each) are
// overwritten.
DpoTerms dpo_objective(const DpoOptions& options, const DpoSide& chosen, const DpoSide& rejected,
                       int64_t step_pairs, std::span<float> dchosen, std::span<float> drejected);

// Sum of the log-probabilities at aligned tokens, in order.
double aligned_sum(std::span<const float> logprobs, std::span<const uint8_t> aligned);

}  // namespace ponder::train
