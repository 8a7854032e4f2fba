#include "eval/comparison.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "eval/judging.h"

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
    const std::string sha256 =
        row.value.contains("problem_sha256") ? field("problem_sha256") : std::string();
    if (row.value.contains("judge")) table.judges.insert(dump_json(row.value["judge"]));
    if (row.value.contains("precision")) table.arithmetics.insert(field("precision"));
    VerdictTable::Row& problem = table.problems[{field("problem_id"), sha256}];
    ++problem.samples;
    problem.correct += *verdict == judge::Verdict::kCorrect;
  }
  return table;
}

const VerdictTable::Row* VerdictTable::find(const std::string& id,
                                            const std::string& sha256) const {
  if (const auto exact = problems.find({id, sha256}); exact != problems.end())
    return &exact->second;
  if (count(id) != 1) return nullptr;
  const auto only = problems.lower_bound({id, ""});
  return sha256.empty() || only->first.second.empty() ? &only->second : nullptr;
}

int64_t VerdictTable::count(const std::string& id) const {
  int64_t count = 0;
  for (auto at = problems.lower_bound({id, ""}); at != problems.end() && at->first.first == id;
       ++at)
    ++count;
  return count;
}

void require_one_judge(const VerdictTable& table, const std::string& who, const VerdictTable& other,
                       const std::string& other_name) {
  std::set<std::string> all = table.judges;
  all.insert(other.judges.begin(), other.judges.end());
  if (all.size() < 2 || table.judges.empty() || other.judges.empty()) return;
  throw Error(who,
              fmt::format("was judged by {}, {} by {}", fmt::join(table.judges, " and "),
                          other_name, fmt::join(other.judges, " and ")),
              "judge both alike: ponder eval --responses FILE --details FILE");
}

VerdictTable verdicts_on(const VerdictTable& table, std::span<const data::Problem> problems,
                         const std::string& benchmark, const std::string& who) {
  VerdictTable found;
  found.judges = table.judges;
  found.arithmetics = table.arithmetics;
  for (const data::Problem& problem : problems) {
    const std::string sha256 = problem_sha256(problem);
    if (const VerdictTable::Row* row = table.find(problem.id, sha256)) {
      found.problems[{problem.id, sha256}] = *row;
    } else if (table.count(problem.id) == 1) {
      throw Error(
          who, fmt::format("has another question or gold under the id \"{}\"", excerpt(problem.id)),
          "evaluate both on the same benchmark file");
    }
  }
  if (found.problems.empty()) {
    throw Error(who, fmt::format("has no problem of {}", benchmark),
                "compare evaluations of the same benchmark");
  }
  return found;
}

Comparison compare_with(const BenchmarkResult& result, std::span<const data::Problem> problems,
                        const VerdictTable& other, uint64_t seed) {
  const VerdictTable then = verdicts_on(other, problems, result.score.benchmark, "--compare");
  VerdictTable now;
  now.judges = {dump_json(how_judged(result.strictness))};
  require_one_judge(then, "--compare", now, "this");
  std::vector<double> a, b;
  for (size_t i = 0; i < result.problems.size(); ++i) {
    const auto* row = then.find(problems[i].id, problem_sha256(problems[i]));
    if (!row) continue;
    a.push_back(row->share());
    b.push_back(result.problems[i].share_correct());
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
