// Curves of a run's training, and runs beside each other.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "dash/pages.h"
#include "pipeline/recipe.h"
#include "pool/stage_result.h"
#include "report/charts.h"
#include "report/runs_table.h"
#include "report/sections.h"

namespace ponder::dash {
namespace {

struct Range {
  std::optional<int64_t> from, to;
};

std::vector<report::CurvePoint> points_of(const report::StepMetrics& metrics,
                                          const std::string& name, const Range& range) {
  std::vector<report::CurvePoint> points;
  const auto series = metrics.series().find(name);
  if (series == metrics.series().end()) return points;
  points.reserve(series->second.size());
  for (const report::MetricPoint& point : series->second) {
    if ((range.from && point.step < *range.from) || (range.to && point.step > *range.to)) continue;
    if (std::abs(point.value) < 1e12)
      points.push_back({static_cast<double>(point.step), point.value});
  }
  return points;
}

bool trains(const pool::StageRecord& stage) {
  using namespace pool::stage_kind;
  return stage.kind == kImitate || stage.kind == kImprove || stage.kind == kDpo;
}

report::CurveStyle style_of(const Parameters& asked, bool wide) {
  report::CurveStyle style;
  const std::string scale = asked.text("scale");
  style.scale = scale == "log"      ? report::CurveStyle::Scale::kLog
                : scale == "linear" ? report::CurveStyle::Scale::kLinear
                                    : report::CurveStyle::Scale::kFitting;
  style.smoothing =
      static_cast<int>(std::clamp<int64_t>(asked.integer("smooth").value_or(8), 0, 1000));
  if (wide) {
    style.width = 760;
    style.height = 300;
  }
  return style;
}

// Units and meaning of the trainer's figures.
std::string title_of(const std::string& name) {
  if (name == "lr") return "learning rate";
  if (name == "grad_norm") return "gradient norm";
  if (name == "tokens_per_second") return "tokens/s";
  std::string words = name;
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

Markup number_field(const std::string& name, const std::string& words, const Parameters& asked) {
  return element(
      "label", text(words + " ") +
                   empty_element(
                       "input", {{"type", "number"}, {"name", name}, {"value", asked.text(name)}}));
}

Markup select(const std::string& name, const std::string& chosen,
              const std::vector<std::string>& values) {
  Markup options;
  for (const std::string& value : values)
    options += value == chosen
                   ? element("option", {{"value", value}, {"selected", "selected"}}, text(value))
                   : element("option", {{"value", value}}, text(value));
  return element("label", text(name + " ") + element("select", {{"name", name}}, options));
}

Markup mean_cell(const report::RunsTable::Cell& cell_of) {
  if (!cell_of.mean) return cell(cell_of.reason);
  const eval::SeedsMean& m = *cell_of.mean;
  return cell(
      element("b", text(fmt::format("{:.1f}", 100 * m.mean))) +
      text(fmt::format(" [{:.1f}, {:.1f}]", 100 * m.interval_95.low, 100 * m.interval_95.high)));
}

Markup difference_cell(const report::RunsTable::DifferenceCell& cell_of) {
  if (!cell_of.difference) return cell(cell_of.reason);
  const eval::SeedsDifference& d = *cell_of.difference;
  const bool told = cell_of.corrected_p < 0.05;
  return element(
      "td", {{"class", told ? "told" : ""}},
      text(fmt::format("{:+.1f} [{:+.1f}, {:+.1f}]", 100 * d.mean, 100 * d.interval_95.low,
                       100 * d.interval_95.high)) +
          element("span", {{"class", "small"}},
                  text(fmt::format("{}, p {}", told ? "told apart" : "cannot be told apart",
                                   cell_of.corrected_p < 1e-4
                                       ? "< 0.0001"
                                       : fmt::format("{:.2g}", cell_of.corrected_p)))));
}

Markup scores_of(const std::vector<OpenRun*>& runs) {
  std::vector<report::RunGroup> groups;
  for (OpenRun* run : runs) groups.push_back({run->name(), {&run->pool()}});
  const report::RunsTable compared = report::runs_table(groups);
  if (compared.benchmarks.empty()) return note("No model was evaluated yet.");
  Markup head = element("th", {{"scope", "col"}}, text("model"));
  for (const std::string& name : compared.benchmarks)
    head += element("th", {{"scope", "col"}}, text(name));
  const auto name_of = [&](size_t row) {
    return compared.groups[compared.rows[row].group] + " " + compared.rows[row].model;
  };
  Markup rows, differences;
  for (size_t r = 0; r < compared.rows.size(); ++r) {
    Markup cells = element("th", {{"scope", "row"}}, text(name_of(r)));
    for (const report::RunsTable::Cell& each : compared.rows[r].cells) cells += mean_cell(each);
    rows += element("tr", cells);
  }
  for (const report::RunsTable::Difference& d : compared.differences) {
    Markup cells = element("th", {{"scope", "row"}}, text(name_of(d.b) + " − " + name_of(d.a)));
    for (const report::RunsTable::DifferenceCell& each : d.cells) cells += difference_cell(each);
    differences += element("tr", cells);
  }
  Markup out = report::section("Scores", report::wide_table(element("tr", head), rows));
  if (!differences.empty()) {
    out += report::section(
        "Can they be told apart?",
        report::wide_table(element("tr", head), differences) +
            note(fmt::format("Differences in points on the same problems with 95 % intervals; p of "
                             "{} tests, corrected by Holm; told apart: below 0.05. One training "
                             "each: another seed would give other scores.",
                             compared.tests)));
  }
  return out;
}

Markup recipes_of(const std::vector<OpenRun*>& runs) {
  Markup out;
  const std::string first = runs[0]->recipe();
  for (size_t i = 1; i < runs.size(); ++i) {
    const std::string other = runs[i]->recipe();
    Markup items;
    if (first.empty() || other.empty()) {
      items = element("li", text("a run has no recipe.toml"));
    } else {
      try {
        for (const std::string& line : pipeline::recipe_differences(first, other))
          items += element("li", text(line));
      } catch (const Error& error) {
        items = element("li", text(error.what()));
      }
    }
    if (items.empty()) items = element("li", text("none"));
    out += element("h3",
                   text(fmt::format("{} (then) and {} (now)", runs[0]->name(), runs[i]->name()))) +
           element("ul", items);
  }
  return report::section("Differences of the recipes", out);
}

constexpr const char* kAllStages = "stages";  // the figure of their losses over each other

// A chart of the curves page by the name that its address has.
struct Chart {
  std::string figure, title, x_title;
  std::vector<report::Curve> curves;
  report::CurveStyle style;

  Markup drawn() const { return report::curve_chart(title, x_title, "", curves, style); }
};

std::vector<std::string> stages_with_steps(OpenRun& run) {
  std::vector<std::string> stages;
  for (const pool::StageRecord& stage : run.pool().stages()) {
    if (trains(stage) && run.metrics(stage.name).num_steps() > 0) stages.push_back(stage.name);
  }
  return stages;
}

// The stage that is asked for, else the last.
std::string chosen_stage(const std::vector<std::string>& stages, const Parameters& asked) {
  const std::string chosen = asked.text("stage");
  const bool known = std::find(stages.begin(), stages.end(), chosen) != stages.end();
  return known ? chosen : stages.back();
}

// The loss of all stages, then every figure of the chosen one.
std::vector<Chart> training_charts(OpenRun& run, const std::vector<std::string>& stages,
                                   const Parameters& asked) {
  std::vector<Chart> charts;
  const Range range{asked.integer("from"), asked.integer("to")};
  Chart over{kAllStages, "loss of the stages", "optimiser step", {}, style_of(asked, true)};
  for (const std::string& stage : stages) {
    auto points = points_of(run.metrics(stage), "loss", range);
    if (!points.empty() && over.curves.size() < 6)
      over.curves.push_back({stage, std::move(points)});
  }
  if (over.curves.size() > 1) charts.push_back(std::move(over));
  const report::StepMetrics& metrics = run.metrics(chosen_stage(stages, asked));
  std::vector<std::string> names;
  for (const char* first : {"loss", "lr", "grad_norm", "tokens_per_second"})
    if (metrics.series().count(first) > 0) names.emplace_back(first);
  for (const auto& [name, points] : metrics.series()) {
    const bool dull = name == "num_steps" || name == "epoch" || name == "rows" ||
                      name == "tokens" || name == "trained_tokens";
    if (!dull && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  for (const std::string& name : names) {
    auto points = points_of(metrics, name, range);
    if (points.empty()) continue;
    Chart chart{
        name, title_of(name), "optimiser step", {{"", std::move(points)}}, style_of(asked, false)};
    if (name == "lr") chart.style.smoothing = 0;
    if (name != "loss" && asked.text("scale") != "log")
      chart.style.scale = report::CurveStyle::Scale::kLinear;
    charts.push_back(std::move(chart));
  }
  return charts;
}

// The same as drawn. They are drawn anew only where something is asked for otherwise or logs have grown.
const std::vector<DrawnCharts::Chart>& drawn_training(OpenRun& run,
                                                      const std::vector<std::string>& stages,
                                                      const Parameters& asked) {
  std::string from = chosen_stage(stages, asked);
  for (const char* name : {"from", "to", "smooth", "scale"}) from += "\n" + asked.text(name);
  for (const std::string& stage : stages)
    from += fmt::format("\n{} {}", stage, run.metrics(stage).state());
  if (const auto* known = run.drawn().find(from)) return *known;
  std::vector<DrawnCharts::Chart> charts;
  for (const Chart& chart : training_charts(run, stages, asked))
    charts.push_back({chart.figure, chart.drawn()});
  return run.drawn().keep(from, std::move(charts));
}

// What the rounds of exploration sampled: shares and lengths over the rounds.
std::vector<Chart> round_charts(OpenRun& run) {
  struct Round {
    double round = 0;
    int64_t correct = 0, undecided = 0, length = 0, loop = 0;
    std::vector<int32_t> tokens;
  };
  std::vector<Round> rounds;
  std::vector<int> round_of;  // a stage's place in `rounds`
  for (const pool::StageRecord& stage : run.pool().stages()) {
    const bool explores = stage.kind == pool::stage_kind::kExplore;
    round_of.push_back(explores ? static_cast<int>(rounds.size()) : -1);
    if (explores) rounds.emplace_back().round = stage.round;
  }
  for (const pool::RolloutEntry& entry : run.look_at_rollouts().entries()) {
    const int place = round_of[static_cast<size_t>(entry.stage)];
    if (place < 0 || !entry.looked_at) continue;
    Round& round = rounds[static_cast<size_t>(place)];
    round.tokens.push_back(entry.num_tokens);
    round.correct += entry.verdict == judge::Verdict::kCorrect;
    round.undecided += entry.verdict == judge::Verdict::kUndecided;
    round.length += entry.finish_reason == data::FinishReason::kLength;
    round.loop += entry.finish_reason == data::FinishReason::kRepetition;
  }
  std::erase_if(rounds, [](const Round& round) { return round.tokens.empty(); });
  if (rounds.empty()) return {};
  for (Round& round : rounds) std::sort(round.tokens.begin(), round.tokens.end());
  report::CurveStyle style;
  style.scale = report::CurveStyle::Scale::kLinear;
  style.counts = true;
  const auto curve = [&](const char* name, const auto& value) {
    report::Curve out{name, {}};
    for (const Round& round : rounds) out.points.push_back({round.round, value(round)});
    return out;
  };
  const auto share = [&](const char* name, int64_t Round::*part) {
    return curve(name, [=](const Round& round) {
      return 100.0 * static_cast<double>(round.*part) / static_cast<double>(round.tokens.size());
    });
  };
  const auto quantile = [&](const char* name, double at) {
    return curve(name, [=](const Round& round) {
      return static_cast<double>(
          round.tokens[static_cast<size_t>(at * static_cast<double>(round.tokens.size() - 1))]);
    });
  };
  return {
      {"correct", "correct, % of the samples", "round", {share("", &Round::correct)}, style},
      {"lengths",
       "tokens of the samples",
       "round",
       {quantile("p10", 0.1), quantile("p50", 0.5), quantile("p90", 0.9)},
       style},
      {"cut",
       "cut, % of the samples",
       "round",
       {share("by length", &Round::length), share("as a loop", &Round::loop)},
       style},
      {"undecided", "undecided, % of the samples", "round", {share("", &Round::undecided)}, style}};
}

Markup being_read(const std::string& log) {
  return note("The log of " + log + " is being read: more of it will be there in a moment.");
}

Markup figure_of(const std::string& run, const DrawnCharts::Chart& chart, const Parameters& asked) {
  const std::string to = address({"run", run, "chart.svg"}, asked.with("figure", chart.figure));
  return element("figure", {{"class", chart.figure == kAllStages ? "broad" : ""}},
                 chart.drawn + element("figcaption", link(to, "SVG")));
}

}  // namespace

Markup chart_of(OpenRun& run, const Parameters& asked) {
  const std::vector<std::string> stages = stages_with_steps(run);
  if (!stages.empty()) {
    for (const DrawnCharts::Chart& chart : drawn_training(run, stages, asked))
      if (chart.figure == asked.text("figure")) return chart.drawn;
  }
  for (const Chart& chart : round_charts(run))
    if (chart.figure == asked.text("figure")) return chart.drawn();
  throw Error(ErrorKind::kNotFound, asked.text("figure"), "no such chart");
}

Page curves_page(OpenRun& run, const Parameters& asked) {
  const std::vector<std::string> stages = stages_with_steps(run);
  const std::vector<Chart> rounds = round_charts(run);
  bool unfinished = !rounds.empty() && !run.rollouts().complete();
  Markup content;
  if (stages.empty()) {
    content = note("No training step was logged yet (DIR/training/STAGE.jsonl).");
  } else {
    const std::string chosen = chosen_stage(stages, asked);
    content = element(
        "form", {{"class", "filter"}, {"action", address({"run", run.name(), "curves"})}},
        select("stage", chosen, stages) + number_field("from", "from step", asked) +
            number_field("to", "to step", asked) + number_field("smooth", "smoothing", asked) +
            select("scale", asked.text("scale").empty() ? "fitting" : asked.text("scale"),
                   {"fitting", "log", "linear"}) +
            element("button", text("show")));
    Markup charts;
    for (const DrawnCharts::Chart& chart : drawn_training(run, stages, asked)) {
      const Markup figure = figure_of(run.name(), chart, asked);
      (chart.figure == kAllStages ? content : charts) += figure;
    }
    content += element("h2", text(chosen)) + element("div", {{"class", "charts"}}, charts);
    content += element(
        "p", link(address({"run", run.name(), "curves.csv"}, Parameters({{"stage", chosen}})),
                  "these figures as CSV"));
    if (const int64_t bad = run.metrics(chosen).bad_lines(); bad > 0)
      content += note(fmt::format("{} lines of the log are not whole and left out.", bad));
    content += note(
        "Pale: each step, or the lowest and highest of a piece where there are more than "
        "2,000; strong: the running mean, with the smoothing's half-life in steps. Scale "
        "fitting: for the loss logarithmic where it falls to less than half.");
  }
  if (!rounds.empty()) {
    Markup charts;
    for (const Chart& chart : rounds)
      charts += figure_of(run.name(), {chart.figure, chart.drawn()}, asked);
    content +=
        report::section("Rollouts over the rounds", element("div", {{"class", "charts"}}, charts));
    if (!run.rollouts().complete())
      content += note("Of those that were looked at so far: more will be there in a moment.");
  }
  for (const pool::StageRecord& stage : run.pool().stages()) {
    if (!trains(stage) || run.metrics_complete(stage.name)) continue;
    unfinished = true;
    content = being_read(stage.name) + content;
  }
  return {"Curves", content, true, unfinished};
}

// The losses of each stage over each other.
static std::vector<DrawnCharts::Chart> compared_losses(const std::vector<OpenRun*>& runs,
                                                       const Parameters& asked) {
  std::vector<DrawnCharts::Chart> charts;
  for (const pool::StageRecord& stage : runs[0]->pool().stages()) {
    if (!trains(stage)) continue;
    std::vector<report::Curve> curves;
    for (OpenRun* run : runs) {
      auto points = points_of(run->metrics(stage.name), "loss", {});
      if (!points.empty() && curves.size() < 6) curves.push_back({run->name(), std::move(points)});
    }
    if (curves.empty()) continue;
    charts.push_back({stage.name, report::curve_chart("loss of " + stage.name, "optimiser step", "",
                                                      curves, style_of(asked, false))});
  }
  return charts;
}

Page compare_page(const Runs& runs, const Parameters& asked) {
  std::vector<OpenRun*> chosen;
  Markup boxes;
  const std::vector<std::string> wanted = asked.all("run");
  for (const auto& run : runs) {
    const bool taken = std::find(wanted.begin(), wanted.end(), run->name()) != wanted.end();
    if (taken) {
      run->refresh();
      chosen.push_back(run.get());
    }
    const Markup box =
        taken ? empty_element("input", {{"type", "checkbox"},
                                        {"name", "run"},
                                        {"value", run->name()},
                                        {"checked", "checked"}})
              : empty_element("input",
                              {{"type", "checkbox"}, {"name", "run"}, {"value", run->name()}});
    boxes += element("label", box + text(" " + run->name())) + text(" ");
  }
  Markup content = element("form", {{"class", "filter"}, {"action", "/compare"}},
                           boxes + element("button", text("compare")));
  if (chosen.size() < 2) {
    return {"Compare",
            content + note(runs.size() < 2 ? "There is one run; give ponder dash several, or a "
                                             "folder of runs."
                                           : "Choose two runs or more."),
            false};
  }
  content += scores_of(chosen) + recipes_of(chosen);
  bool unfinished = false;
  std::string from = "compared\n" + asked.text("smooth") + "\n" + asked.text("scale");
  for (OpenRun* run : chosen) {
    run->begin_page(kReadFor / chosen.size());
    for (const pool::StageRecord& stage : chosen[0]->pool().stages()) {
      if (!trains(stage)) continue;
      from += fmt::format("\n{} {} {}", run->name(), stage.name, run->metrics(stage.name).state());
      if (run->metrics_complete(stage.name)) continue;
      unfinished = true;
      content = being_read(stage.name + " of " + run->name()) + content;
    }
  }
  const auto* drawn = chosen[0]->drawn().find(from);
  if (!drawn) drawn = &chosen[0]->drawn().keep(from, compared_losses(chosen, asked));
  Markup charts;
  for (const DrawnCharts::Chart& chart : *drawn) charts += element("figure", chart.drawn);
  if (!charts.empty())
    content += report::section("Losses", element("div", {{"class", "charts"}}, charts));
  return {"Compare", content, false, unfinished};
}

}  // namespace ponder::dash
