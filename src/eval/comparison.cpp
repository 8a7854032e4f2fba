#include "eval/comparison.h"

#include <fmt/format.h>

#include <vector>

#include "base/error.h"

namespace ponder::eval {

VerdictTable read_verdicts(const std::filesystem::path& file) {
  VerdictTable table;
  JsonRowReader reader(file);
  JsonRow row;
  while (reader.next(row)) {
    const auto field = [&](const char* key) {
      const auto found = row.value.is_object() ? row.value.find(key) : row.value.end();
      if (found == row.value.end() || !found->is_string()) {
        throw Error(fmt::format("{}:{}", reader.name(), row.line),
                    fmt::format("expected a row with a text \"{}\"", key),
                    "give a file that ponder eval wrote with --details or --out");
      }
      return found->get<std::string>();
    };
    const auto verdict = judge::verdict_from_string(field("verdict"));
    if (!verdict) {
      throw Error(fmt::format("{}:{}", reader.name(), row.line),
                  "expected verdict correct, incorrect or undecided");
    }
    VerdictTable::Row& problem = table.problems[field("problem_id")];
    ++problem.samples;
    problem.correct += *verdict == judge::Verdict::kCorrect;
  }
  return table;
}

Comparison compare_with(const BenchmarkResult& result, const VerdictTable& other, uint64_t seed) {
  std::vector<double> a, b;
  for (const ProblemResult& problem : result.problems) {
    const auto found = other.problems.find(problem.problem_id);
    if (found == other.problems.end()) continue;
    a.push_back(static_cast<double>(found->second.correct) /
                static_cast<double>(found->second.samples));
    b.push_back(problem.share_correct());
  }
  if (a.empty()) {
    throw Error("--compare", fmt::format("has no problem of {}", result.score.benchmark),
                "compare evaluations of the same benchmark");
  }
  return compare_paired(a, b, seed);
}

Json to_json(const Comparison& comparison) {
  Json json;
  json["n"] = comparison.n;
  json["difference"] = comparison.difference;
  json["interval_95"] = {comparison.interval_95.low, comparison.interval_95.high};
  json["p_value"] = comparison.p_value;
  json["method"] = comparison.method;
  json["distinguishable"] = comparison.distinguishable;
  return json;
}

}  // namespace ponder::eval
