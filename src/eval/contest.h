// Several sets of responses to the same problems, whoever made them, held against the first: paired by
// problem, with Holm's correction.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "eval/comparison.h"
#include "eval/metrics.h"

namespace ponder::eval {

struct Contestant {
  std::string name;
  VerdictTable verdicts;
};

// Those of the result, as read_verdicts would give them.
VerdictTable verdicts_of(const BenchmarkResult& result, std::span<const data::Problem> problems);

struct ContestRow {
  std::string name;
  int64_t problems = 0;
  Accuracy accuracy;
  std::string arithmetics;  // of the responses, where their rows say
  // Against the first, over the problems that both have; none of the first.
  std::optional<Comparison> comparison;
  double corrected_p = 1;
  double detectable = 0;  // a difference that as many problems would show in four of five trials
};

// At least one contestant. Throws Error naming two that have no problem in common, or another problem
// under one id.
std::vector<ContestRow> hold_contest(const std::vector<Contestant>& contestants, uint64_t seed);

std::string to_text(const std::vector<ContestRow>& rows);
Json to_json(const std::vector<ContestRow>& rows);

}  // namespace ponder::eval
