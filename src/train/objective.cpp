#include "train/objective.h"

#include <algorithm>
#include <cmath>

#include "base/portable_math.h"

namespace ponder::train {

double log_sigmoid(double z) { return std::min(z, 0.0) - std::log1p(portable_exp(-std::abs(z))); }

double sigmoid(double z) {
  const double e = portable_exp(-std::abs(z));  // never overflows
  return z >= 0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
}

double sft_objective(std::span<const float> logprobs, int64_t step_loss_tokens,
                     std::span<float> dlogprobs) {
  double sum = 0;
  for (const float logprob : logprobs) sum += logprob;
  const double tokens = static_cast<double>(step_loss_tokens);
  std::fill(dlogprobs.begin(), dlogprobs.end(), static_cast<float>(-1.0 / tokens));
  return -sum / tokens;
}

double aligned_sum(std::span<const float> logprobs, std::span<const uint8_t> aligned) {
  double sum = 0;
  for (size_t i = 0; i < logprobs.size(); ++i) {
    if (aligned[i]) sum += logprobs[i];
  }
  return sum;
}

DpoTerms dpo_objective(const DpoOptions& options, const DpoSide& chosen, const DpoSide& rejected,
                       int64_t step_pairs, std::span<float> dchosen, std::span<float> drejected) {
  const double pairs = static_cast<double>(step_pairs);
  const double chosen_tokens = static_cast<double>(chosen.logprobs.size());
  double chosen_sum = 0;
  for (const float logprob : chosen.logprobs) chosen_sum += logprob;

  const double chosen_reward =
      options.beta * (aligned_sum(chosen.logprobs, chosen.aligned) - chosen.reference_logprob);
  const double rejected_reward = options.beta * (aligned_sum(rejected.logprobs, rejected.aligned) -
                                                 rejected.reference_logprob);
  const double z = chosen_reward - rejected_reward;  // beta * margin
  const double nll = -chosen_sum / chosen_tokens;

  // d(-log sigmoid(z)) / dz = -sigmoid(-z), and dz / dlogprob = +-beta at aligned tokens.
  const double pull = options.beta * sigmoid(-z) / pairs;
  const double imitate = options.sft_weight / (pairs * chosen_tokens);
  for (size_t i = 0; i < dchosen.size(); ++i) {
    dchosen[i] = static_cast<float>(-(chosen.aligned[i] ? pull + imitate : imitate));
  }
  for (size_t i = 0; i < drejected.size(); ++i) {
    drejected[i] = rejected.aligned[i] ? static_cast<float>(pull) : 0.0f;
  }

  DpoTerms terms;
  terms.preference_loss = -log_sigmoid(z) / pairs;
  terms.chosen_nll = nll / pairs;
  terms.loss = terms.preference_loss + options.sft_weight * terms.chosen_nll;
  terms.chosen_reward = chosen_reward / pairs;
  terms.rejected_reward = rejected_reward / pairs;
  terms.margin = z / pairs;
  terms.accuracy = (z > 0 ? 1.0 : z == 0 ? 0.5 : 0.0) / pairs;
  return terms;
}

}  // namespace ponder::train
