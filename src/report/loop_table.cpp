#include "report/loop_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "pool/stage_result.h"

namespace ponder::report {
namespace {

std::string label_of(const pool::Pool& pool, const pool::ModelRecord& model) {
  if (model.stage.empty()) return "base";
  const std::optional<pool::StageRecord> stage = pool.stage(model.stage);
  const auto result = stage ? pool::result_of<pool::TrainResult>(*stage) : std::nullopt;
  return result && !result->label.empty() ? result->label : model.stage;
}

// The base, main imitation and the rounds; a comparison set's output is another model than M1.
bool on_main_line(const pool::Pool& pool, const pool::ModelRecord& model) {
  if (model.stage.empty()) return true;
  const std::optional<pool::StageRecord> stage = pool.stage(model.stage);
  return stage && (stage->kind == pool::stage_kind::kImprove ||
                   (stage->kind == pool::stage_kind::kImitate && model.name == "M1"));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string common_label(const std::vector<std::string>& labels) {
  std::string common;
  std::vector<size_t> at(labels.size(), 0);
  while (at[0] < labels[0].size()) {
    const bool digit = is_digit(labels[0][at[0]]);
    std::vector<int64_t> numbers;
    std::vector<std::string> texts;
    for (size_t i = 0; i < labels.size(); ++i) {
      size_t end = at[i];
      while (end < labels[i].size() && is_digit(labels[i][end]) == digit && end - at[i] < 18) ++end;
      texts.push_back(labels[i].substr(at[i], end - at[i]));
      if (texts[i].empty() || is_digit(texts[i][0]) != digit) return labels[0];
      if (digit) numbers.push_back(std::stoll(texts[i]));
      at[i] = end;
    }
    const bool same =
        std::all_of(texts.begin(), texts.end(), [&](const auto& t) { return t == texts[0]; });
    if (!same && !digit) return labels[0];
    if (same) {
      common += texts[0];
    } else {
      const auto [low, high] = std::minmax_element(numbers.begin(), numbers.end());
      common += fmt::format("{} to {}", *low, *high);
    }
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    if (at[i] != labels[i].size()) return labels[0];
  }
  return common;
}

Measure measure_of(const pool::ScoreRecord& score) {
  const auto value = [&](const char* key) {
    const auto found = score.extra.find(key);
    return found == score.extra.end() ? Json() : *found;
  };
  return {score.n, value("benchmark_sha256"), value("judge_version")};
}

std::string difference_of(const Measure& a, const Measure& b) {
  if (a.n != b.n || a.benchmark_sha256 != b.benchmark_sha256) return "not the same problems";
  return a.judge_version == b.judge_version ? "" : "not judged by one version of the judge";
}

bool LoopTable::Row::evaluated() const {
  return std::any_of(scores.begin(), scores.end(), [](const auto& s) { return s.has_value(); });
}

LoopTable loop_table(const pool::Pool& pool) {
  LoopTable table;
  std::optional<size_t> main_end;        // of the main line so far
  std::map<std::string, size_t> row_of;  // by weights: the first row with them
  for (const pool::ModelRecord& model : pool.models()) {
    LoopTable::Row row;
    row.model = model.name;
    row.label = label_of(pool, model);
    row.main_line = on_main_line(pool, model);
    const auto parent = row_of.find(model.parent_sha256);
    if (row.main_line) {
      row.before = main_end;
    } else if (parent != row_of.end()) {
      row.before = parent->second;
    }
    const auto known = std::find_if(table.rows.begin(), table.rows.end(),
                                    [&](const auto& r) { return r.model == model.name; });
    const auto at = static_cast<size_t>(known - table.rows.begin());
    if (known == table.rows.end()) {
      table.rows.push_back(row);
    } else {
      row.before = known->before;
      *known = row;  // the latest of a name counts
    }
    row_of.emplace(model.sha256, at);
    if (row.main_line) {
      if (main_end && !table.imitation) table.imitation = at;
      main_end = at;
    }
  }
  const std::vector<pool::ScoreRecord> scores = pool.scores();
  for (const pool::ScoreRecord& score : scores) {
    if (std::find(table.benchmarks.begin(), table.benchmarks.end(), score.benchmark) ==
        table.benchmarks.end()) {
      table.benchmarks.push_back(score.benchmark);
    }
    if (std::none_of(table.rows.begin(), table.rows.end(),
                     [&](const auto& row) { return row.model == score.model; })) {
      table.rows.push_back({score.model, "not known", false, std::nullopt, {}});
    }
  }
  for (LoopTable::Row& row : table.rows) {
    row.scores.resize(table.benchmarks.size());
    for (const pool::ScoreRecord& score : scores) {
      if (score.model != row.model) continue;
      const auto column =
          std::find(table.benchmarks.begin(), table.benchmarks.end(), score.benchmark);
      row.scores[static_cast<size_t>(column - table.benchmarks.begin())] = score;
    }
  }
  return table;
}

PairwiseComparison::Cell compare_scores(const std::optional<pool::ScoreRecord>& other,
                                        const std::optional<pool::ScoreRecord>& model) {
  if (!other || !model) return {std::nullopt, "not evaluated"};
  const std::string differs = difference_of(measure_of(*other), measure_of(*model));
  if (!differs.empty()) return {std::nullopt, differs};
  const auto a = shares_correct(*other), b = shares_correct(*model);
  if (!a || !b || a->empty()) return {std::nullopt, "no verdicts per problem"};
  return {eval::compare_paired(*a, *b), ""};
}

std::vector<PairwiseComparison> pairwise_comparisons(const LoopTable& table) {
  std::vector<PairwiseComparison> all;
  std::optional<size_t> first;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    if (!table.rows[i].evaluated()) continue;
    std::vector<size_t> others;
    for (const std::optional<size_t>& other : {first, table.imitation, table.rows[i].before}) {
      if (!other || *other >= i || !table.rows[*other].evaluated()) continue;
      if (std::find(others.begin(), others.end(), *other) == others.end()) others.push_back(*other);
    }
    for (const size_t other : others) {
      PairwiseComparison& entry = all.emplace_back(PairwiseComparison{i, other, {}});
      for (size_t b = 0; b < table.benchmarks.size(); ++b) {
        entry.cells.push_back(compare_scores(table.rows[other].scores[b], table.rows[i].scores[b]));
      }
    }
    if (!first) first = i;
  }
  return all;
}

std::optional<std::vector<double>> shares_correct(const pool::ScoreRecord& score) {
  if (score.samples < 1) return std::nullopt;
  const auto counts = score.extra.find("num_correct");
  if (counts != score.extra.end()) {
    std::vector<double> shares;
    for (const Json& count : *counts) {
      if (!count.is_number_integer() || count < 0 || count > score.samples) return std::nullopt;
      shares.push_back(count.get<double>() / static_cast<double>(score.samples));
    }
    if (static_cast<int64_t>(shares.size()) != score.n) return std::nullopt;
    return shares;
  }
  const auto field = score.extra.find("correct");
  if (field == score.extra.end() || !field->is_string()) return std::nullopt;
  const std::string& correct = field->get_ref<const std::string&>();
  if (static_cast<int64_t>(correct.size()) != score.n) return std::nullopt;
  std::array<double, 10> sum{}, count{};
  for (int64_t c = 0; c < score.samples; ++c) {
    const double share = static_cast<double>(c) / static_cast<double>(score.samples);
    const auto tenth = static_cast<size_t>(share * 10);
    sum[tenth] += share;
    ++count[tenth];
  }
  std::vector<double> shares;
  shares.reserve(correct.size());
  for (const char c : correct) {
    if (c == 'x') {
      shares.push_back(1);
      continue;
    }
    if (c < '0' || c > '9' || count[static_cast<size_t>(c - '0')] == 0) return std::nullopt;
    const auto tenth = static_cast<size_t>(c - '0');
    shares.push_back(sum[tenth] / count[tenth]);
  }
  return shares;
}

}  // namespace ponder::report
