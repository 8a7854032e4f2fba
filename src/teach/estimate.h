// What asking a teacher will likely take: how many requests are left, and what all of them come to in tokens and
// money, reckoned from the answers there are. Pure functions of counts; teacher_estimate.cpp makes the counts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "teach/money.h"

namespace ponder::teach {

// What is left of a problem.
struct ProblemLeft {
  int right = 0;  // right answers there are
  // Samples without an answer that may be asked; of a problem with enough right ones those on their way alone.
  int open = 0;
  int on_its_way = 0;        // of these: they come, whatever the others bring
  Units worst = 0;           // what the open ones cost at the most, together
  int64_t worst_tokens = 0;  // completion tokens, likewise
};

struct EstimateInput {
  int enough_correct = 1;  // 0: all samples are asked
  std::vector<ProblemLeft> problems;
  int64_t right = 0, answers = 0;          // so far
  std::vector<int64_t> completion_tokens;  // of each answer that says it
  std::string currency;                    // "" without prices
  std::vector<Units> prices;               // of each answer, with prices
  int64_t tokens_so_far = 0;  // completion tokens, of answers that others took the place of too
  Units spent_so_far = 0;     // bills, and the most that attempts without one may have cost
};

// A sample's mean. Whole numbers but for the interval's half: of 95%, by Student's t distribution, from ten values on.
struct SampleMean {
  int64_t num = 0;
  int64_t mean = 0, ninetieth = 0;  // rounded; the least value that nine of ten do not exceed
  double exact_mean = 0;
  std::optional<double> half_interval;
};

struct LikelyTotal {
  // So far + expected requests x mean; none without an answer.
  std::optional<int64_t> likely, low, high;
  int64_t most = 0;
};

struct Estimate {
  int64_t right = 0, answers = 0;
  int64_t least_requests = 0, most_requests = 0;  // left, those on their way among them
  std::optional<double> expected_requests;        // at the share of right answers so far
  SampleMean tokens, price;                       // of an answer
  LikelyTotal all_tokens, all_price;              // of everything that was asked and will be
  std::string currency;

  Json json() const;
  // Each a sentence without its point.
  std::string requests_text() const;
  std::string answer_text() const;  // "" without an answer
  std::string total_text() const;   // in money, without prices in completion tokens
};

Estimate estimate(const EstimateInput& input);

// Samples that a problem takes until `need` of them are right, each with probability `p`, or `most` were asked: the
// expected number. For need = 1 it is (1 - (1 - p)^most) / p.
double expected_samples(int need, int most, double p);

// Twice the quantile's tail is 5%: how many standard errors lie between a mean and the end of its interval.
double t_quantile_95(int64_t degrees_of_freedom);

// `count` places of `all`, in the middle of `count` equal parts; all of them where there are no more.
std::vector<size_t> evenly_spread(size_t all, size_t count);

}  // namespace ponder::teach
