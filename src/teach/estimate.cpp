#include "teach/estimate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace ponder::teach {
namespace {

constexpr int64_t kLeastForInterval = 10;

int64_t sum_within(int64_t a, int64_t b) {
  const __int128 sum = static_cast<__int128>(a) + b;
  return static_cast<int64_t>(std::min<__int128>(sum, std::numeric_limits<int64_t>::max()));
}

SampleMean mean_of(std::vector<int64_t> values) {
  SampleMean sample;
  if (values.empty()) return sample;
  std::sort(values.begin(), values.end());
  sample.num = static_cast<int64_t>(values.size());
  __int128 sum = 0;
  for (const int64_t value : values) sum += value;
  sample.exact_mean = static_cast<double>(sum) / static_cast<double>(sample.num);
  sample.mean = static_cast<int64_t>((2 * sum + sample.num) / (2 * sample.num));
  sample.ninetieth = values[(values.size() * 9 - 1) / 10];
  if (sample.num < kLeastForInterval) return sample;
  double squares = 0;
  for (const int64_t value : values) {
    const double apart = static_cast<double>(value) - sample.exact_mean;
    squares += apart * apart;
  }
  const auto degrees = static_cast<double>(sample.num - 1);
  sample.half_interval = t_quantile_95(sample.num - 1) *
                         std::sqrt(squares / degrees / static_cast<double>(sample.num));
  return sample;
}

LikelyTotal total_of(int64_t so_far, std::optional<double> requests, const SampleMean& each,
                     int64_t worst) {
  LikelyTotal total;
  total.most = sum_within(so_far, worst);
  if (!requests || each.num == 0) return total;
  // Between what is there and the most there can be.
  const auto with_mean = [&](double mean) {
    const double more = std::max(0.0, *requests * mean);
    if (more >= static_cast<double>(worst)) return total.most;
    return sum_within(so_far, std::llround(more));
  };
  total.likely = with_mean(each.exact_mean);
  if (!each.half_interval) return total;
  total.low = with_mean(each.exact_mean - *each.half_interval);
  total.high = with_mean(each.exact_mean + *each.half_interval);
  return total;
}

// Four digits that say something, and never less than hundredths.
std::string rough_text(Units amount) {
  constexpr Units kHundredth = 10'000'000'000;
  Units step = 1;
  while (step < kHundredth && amount / step >= 10'000) step *= 10;
  return amount_text(sum_within(amount, step / 2) / step * step);
}

Json mean_json(const SampleMean& sample, bool money) {
  const auto value = [&](int64_t number) {
    return money ? Json(amount_text(number)) : Json(number);
  };
  if (sample.num == 0) return {};
  return {{"mean", value(sample.mean)}, {"p90", value(sample.ninetieth)}};
}

Json total_json(const LikelyTotal& total, bool money) {
  const auto value = [&](const std::optional<int64_t>& number) {
    if (!number) return Json();
    return money ? Json(amount_text(*number)) : Json(*number);
  };
  return {{"likely", value(total.likely)},
          {"low_95", value(total.low)},
          {"high_95", value(total.high)},
          {"most", value(total.most)}};
}

}  // namespace

// Wald's identity: the right answers come, expected, to p times the samples, and there are min(Bin(most, p), need).
double expected_samples(int need, int most, double p) {
  if (need <= 0 || most <= 0) return 0;
  if (need >= most || p <= 0) return most;
  if (p >= 1) return need;
  double right = need;
  double log_probability = most * std::log1p(-p);  // of k right among `most`
  const double log_odds = std::log(p) - std::log1p(-p);
  for (int k = 0; k < need; ++k) {
    right -= (need - k) * std::exp(log_probability);
    log_probability += log_odds + std::log(static_cast<double>(most - k) / (k + 1));
  }
  return std::clamp(right / p, static_cast<double>(need), static_cast<double>(most));
}

// Cornish and Fisher's expansion around the normal quantile (Abramowitz and Stegun 26.7.5), to within 0.001 from nine
// degrees of freedom on.
double t_quantile_95(int64_t degrees_of_freedom) {
  constexpr double z = 1.959963984540054, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
  const auto n = static_cast<double>(degrees_of_freedom);
  return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n);
}

