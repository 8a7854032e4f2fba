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

}  // namespace

Page curves_page(OpenRun& run, const Parameters& asked) {
  std::vector<std::string> stages;
  for (const pool::StageRecord& stage : run.pool().stages()) {
    if (trains(stage) && run.metrics(stage.name).num_steps() > 0) stages.push_back(stage.name);
  }
  if (stages.empty())
    return {"Curves", note("No training step was logged yet (DIR/training/STAGE.jsonl)."), true};
  std::string chosen = asked.text("stage");
  if (std::find(stages.begin(), stages.end(), chosen) == stages.end()) chosen = stages.back();
  const Range range{asked.integer("from"), asked.integer("to")};
  std::vector<report::Curve> over;
  for (const std::string& stage : stages) {
    auto points = points_of(run.metrics(stage), "loss", range);
    if (!points.empty() && over.size() < 6) over.push_back({stage, std::move(points)});
  }
  Markup content = element(
      "form", {{"class", "filter"}, {"action", address({"run", run.name(), "curves"})}},
      select("stage", chosen, stages) + number_field("from", "from step", asked) +
          number_field("to", "to step", asked) + number_field("smooth", "smoothing", asked) +
          select("scale", asked.text("scale").empty() ? "fitting" : asked.text("scale"),
                 {"fitting", "log", "linear"}) +
          element("button", text("show")));
  if (over.size() > 1) {
    content += element("figure", report::curve_chart("loss of the stages", "optimiser step", "",
                                                     over, style_of(asked, true)));
  }
  const report::StepMetrics& metrics = run.metrics(chosen);
  std::vector<std::string> names;
  for (const char* first : {"loss", "lr", "grad_norm", "tokens_per_second"})
    if (metrics.series().count(first) > 0) names.emplace_back(first);
  for (const auto& [name, points] : metrics.series()) {
    const bool dull = name == "num_steps" || name == "epoch" || name == "rows" ||
                      name == "tokens" || name == "trained_tokens";
    if (!dull && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  Markup charts;
  for (const std::string& name : names) {
    const auto points = points_of(metrics, name, range);
    if (points.empty()) continue;
    report::CurveStyle style = style_of(asked, false);
    if (name == "lr") style.smoothing = 0;
    if (name != "loss" && asked.text("scale") != "log")
      style.scale = report::CurveStyle::Scale::kLinear;
    charts +=
        element("figure", report::curve_chart(title_of(name), "optimiser step", "", points, style));
  }
  content += element("h2", text(chosen)) + element("div", {{"class", "charts"}}, charts);
  content +=
      element("p", link(address({"run", run.name(), "curves.csv"}, Parameters({{"stage", chosen}})),
                        "these figures as CSV"));
  if (metrics.bad_lines() > 0)
    content +=
        note(fmt::format("{} lines of the log are not whole and left out.", metrics.bad_lines()));
  return {
      "Curves",
      content +
          note("Pale: each step, or the lowest and highest of a piece where there are more "
               "than 2,000; strong: the running mean, with the smoothing's half-life in "
               "steps. Scale fitting: for the loss logarithmic where it falls to less than half."),
      true};
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
  Markup charts;
  for (const pool::StageRecord& stage : chosen[0]->pool().stages()) {
    if (!trains(stage)) continue;
    std::vector<report::Curve> curves;
    for (OpenRun* run : chosen) {
      auto points = points_of(run->metrics(stage.name), "loss", {});
      if (!points.empty() && curves.size() < 6) curves.push_back({run->name(), std::move(points)});
    }
    if (!curves.empty()) {
      charts += element("figure", report::curve_chart("loss of " + stage.name, "optimiser step", "",
                                                      curves, style_of(asked, false)));
    }
  }
  if (!charts.empty())
    content += report::section("Losses", element("div", {{"class", "charts"}}, charts));
  return {"Compare", content, false};
}

}  // namespace ponder::dash
