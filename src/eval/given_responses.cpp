// Scoring of responses that were made elsewhere.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "base/mended_json.h"
#include "base/text.h"
#include "eval/benchmark.h"

namespace ponder::eval {
namespace {

// Finds the problem a row speaks of.
class ProblemIndex {
 public:
  // `benchmark`: a bare number as an id became BENCHMARK-NUMBER when it was read.
  ProblemIndex(std::string benchmark, std::span<const data::Problem> problems)
      : benchmark_(std::move(benchmark)) {
    for (size_t i = 0; i < problems.size(); ++i) {
      ids_.emplace(problems[i].id, i);
      questions_.emplace(std::string(trimmed(problems[i].question)), i);
    }
  }

  // Nothing when the row names no problem; throws when none of the names is known.
  std::optional<size_t> find(const Json& row, const std::string& where) const {
    std::string named;
    for (const std::string_view key : {"problem_id", "id", "question", "problem"}) {
      const auto field = row.find(key);
      if (field == row.end() || !(field->is_string() || field->is_number_integer())) continue;
      const std::string name = field->is_string() ? field->get<std::string>() : field->dump();
      const bool by_id = key == "problem_id" || key == "id";
      const auto& index = by_id ? ids_ : questions_;
      auto found = index.find(by_id ? name : std::string(trimmed(name)));
      if (found == index.end() && by_id && is_digits(name))
        found = index.find(fmt::format("{}-{}", benchmark_, name));
      if (found != index.end()) return found->second;
      if (named.empty()) named = fmt::format("{} \"{}\"", key, excerpt(name));
    }
    if (named.empty()) return std::nullopt;
    throw Error(where, named + " is no problem of the benchmark",
                "give each row the problem_id its problem has, or leave the names out and put rows "
                "in the benchmark's order");
  }

 private:
  std::string benchmark_;
  std::map<std::string, size_t> ids_, questions_;
};

struct GivenResponse {
  std::string text;
  data::FinishReason finish_reason = data::FinishReason::kStop;
  int64_t tokens = 0;
};

// Whether a text stands where the response should that no character can be made of.
bool is_unreadable(const Json& row) {
  for (const char* key : {"response", "text"}) {
    if (row.is_object() && row.contains(key))
      return row.at(key).is_object() && row.at(key).contains(kUnreadable);
  }
  return false;
}

GivenResponse read_response(const Json& row, const std::string& where) {
  if (!row.is_object()) throw Error(where, "expected an object with `response`");
  auto field = row.find("response");
  if (field == row.end()) field = row.find("text");
  if (field == row.end() || !field->is_string()) {
    throw Error(where, "expected a text `response` (or `text`)");
  }
  GivenResponse response;
  response.text = field->get<std::string>();
  if (const auto reason = row.find("finish_reason"); reason != row.end()) {
    const auto known = reason->is_string()
                           ? data::finish_reason_from_string(reason->get<std::string>())
                           : std::nullopt;
    if (!known) throw Error(where, "expected finish_reason stop, length or repetition");
    response.finish_reason = *known;
  }
  if (const auto ids = row.find("token_ids"); ids != row.end() && ids->is_array()) {
    response.tokens = static_cast<int64_t>(ids->size());
  } else if (const auto count = row.find("tokens");
             count != row.end() && count->is_number_integer()) {
    response.tokens = count->get<int64_t>();
  }
  return response;
}

SampleResult without_response(const char* proof) {
  SampleResult sample;
  sample.verdict = judge::Verdict::kIncorrect;
  sample.proof = proof;
  return sample;
}

// Rows that could not be read are wrong responses: at their places where these are known, else of
// the problems that lack one.
void add_unreadable(BenchmarkResult& result, const std::vector<size_t>& places, size_t count) {
  const SampleResult wrong = without_response("the row of the response cannot be read");
  for (size_t place : places) {
    if (place < result.problems.size()) result.problems[place].samples.push_back(wrong);
  }
  size_t most = 0;
  for (const ProblemResult& problem : result.problems)
    most = std::max(most, problem.samples.size());
  size_t left = count - places.size();
  for (ProblemResult& problem : result.problems) {
    for (; left > 0 && problem.samples.size() < most; --left) problem.samples.push_back(wrong);
  }
}

}  // namespace

BenchmarkResult score_responses(const std::string& benchmark,
                                std::span<const data::Problem> problems,
                                const std::filesystem::path& file,
                                const JudgeStrictness& strictness) {
  BenchmarkResult result;
  result.strictness = strictness;
  for (const data::Problem& problem : problems)
    result.problems.emplace_back().problem_id = problem.id;
  const ProblemIndex index(benchmark, problems);
  JsonRowReader reader(file);
  JsonRow row;
  size_t rows = 0, named = 0;
  std::vector<size_t> unreadable;  // the places in order of rows that are no JSON
  const auto skip = [&](uint64_t, uint64_t, const std::string&) { unreadable.push_back(rows++); };
  while (reader.next(row, skip)) {
    const std::string where = fmt::format("{}:{}", reader.name(), row.line);
    if (is_unreadable(row.value)) {
      unreadable.push_back(rows++);
      continue;
    }
    const GivenResponse response = read_response(row.value, where);
    const std::optional<size_t> found = index.find(row.value, where);
    named += found.has_value();
    if (named != 0 && named + unreadable.size() != rows + 1) {
      throw Error(where, "some rows name their problem and some do not",
                  "give problem_id in every row, or in none");
    }
    const size_t place = found.value_or(rows);
    ++rows;
    if (place >= problems.size()) {
      throw Error(where,
                  fmt::format("is one row more than the benchmark's {} problems", problems.size()),
                  "give rows a problem_id");
    }
    result.problems[place].samples.push_back(judge_sample(
        problems[place], response.text, response.finish_reason, response.tokens, strictness));
  }
  if (rows == unreadable.size()) throw Error(file.string(), "holds no responses");
  add_unreadable(result, named > 0 ? std::vector<size_t>() : unreadable, unreadable.size());

  size_t samples = 0;
  for (const ProblemResult& problem : result.problems) {
    samples = std::max(samples, problem.samples.size());
  }
  int64_t missing = 0;
  for (ProblemResult& problem : result.problems) {
    if (!problem.samples.empty()) continue;
    ++missing;
    problem.samples.assign(samples, without_response("no response was given"));
  }
  result.score = aggregate(benchmark, problems, result.problems, strictness);
  result.score.unreadable = static_cast<int64_t>(unreadable.size());
  result.score.missing = missing;
  return result;
}

}  // namespace ponder::eval
