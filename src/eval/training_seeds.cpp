#include "eval/training_seeds.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace ponder::eval {
namespace {

using Table = std::vector<std::vector<double>>;

constexpr double kEqualVariance = 1e-24;  // a variance below it is that of equal values

void check(const Table& values, size_t problems) {
  for (const std::vector<double>& row : values) {
    if (row.size() != problems || row.empty()) {
      throw Error("training seeds", fmt::format("expected {} problems of every seed, found {}",
                                                problems, row.size()));
    }
  }
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Sums of squares about the mean, over the number of values less one.
double variance_of(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const double mean = mean_of(values);
  double sum = 0;
  for (const double v : values) sum += (v - mean) * (v - mean);
  return sum / static_cast<double>(values.size() - 1);
}

std::vector<double> means_of_problems(const Table& values) {
  std::vector<double> means(values[0].size());
  for (const std::vector<double>& row : values) {
    for (size_t p = 0; p < row.size(); ++p) means[p] += row[p] / static_cast<double>(values.size());
  }
  return means;
}

// A part of the variance of a mean, and its degrees of freedom.
struct Part {
  double variance = 0, degrees = 0;
};

Part of_seeds(const Table& values) {
  std::vector<double> rows;
  for (const std::vector<double>& row : values) rows.push_back(mean_of(row));
  const auto s = static_cast<double>(values.size());
  return {variance_of(rows) / s, s - 1};
}

Part of_problems(const Table& values) {
  const std::vector<double> columns = means_of_problems(values);
  const auto p = static_cast<double>(columns.size());
  return {variance_of(columns) / p, p - 1};
}

// Half the width of the interval that leaves out `alpha`.
double half_width(const std::vector<Part>& parts, double alpha) {
  double sum = 0;
  for (const Part& part : parts) {
    if (part.variance <= 0 || part.degrees <= 0) continue;
    const double t = boost::math::quantile(boost::math::students_t(part.degrees), 1 - alpha / 2);
    sum += t * t * part.variance;
  }
  return std::sqrt(sum);
}

// The alpha whose interval just reaches `distance`.
double alpha_of(const std::vector<Part>& parts, double distance) {
  double low = 1e-12, high = 1;
  for (int i = 0; i < 60; ++i) {
    const double middle = std::sqrt(low * high);
    (half_width(parts, middle) > distance ? low : high) = middle;
  }
  return high;
}

void set_interval(SeedsMean& it, const std::vector<Part>& parts, double low, double high) {
  double variance = 0;
  for (const Part& part : parts) variance += part.variance;
  it.standard_error = variance < kEqualVariance ? 0 : std::sqrt(variance);
  const double half = half_width(parts, 0.05);
  it.interval_95 = {std::max(low, it.mean - half), std::min(high, it.mean + half)};
}

SeedsMean means(const Table& values) {
  check(values, values.empty() ? 0 : values[0].size());
  if (values.empty()) throw Error("training seeds", "there is none");
  SeedsMean it;
  it.seeds = static_cast<int64_t>(values.size());
  it.problems = static_cast<int64_t>(values[0].size());
  for (const std::vector<double>& row : values) it.by_seed.push_back(mean_of(row));
  it.mean = mean_of(it.by_seed);
  it.seed_deviation = std::sqrt(variance_of(it.by_seed));
  return it;
}

}  // namespace

SeedsMean mean_over_seeds(const Table& values) {
  SeedsMean it = means(values);
  set_interval(it, {of_seeds(values), of_problems(values)}, 0, 1);
  // Near 0 and 1 too, and the same that an evaluation by itself says.
  constexpr double kAnyNumberOfSamples = 1e9;
  if (it.seeds == 1) it.interval_95 = accuracy_of(values[0], kAnyNumberOfSamples).interval_95;
  if (it.standard_error == 0)
    it.interval_95 = wilson_interval(it.mean, static_cast<double>(it.problems));
  return it;
}

SeedsDifference difference_over_seeds(const Table& a, const Table& b, bool paired) {
  if (a.empty() || b.empty()) throw Error("training seeds", "there is none");
  check(a, a[0].size());
  check(b, a[0].size());
  if (paired && a.size() != b.size())
    throw Error("training seeds",
                fmt::format("expected pairs, found {} and {}", a.size(), b.size()));
  SeedsDifference it;
  std::vector<Part> parts;
  const auto difference = [](const std::vector<double>& x, const std::vector<double>& y) {
    std::vector<double> row(x.size());
    for (size_t p = 0; p < row.size(); ++p) row[p] = y[p] - x[p];
    return row;
  };
  if (paired) {
    Table differences;
    for (size_t i = 0; i < a.size(); ++i) differences.push_back(difference(a[i], b[i]));
    static_cast<SeedsMean&>(it) = means(differences);
    parts = {of_seeds(differences), of_problems(differences)};
  } else {
    const Table of_means = {difference(means_of_problems(a), means_of_problems(b))};
    static_cast<SeedsMean&>(it) = means(of_means);
    it.by_seed.clear();
    it.seeds = static_cast<int64_t>(std::min(a.size(), b.size()));
    parts = {of_seeds(a), of_seeds(b), of_problems(of_means)};
  }
  set_interval(it, parts, -1, 1);
  const auto n = static_cast<double>(it.problems);
  if (it.standard_error > 0) {
    it.detectable = half_width(parts, 0.05) + half_width(parts, 0.4);  // t at 97.5 % and at 80 %
    it.p_value = alpha_of(parts, std::abs(it.mean));
    return it;
  }
  // The same difference on every problem: a sign test, and as many problems may be otherwise as none of these
  // many leaves open.
  const double open = wilson_interval(0, n).high;
  it.interval_95 = {std::max(-1.0, it.mean - open), std::min(1.0, it.mean + open)};
  it.detectable = detectable_where_nothing_varies(n);
  it.p_value = it.mean == 0 ? 1 : std::exp2(1 - n);
  return it;
}

std::vector<double> holm(const std::vector<double>& p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) {
    return p_values[i] != p_values[j] ? p_values[i] < p_values[j] : i < j;
  });
  std::vector<double> corrected(p_values.size());
  double highest = 0;
  for (size_t k = 0; k < order.size(); ++k) {
    highest = std::max(highest,
                       std::min(1.0, static_cast<double>(order.size() - k) * p_values[order[k]]));
    corrected[order[k]] = highest;
  }
  return corrected;
}

}  // namespace ponder::eval