std::vector<size_t> evenly_spread(size_t all, size_t count) {
  count = std::min(count, all);
  std::vector<size_t> places;
  places.reserve(count);
  for (size_t i = 0; i < count; ++i) places.push_back((2 * i + 1) * all / (2 * count));
  return places;
}

Estimate estimate(const EstimateInput& input) {
  Estimate out;
  out.right = input.right;
  out.answers = input.answers;
  out.currency = input.currency;
  const double share =
      input.answers > 0 ? static_cast<double>(input.right) / static_cast<double>(input.answers) : 0;
  double expected = 0;
  Units worst = 0;
  int64_t worst_tokens = 0;
  for (const ProblemLeft& problem : input.problems) {
    const int need = input.enough_correct == 0 ? problem.open
                                               : std::max(0, input.enough_correct - problem.right);
    out.least_requests += std::max(std::min(need, problem.open), problem.on_its_way);
    out.most_requests += problem.open;
    worst = sum_within(worst, problem.worst);
    worst_tokens = sum_within(worst_tokens, problem.worst_tokens);
    // max(on its way, samples until enough are right), expected.
    expected += problem.on_its_way + expected_samples(need, problem.open, share) -
                expected_samples(need, problem.on_its_way, share);
  }
  if (input.answers > 0) out.expected_requests = expected;
  out.tokens = mean_of(input.completion_tokens);
  out.all_tokens = total_of(input.tokens_so_far, out.expected_requests, out.tokens, worst_tokens);
  if (input.currency.empty()) return out;
  out.price = mean_of(input.prices);
  out.all_price = total_of(input.spent_so_far, out.expected_requests, out.price, worst);
  return out;
}

Json Estimate::json() const {
  Json json = {{"answers", answers},
               {"right", right},
               {"least_requests", least_requests},
               {"expected_requests", expected_requests ? Json(*expected_requests) : Json()},
               {"most_requests", most_requests},
               {"answer_tokens", mean_json(tokens, false)},
               {"total_tokens", total_json(all_tokens, false)}};
  if (currency.empty()) return json;
  json["currency"] = currency;
  json["answer_price"] = mean_json(price, true);
  json["total_price"] = total_json(all_price, true);
  return json;
}

std::string Estimate::requests_text() const {
  if (most_requests == 0) return "no request is left";
  std::string text = least_requests == most_requests
                         ? fmt::format("{} requests are left", most_requests)
                         : fmt::format("{} to {} requests are left", least_requests, most_requests);
  if (expected_requests && least_requests != most_requests) {
    text += fmt::format(", likely {:.1f} ({} of {} answers are right)", *expected_requests, right,
                        answers);
  }
  return text;
}

std::string Estimate::answer_text() const {
  std::string text;
  if (tokens.num > 0) {
    text = fmt::format("has {} completion tokens in the mean, nine of ten no more than {}",
                       tokens.mean, tokens.ninetieth);
  }
  if (price.num > 0) {
    text += fmt::format("{}costs {} {} in the mean, nine of ten no more than {}",
                        text.empty() ? "" : ", and ", currency, rough_text(price.mean),
                        rough_text(price.ninetieth));
  }
  return text.empty() ? "" : "an answer " + text;
}

std::string Estimate::total_text() const {
  const bool money = !currency.empty();
  const LikelyTotal& total = money ? all_price : all_tokens;
  const auto rough = [&](int64_t value) {
    return money ? rough_text(value) : fmt::format("{}", value);
  };
  const std::string before = money ? currency + " " : "", after = money ? "" : " completion tokens";
  const std::string most = money ? amount_text(total.most) : fmt::format("{}", total.most);
  if (most_requests == 0) return fmt::format("in all {}{}{}", before, most, after);
  if (!total.likely) return fmt::format("in all at most {}{}{}", before, most, after);
  std::string text = fmt::format("in all likely {}{}{}", before, rough(*total.likely), after);
  if (total.low) {
    text += fmt::format(" ({} to {} within the 95% interval of the mean)", rough(*total.low),
                        rough(*total.high));
  }
  return text + fmt::format(", at most {}", most);
}

}  // namespace ponder::teach
