#include "train/objective.h"

#include <algorithm>
#include <cmath>

#include "base/portable_math.h"

namespace ponder::train {

std::string_view to_string(SftTerm term) { return term == SftTerm::kPair ? "pair" : "token"; }

std::optional<SftTerm> sft_term_from_string(std::string_view text) {
  for (const SftTerm term : {SftTerm::kPair, SftTerm::kToken})
    if (text == to_string(term)) return term;
  return std::nullopt;
}

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
                       StepWeight step, std::span<float> dchosen, std::span<float> drejected) {
  const double pairs = static_cast<double>(step.units);
  const double chosen_tokens = static_cast<double>(chosen.logprobs.size());
  double chosen_sum = 0;
  for (const float logprob : chosen.logprobs) chosen_sum += logprob;

  const auto beta_of = [&](const DpoSide& side) {
    if (!options.length_normalised) return options.beta;
    return options.beta /
           static_cast<double>(std::count(side.aligned.begin(), side.aligned.end(), 1));
  };
  const double chosen_beta = beta_of(chosen), rejected_beta = beta_of(rejected);
  const double chosen_logprob = aligned_sum(chosen.logprobs, chosen.aligned);
  const double rejected_logprob = aligned_sum(rejected.logprobs, rejected.aligned);
  const double chosen_reward = chosen_beta * (chosen_logprob - chosen.reference_logprob);
  const double rejected_reward = rejected_beta * (rejected_logprob - rejected.reference_logprob);
  const double z = chosen_reward - rejected_reward;  // beta * margin
  const bool by_token = options.sft_term == SftTerm::kToken;
  const double nll_divisor = by_token ? static_cast<double>(step.tokens) : pairs * chosen_tokens;

  // d(-log sigmoid(z)) / dz = -sigmoid(-z), and dz / dlogprob = +-beta at aligned tokens.
  const double chosen_pull = chosen_beta * sigmoid(-z) / pairs;
  const double rejected_pull = rejected_beta * sigmoid(-z) / pairs;
  const double imitate = options.sft_weight == 0 ? 0 : options.sft_weight / nll_divisor;
  for (size_t i = 0; i < dchosen.size(); ++i) {
    dchosen[i] = static_cast<float>(-(chosen.aligned[i] ? chosen_pull + imitate : imitate));
  }
  for (size_t i = 0; i < drejected.size(); ++i) {
    drejected[i] = rejected.aligned[i] ? static_cast<float>(rejected_pull) : 0.0f;
  }

  DpoTerms terms;
  terms.preference_loss = -log_sigmoid(z) / pairs;
  terms.chosen_nll = by_token ? -chosen_sum / nll_divisor : -chosen_sum / chosen_tokens / pairs;
  terms.loss = terms.preference_loss + options.sft_weight * terms.chosen_nll;
  terms.chosen_reward = chosen_reward / pairs;
  terms.rejected_reward = rejected_reward / pairs;
  terms.margin = z / pairs;
  terms.accuracy = (z > 0 ? 1.0 : z == 0 ? 0.5 : 0.0) / pairs;
  terms.chosen_logprob = chosen_logprob / pairs;
  terms.rejected_logprob = rejected_logprob / pairs;
  return terms;
}

}  // namespace ponder::train
