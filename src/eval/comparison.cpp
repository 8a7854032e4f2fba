#include "eval/comparison.h"

#include <fmt/format.h>

#include <vector>

#include "base/error.h"
#include "base/hash.h"

namespace ponder::eval {

std::string problem_sha256(const data::Problem& problem) {
  Json json = {{"question", problem.question},
               {"answer", problem.answer},
               {"answer_type", judge::to_string(problem.answer_type)}};
  if (problem.tolerance) json["tolerance"] = *problem.tolerance;
  return sha256_hex(dump_json(json));
}

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
    if (row.value.contains("problem_sha256")) problem.problem_sha256 = field("problem_sha256");
  }
  return table;
}

Comparison compare_with(const BenchmarkResult& result, std::span<const data::Problem> problems,
                        const VerdictTable& other, uint64_t seed) {
  std::vector<double> a, b;
  for (size_t i = 0; i < result.problems.size(); ++i) {
    const ProblemResult& problem = result.problems[i];
    const auto found = other.problems.find(problem.problem_id);
    if (found == other.problems.end()) continue;
    const std::string& then = found->second.problem_sha256;
    if (!then.empty() && then != problem_sha256(problems[i])) {
      throw Error("--compare",
                  fmt::format("has another question or gold under the id \"{}\"",
                              excerpt(problem.problem_id)),
                  "evaluate both on the same benchmark file");
    }
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
