#include "report/runs_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "report/loop_table.h"

namespace ponder::report {
namespace {

using Table = std::vector<std::vector<double>>;

const LoopTable::Row* row_named(const LoopTable& table, const std::string& model) {
  const auto row = std::find_if(table.rows.begin(), table.rows.end(),
                                [&](const auto& r) { return r.model == model; });
  return row == table.rows.end() ? nullptr : &*row;
}

// What a model did on a benchmark in each run of a group.
struct Shares {
  Table values;
  Measure measure;
  std::string reason;  // why there are none
};

class Group {
 public:
  explicit Group(const RunGroup& group) {
    if (group.runs.empty()) throw Error(group.name, "holds no run");
    for (const pool::Pool* run : group.runs) tables_.push_back(loop_table(*run));
  }

  const std::vector<LoopTable>& tables() const { return tables_; }
  size_t seeds() const { return tables_.size(); }

  std::vector<std::string> models() const {
    std::vector<std::string> names;
    for (const LoopTable& table : tables_) {
      for (const LoopTable::Row& row : table.rows) {
        if (std::find(names.begin(), names.end(), row.model) == names.end())
          names.push_back(row.model);
      }
    }
    return names;
  }

  std::string label(const std::string& model) const {
    std::vector<std::string> labels;
    for (const LoopTable& table : tables_) {
      if (const LoopTable::Row* row = row_named(table, model)) labels.push_back(row->label);
    }
    return common_label(labels);
  }

  // The model it is meant to improve on, in the first run that has it.
  std::optional<std::string> before(const std::string& model) const {
    for (const LoopTable& table : tables_) {
      const LoopTable::Row* row = row_named(table, model);
      if (row && row->before) return table.rows[*row->before].model;
    }
    return std::nullopt;
  }

  Shares shares(const std::string& model, const std::string& benchmark) const {
    Shares found;
    for (const LoopTable& table : tables_) {
      const LoopTable::Row* row = row_named(table, model);
      const auto column = std::find(table.benchmarks.begin(), table.benchmarks.end(), benchmark);
      if (!row || column == table.benchmarks.end()) continue;
      const auto& score = row->scores[static_cast<size_t>(column - table.benchmarks.begin())];
      if (!score) continue;
      const Measure measure = measure_of(*score);
      if (found.values.empty()) found.measure = measure;
      if (const std::string differs = difference_of(found.measure, measure); !differs.empty())
        return {{}, {}, differs};
      auto values = shares_correct(*score);
      if (!values || values->empty()) return {{}, {}, "no verdicts per problem"};
      found.values.push_back(std::move(*values));
    }
    if (found.values.empty()) return {{}, {}, "not evaluated"};
    if (found.values.size() != seeds()) {
      return {{}, {}, fmt::format("in {} of {} runs", found.values.size(), seeds())};
    }
    return found;
  }

