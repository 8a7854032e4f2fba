#include "report/study_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/error.h"
#include "pool/stage_result.h"
#include "report/loop_table.h"

namespace ponder::report {
namespace {

using Expected = StudyQuestion::Expected;
using Verdict = StudyTable::Verdict;

struct SeedLoop {
  uint64_t train_seed;
  LoopTable loop;
  bool complete;  // the run has all it should have
};

struct Variant {
  std::string name;
  std::vector<std::string> models;
  std::vector<SeedLoop> seeds;
};

const LoopTable::Row* model_row(const LoopTable& loop, const std::string& model) {
  for (const LoopTable::Row& row : loop.rows)
    if (row.model == model && row.evaluated()) return &row;
  return nullptr;
}

const pool::ScoreRecord* score_of(const LoopTable& loop, const std::string& model,
                                  const std::string& benchmark) {
  const LoopTable::Row* row = model_row(loop, model);
  if (!row) return nullptr;
  for (size_t b = 0; b < loop.benchmarks.size(); ++b)
    if (loop.benchmarks[b] == benchmark && row->scores[b]) return &*row->scores[b];
  return nullptr;
}

// Per problem, of each seed that has it.
struct SeedShares {
  std::map<uint64_t, std::vector<double>> by_seed;
  Measure measure;
  std::string reason;  // why there are none
};

SeedShares shares_of(const Variant& variant, const std::string& model,
                     const std::string& benchmark) {
  SeedShares found;
  for (const SeedLoop& seed : variant.seeds) {
    const pool::ScoreRecord* score = score_of(seed.loop, model, benchmark);
    if (!score) continue;
    const Measure measure = measure_of(*score);
    if (found.by_seed.empty()) found.measure = measure;
    if (const std::string differs = difference_of(found.measure, measure); !differs.empty())
      return {{}, {}, differs};
    auto shares = shares_correct(*score);
    if (!shares || shares->empty()) return {{}, {}, "no verdicts per problem"};
    found.by_seed.emplace(seed.train_seed, std::move(*shares));
  }
  if (found.by_seed.empty()) found.reason = "not evaluated";
  return found;
}

// Of a complete run: what one that has not ended evaluated last is another model.
std::string last_model(const Variant& variant) {
  for (const SeedLoop& seed : variant.seeds) {
    if (!seed.complete) continue;
    for (auto row = seed.loop.rows.rbegin(); row != seed.loop.rows.rend(); ++row)
      if (row->evaluated()) return row->model;
  }
  return "";
}

// "VARIANT" or "VARIANT/MODEL".
std::pair<const Variant*, std::string> side_of(const std::vector<Variant>& variants,
                                               const std::string& name) {
  const std::string variant = name.substr(0, name.find('/'));
  for (const Variant& v : variants) {
    if (v.name != variant) continue;
    return {&v, variant == name ? last_model(v) : name.substr(variant.size() + 1)};
  }
  throw Error("study", fmt::format("a finding names \"{}\", and no variant is called so", name),
              "name a variant, or VARIANT/MODEL");
}

std::string seeds_and_problems(const eval::SeedsDifference& d) {
  return fmt::format("{} training seeds of {} problems", d.seeds, d.problems);
}

// The rule: told apart in the direction found, in the other, or not; "the same" needs an interval within
// the points that count as the same.
void settle(StudyTable::Answer& answer) {
  if (!answer.difference) return;
  const eval::SeedsDifference& d = *answer.difference;
  const std::string power =
      fmt::format("{} show about {:.1f} points", seeds_and_problems(d), 100 * d.detectable);
  if (d.seeds < 2) {
    answer.sentence = "cannot be told: one training seed, and another may move it by as much";
    return;
  }
  const bool apart = answer.corrected_p < 0.05;
  if (answer.question.expected == Expected::kSame) {
    const double within = answer.question.within / 100;
    if (d.interval_95.low >= -within && d.interval_95.high <= within) {
      answer.verdict = Verdict::kAgrees;
      answer.sentence = fmt::format("agrees: within {:g} points", answer.question.within);
    } else if (apart && (d.interval_95.low > within || d.interval_95.high < -within)) {
      answer.verdict = Verdict::kDisagrees;
      answer.sentence = fmt::format("disagrees: {} by more than {:g} points",
                                    d.mean > 0 ? "higher" : "lower", answer.question.within);
    } else {
      answer.sentence = fmt::format("cannot be told: the interval is not within {:g} points; {}",
                                    answer.question.within, power);
    }
    return;
  }
  if (!apart) {
    answer.sentence = "cannot be told: " + power;
    return;
  }
  const bool higher = d.mean > 0;
  const bool agrees = higher == (answer.question.expected == Expected::kHigher);
  answer.verdict = agrees ? Verdict::kAgrees : Verdict::kDisagrees;
  answer.sentence = fmt::format("{}: {}", to_string(answer.verdict), higher ? "higher" : "lower");
}

StudyTable::Answer answer_of(const StudyQuestion& question, const std::vector<Variant>& variants) {
  StudyTable::Answer answer;
  answer.question = question;
  const auto [of, of_model] = side_of(variants, question.of);
  const auto [against, against_model] = side_of(variants, question.against);
  const auto name = [](const Variant& variant, const std::string& model) {
    return model.empty() ? variant.name : fmt::format("{} {}", variant.name, model);
  };
  answer.of = name(*of, of_model);
  answer.against = name(*against, against_model);
  const SeedShares b = shares_of(*of, of_model, question.on),
                   a = shares_of(*against, against_model, question.on);
  std::string reason = b.reason.empty() ? a.reason : b.reason;
  if (reason.empty()) reason = difference_of(a.measure, b.measure);
  std::vector<std::vector<double>> left, right;
  for (const auto& [seed, shares] : b.by_seed) {
    const auto other = a.by_seed.find(seed);
    if (other == a.by_seed.end()) continue;
    left.push_back(other->second);
    right.push_back(shares);
  }
  if (reason.empty() && left.empty()) reason = "no training seed has both";
  if (reason.empty()) {
    answer.difference = eval::difference_over_seeds(left, right, true);
  } else {
    answer.sentence = "cannot be told: " + reason;
  }
  return answer;
}

StudyTable::Row row_of(const Variant& variant, const std::string& model,
                       const std::vector<std::string>& benchmarks, const std::string& watched) {
  StudyTable::Row row{variant.name, model, "", {}, {}, {}, {}};
  double finished = 0, tokens = 0;
  int64_t with = 0;
  std::vector<std::string> labels;
  for (const SeedLoop& seed : variant.seeds) {
    const LoopTable::Row* one = model_row(seed.loop, model);
    if (!one) continue;
    labels.push_back(one->label);
    row.seeds.push_back(seed.train_seed);
    if (const pool::ScoreRecord* score = score_of(seed.loop, model, watched)) {
      finished += score->finished;
      tokens += score->mean_tokens;
      ++with;
    }
  }
  if (!labels.empty()) row.label = common_label(labels);
  if (with > 0) {
    row.finished = finished / static_cast<double>(with);
    row.tokens = tokens / static_cast<double>(with);
  }
  for (const std::string& benchmark : benchmarks) {
    const SeedShares shares = shares_of(variant, model, benchmark);
    StudyTable::Cell& cell = row.cells.emplace_back();
    cell.reason = shares.reason;
    if (!cell.reason.empty()) continue;
    std::vector<std::vector<double>> values;
    for (const auto& [seed, of_seed] : shares.by_seed) values.push_back(of_seed);
    cell.mean = eval::mean_over_seeds(values);
  }
  return row;
}

// Why a run has not all it should have; "" where it has.
std::string lack_of(const StudyRun& run) {
  if (!run.pool && run.failure.empty()) return run.pending.empty() ? "not run" : run.pending;
  if (!run.pool) return "failed: " + run.failure;
  for (const pool::StageRecord& stage : run.pool->stages()) {
    if (stage.state == pool::StageState::kFailed)
      return fmt::format("{} failed: {}", stage.name, pool::failure_of(stage));
  }
  if (!run.failure.empty()) return "failed: " + run.failure;
  for (const pool::StageRecord& stage : run.pool->stages()) {
    if (stage.state != pool::StageState::kDone) return stage.name + " has not ended";
  }
  return run.pending;
}

std::string mean_cell(const StudyTable::Cell& cell) {
  if (!cell.mean) return cell.reason;
  const eval::SeedsMean& m = *cell.mean;
  std::string text = fmt::format("{:.1f} [{:.1f}, {:.1f}]", 100 * m.mean, 100 * m.interval_95.low,
                                 100 * m.interval_95.high);
  if (m.by_seed.size() < 2) return text + " (one seed)";
  std::vector<std::string> each;
  for (const double one : m.by_seed) each.push_back(fmt::format("{:.1f}", 100 * one));
  return text + fmt::format(" ({})", fmt::join(each, ", "));
}

std::string seeds_heading(const std::vector<uint64_t>& seeds) {
  return seeds.size() == 1 ? fmt::format("one training seed ({})", seeds[0])
                           : fmt::format("training seeds {}", fmt::join(seeds, ", "));
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  return verdict == Verdict::kAgrees      ? "agrees"
         : verdict == Verdict::kDisagrees ? "disagrees"
                                          : "cannot be told";
}

StudyTable study_table(const std::vector<StudyVariantRuns>& variants,
                       const std::vector<StudyQuestion>& questions, const std::string& watched) {
  StudyTable table;
  std::vector<Variant> read;
  std::map<std::string, int64_t> problems;
  std::set<std::tuple<std::string, std::string, double>> stages;
  std::map<std::pair<std::string, std::string>, std::vector<uint64_t>> lacks;
  for (const StudyVariantRuns& variant : variants) {
    Variant& one = read.emplace_back(Variant{variant.name, variant.models, {}});
    // In one order everywhere: means by seed stand beside the seeds.
    std::vector<StudyRun> runs = variant.runs;
    std::stable_sort(runs.begin(), runs.end(), [](const StudyRun& a, const StudyRun& b) {
      return a.train_seed < b.train_seed;
    });
    for (const StudyRun& run : runs) {
      if (std::find(table.seeds.begin(), table.seeds.end(), run.train_seed) == table.seeds.end())
        table.seeds.push_back(run.train_seed);
      const std::string lack = lack_of(run);
      if (!lack.empty()) lacks[{variant.name, lack}].push_back(run.train_seed);
      if (!run.pool) continue;
      for (const pool::StageRecord& stage : run.pool->stages())
        stages.emplace(stage.name, stage.started, stage.seconds);
      one.seeds.push_back({run.train_seed, loop_table(*run.pool), lack.empty()});
      const LoopTable& loop = one.seeds.back().loop;
      for (const std::string& benchmark : loop.benchmarks) {
        if (std::find(table.benchmarks.begin(), table.benchmarks.end(), benchmark) ==
            table.benchmarks.end())
          table.benchmarks.push_back(benchmark);
      }
      for (const LoopTable::Row& row : loop.rows) {
        for (const auto& score : row.scores)
          if (score) problems[score->benchmark] = score->n;
      }
    }
  }
  std::sort(table.seeds.begin(), table.seeds.end());
  for (const auto& [name, started, seconds] : stages) table.seconds += seconds;
  for (const auto& [what, seeds] : lacks) {
    table.missing.push_back(fmt::format("{}, training seed{} {}: {}", what.first,
                                        seeds.size() > 1 ? "s" : "", fmt::join(seeds, ", "),
                                        what.second));
  }
  for (const std::string& benchmark : table.benchmarks)
    table.problems.push_back(problems[benchmark]);
  table.watched = watched;
  if (table.watched.empty() && !questions.empty()) table.watched = questions[0].on;
  if (table.watched.empty() && !table.benchmarks.empty()) table.watched = table.benchmarks.back();
  for (const Variant& variant : read) {
    std::vector<std::string> models = variant.models;
    if (models.empty()) models.push_back(last_model(variant));
    for (const std::string& model : models) {
      if (model.empty()) continue;
      StudyTable::Row row = row_of(variant, model, table.benchmarks, table.watched);
      if (row.seeds.empty()) {
        table.missing.push_back(fmt::format("{} {}: not evaluated", variant.name, model));
      } else {
        table.rows.push_back(std::move(row));
      }
    }
  }
  std::vector<double> p_values;
  for (const StudyQuestion& question : questions) {
    table.answers.push_back(answer_of(question, read));
    if (table.answers.back().difference)
      p_values.push_back(table.answers.back().difference->p_value);
  }
  const std::vector<double> corrected = eval::holm(p_values);
  for (StudyTable::Answer& answer : table.answers) {
    if (answer.difference) answer.corrected_p = corrected[table.tests++];
    settle(answer);
  }
  return table;
}

std::string to_markdown(const StudyTable& table) {
  std::string out;
  std::vector<std::string> sizes;
  for (size_t b = 0; b < table.benchmarks.size(); ++b)
    sizes.push_back(fmt::format("{} {}", table.benchmarks[b], table.problems[b]));
  out += fmt::format("{}; problems: {}.\n\n", seeds_heading(table.seeds), fmt::join(sizes, ", "));
  out += "| variant | model | trained on |";
  for (const std::string& benchmark : table.benchmarks) out += fmt::format(" {} |", benchmark);
  out += fmt::format(" finished on {0} | tokens on {0} |\n|---|---|---|---|---|", table.watched);
  for (size_t b = 0; b < table.benchmarks.size(); ++b) out += "---|";
  out += "\n";
  for (const StudyTable::Row& row : table.rows) {
    out += fmt::format("| {} | {} | {} |", row.variant, row.model, row.label);
    for (const StudyTable::Cell& cell : row.cells) out += fmt::format(" {} |", mean_cell(cell));
    out += row.finished ? fmt::format(" {:.1f} | {:.0f} |\n", 100 * *row.finished, *row.tokens)
                        : " | |\n";
  }
  if (!table.answers.empty()) {
    out += "\n| the report | here | difference in points | p | so |\n|---|---|---|---|---|\n";
    for (const StudyTable::Answer& answer : table.answers) {
      const StudyQuestion& q = answer.question;
      out += fmt::format("| {} | {} − {} on {} |", q.found, answer.of, answer.against, q.on);
      if (answer.difference) {
        const eval::SeedsDifference& d = *answer.difference;
        std::vector<std::string> each;
        for (const double one : d.by_seed) each.push_back(fmt::format("{:+.1f}", 100 * one));
        out += fmt::format(
            " {:+.1f} [{:+.1f}, {:+.1f}] ({}) | {} |", 100 * d.mean, 100 * d.interval_95.low,
            100 * d.interval_95.high, fmt::join(each, ", "),
            answer.corrected_p < 1e-4 ? "< 0.0001" : fmt::format("{:.2g}", answer.corrected_p));
      } else {
        out += " | |";
      }
      out += fmt::format(" {} |\n", answer.sentence);
    }
  }
  if (!table.missing.empty())
    out += fmt::format("\nMissing: {}.\n", fmt::join(table.missing, "; "));
  out += fmt::format(
      "\nAccuracy in %: the mean of the training seeds with its 95 % interval over problems and "
      "seeds, each seed in brackets. Differences are paired within a seed; p of {} test{}, "
      "corrected by Holm. The stages took {:.0f} minutes in all, shared ones counted once.\n",
      table.tests, table.tests == 1 ? "" : "s", table.seconds / 60);
  return out;
}

Json to_json(const StudyTable& table) {
  const auto interval = [](const eval::Interval& i) { return Json::array({i.low, i.high}); };
  Json rows = Json::array(), answers = Json::array();
  for (const StudyTable::Row& row : table.rows) {
    Json scores = Json::object();
    for (size_t b = 0; b < table.benchmarks.size(); ++b) {
      const StudyTable::Cell& cell = row.cells[b];
      Json& score = scores[table.benchmarks[b]];
      if (!cell.mean) {
        score = {{"reason", cell.reason}};
        continue;
      }
      score = {{"mean", cell.mean->mean},
               {"interval_95", interval(cell.mean->interval_95)},
               {"by_seed", cell.mean->by_seed},
               {"problems", cell.mean->problems}};
    }
    rows.push_back({{"variant", row.variant},
                    {"model", row.model},
                    {"label", row.label},
                    {"train_seeds", row.seeds},
                    {"scores", scores}});
    if (row.finished) {
      rows.back()["finished"] = *row.finished;
      rows.back()["mean_tokens"] = *row.tokens;
    }
  }
  for (const StudyTable::Answer& answer : table.answers) {
    Json one = {{"report", answer.question.found},
                {"of", answer.of},
                {"against", answer.against},
                {"on", answer.question.on},
                {"verdict", to_string(answer.verdict)},
                {"sentence", answer.sentence}};
    if (answer.difference) {
      const eval::SeedsDifference& d = *answer.difference;
      one.update({{"difference", d.mean},
                  {"interval_95", interval(d.interval_95)},
                  {"by_seed", d.by_seed},
                  {"p", d.p_value},
                  {"p_holm", answer.corrected_p},
                  {"detectable", d.detectable}});
    }
    answers.push_back(one);
  }
  return {
      {"train_seeds", table.seeds}, {"benchmarks", table.benchmarks}, {"rows", rows},
      {"findings", answers},        {"tests", table.tests},           {"missing", table.missing},
      {"seconds", table.seconds}};
}

}  // namespace ponder::report