 private:
  std::vector<LoopTable> tables_;
};

RunsTable::DifferenceCell difference_of(const Shares& a, const Shares& b, bool paired) {
  RunsTable::DifferenceCell cell;
  for (const Shares* side : {&a, &b}) {
    if (!side->reason.empty()) cell.reason = side->reason;
  }
  if (cell.reason.empty()) cell.reason = difference_of(a.measure, b.measure);
  if (cell.reason.empty())
    cell.difference = eval::difference_over_seeds(a.values, b.values, paired);
  return cell;
}

std::string mean_text(const RunsTable::Cell& cell) {
  if (!cell.mean) return cell.reason;
  const eval::SeedsMean& m = *cell.mean;
  std::string text = fmt::format("{:.1f} [{:.1f}, {:.1f}]", 100 * m.mean, 100 * m.interval_95.low,
                                 100 * m.interval_95.high);
  if (m.by_seed.size() < 2) return text;
  std::vector<std::string> each;
  for (const double one : m.by_seed) each.push_back(fmt::format("{:.1f}", 100 * one));
  return text + fmt::format(" ({})", fmt::join(each, ", "));
}

std::string difference_text(const RunsTable::DifferenceCell& cell) {
  if (!cell.difference) return cell.reason;
  const eval::SeedsDifference& d = *cell.difference;
  return fmt::format("{:+.1f} [{:+.1f}, {:+.1f}] p {}{}", 100 * d.mean, 100 * d.interval_95.low,
                     100 * d.interval_95.high,
                     cell.corrected_p < 1e-4 ? "< 0.0001" : fmt::format("{:.2g}", cell.corrected_p),
                     cell.corrected_p < 0.05
                         ? ", told apart"
                         : fmt::format(", would show {:.1f}", 100 * d.detectable));
}

std::string seeds_text(size_t seeds) {
  return seeds == 1 ? "one training seed" : fmt::format("{} training seeds", seeds);
}

std::string row_name(const RunsTable& table, size_t row) {
  const std::string& model = table.rows[row].model;
  return table.groups.size() == 1
             ? model
             : fmt::format("{} {}", table.groups[table.rows[row].group], model);
}

}  // namespace

RunsTable runs_table(const std::vector<RunGroup>& groups) {
  RunsTable table;
  std::vector<Group> read;
  for (const RunGroup& group : groups) {
    read.emplace_back(group);
    table.groups.push_back(group.name);
    table.seeds.push_back(group.runs.size());
    for (const LoopTable& run : read.back().tables()) {
      for (const std::string& name : run.benchmarks) {
        if (std::find(table.benchmarks.begin(), table.benchmarks.end(), name) ==
            table.benchmarks.end())
          table.benchmarks.push_back(name);
      }
    }
  }
  for (size_t g = 0; g < read.size(); ++g) {
    for (const std::string& model : read[g].models()) {
      RunsTable::Row row{g, model, read[g].label(model), {}};
      for (const std::string& benchmark : table.benchmarks) {
        const Shares shares = read[g].shares(model, benchmark);
        RunsTable::Cell& cell = row.cells.emplace_back();
        cell.reason = shares.reason;
        if (cell.reason.empty()) cell.mean = eval::mean_over_seeds(shares.values);
      }
      table.rows.push_back(std::move(row));
    }
  }
  const auto add = [&](size_t a, size_t b) {
    RunsTable::Difference difference{a, b, {}};
    const RunsTable::Row &x = table.rows[a], &y = table.rows[b];
    for (const std::string& benchmark : table.benchmarks) {
      difference.cells.push_back(difference_of(read[x.group].shares(x.model, benchmark),
                                               read[y.group].shares(y.model, benchmark),
                                               x.group == y.group));
    }
    table.differences.push_back(std::move(difference));
  };
  for (size_t b = 1; b < table.rows.size(); ++b) {
    const RunsTable::Row& row = table.rows[b];
    const auto before = read[row.group].before(row.model);
    for (size_t a = 0; a < b; ++a) {
      const RunsTable::Row& other = table.rows[a];
      const bool improved_on = before ? other.model == *before : a == 0;
      const bool within = read.size() == 1 && (improved_on || other.model == "M1");
      const bool between = row.group > 0 && other.group == 0 && other.model == row.model;
      if (within || between) add(a, b);
    }
  }
  std::vector<double> p_values;
  for (const RunsTable::Difference& d : table.differences) {
    for (const RunsTable::DifferenceCell& cell : d.cells) {
      if (cell.difference) p_values.push_back(cell.difference->p_value);
    }
  }
  const std::vector<double> corrected = eval::holm(p_values);
  for (RunsTable::Difference& d : table.differences) {
    for (RunsTable::DifferenceCell& cell : d.cells) {
      if (cell.difference) cell.corrected_p = corrected[table.tests++];
    }
  }
  return table;
}

std::string to_text(const RunsTable& table) {
  std::string out;
  for (size_t g = 0; g < table.groups.size(); ++g)
    out += fmt::format("{}: {}\n", table.groups[g], seeds_text(table.seeds[g]));
  for (size_t b = 0; b < table.benchmarks.size(); ++b) {
    out += fmt::format("\n{}\n", table.benchmarks[b]);
    size_t width = 0;
    for (size_t r = 0; r < table.rows.size(); ++r)
      width = std::max(width, row_name(table, r).size());
    for (size_t r = 0; r < table.rows.size(); ++r) {
      out += fmt::format("  {:<{}}  {}\n", row_name(table, r), width,
                         mean_text(table.rows[r].cells[b]));
    }
    for (const RunsTable::Difference& d : table.differences) {
      out += fmt::format("  {} − {}: {}\n", row_name(table, d.b), row_name(table, d.a),
                         difference_text(d.cells[b]));
    }
  }
  out +=
      "\naccuracy in %, mean over training seeds (each in brackets), with its 95 % interval over "
      "problems and seeds\n";
  if (table.tests > 0) {
    out += fmt::format(
        "differences in points on the same problems; p of {} tests, corrected by Holm; told apart: "
        "below 0.05; else the true difference that would show in four of five such comparisons\n",
        table.tests);
  }
  if (std::find(table.seeds.begin(), table.seeds.end(), size_t{1}) != table.seeds.end()) {
    out +=
        "one training seed: its intervals are over problems alone; another seed would move the "
        "scores by more\n";
  }
  return out;
}

std::string to_markdown(const RunsTable& table) {
  const bool groups = table.groups.size() > 1;
  std::string out = groups ? "| run | model | trained on |" : "| model | trained on |";
  for (const std::string& benchmark : table.benchmarks) out += fmt::format(" {} |", benchmark);
  out += groups ? "\n|---|---|---|" : "\n|---|---|";
  for (size_t b = 0; b < table.benchmarks.size(); ++b) out += "---|";
  out += "\n";
  for (const RunsTable::Row& row : table.rows) {
    if (groups) out += fmt::format("| {} ", table.groups[row.group]);
    out += fmt::format("| {} | {} |", row.model, row.label);
    for (const RunsTable::Cell& cell : row.cells) out += fmt::format(" {} |", mean_text(cell));
    out += "\n";
  }
  return out;
}

Json to_json(const RunsTable& table) {
  const auto interval = [](const eval::Interval& i) { return Json::array({i.low, i.high}); };
  Json groups = Json::array(), rows = Json::array(), differences = Json::array();
  for (size_t g = 0; g < table.groups.size(); ++g)
    groups.push_back({{"name", table.groups[g]}, {"training_seeds", table.seeds[g]}});
  for (const RunsTable::Row& row : table.rows) {
    Json scores = Json::object();
    for (size_t b = 0; b < table.benchmarks.size(); ++b) {
      const RunsTable::Cell& cell = row.cells[b];
      Json& score = scores[table.benchmarks[b]];
      if (!cell.mean) {
        score = {{"reason", cell.reason}};
        continue;
      }
      const eval::SeedsMean& m = *cell.mean;
      score = {{"mean", m.mean},
               {"interval_95", interval(m.interval_95)},
               {"by_seed", m.by_seed},
               {"seed_deviation", m.seed_deviation},
               {"problems", m.problems}};
    }
    rows.push_back({{"run", table.groups[row.group]},
                    {"model", row.model},
                    {"label", row.label},
                    {"scores", scores}});
  }
  for (const RunsTable::Difference& d : table.differences) {
    Json cells = Json::object();
    for (size_t b = 0; b < table.benchmarks.size(); ++b) {
      const RunsTable::DifferenceCell& cell = d.cells[b];
      Json& out = cells[table.benchmarks[b]];
      if (!cell.difference) {
        out = {{"reason", cell.reason}};
        continue;
      }
      const eval::SeedsDifference& it = *cell.difference;
      out = {{"difference", it.mean},
             {"interval_95", interval(it.interval_95)},
             {"p", it.p_value},
             {"p_holm", cell.corrected_p},
             {"detectable", it.detectable},
             {"told_apart", cell.corrected_p < 0.05}};
    }
    differences.push_back(
        {{"of", row_name(table, d.b)}, {"against", row_name(table, d.a)}, {"on", cells}});
  }
  return {{"runs", groups}, {"models", rows}, {"differences", differences}, {"tests", table.tests}};
}

}  // namespace ponder::report
