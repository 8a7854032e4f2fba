#include "report/sections.h"

#include <fmt/format.h>

#include <cmath>

#include "report/charts.h"

namespace ponder {

std::optional<double> number_of(const Json& result, std::string_view key) {
  const auto field = result.find(key);
  if (field == result.end() || !field->is_number()) return std::nullopt;
  const double value = field->get<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::string counted(double whole) {
  const std::string digits = fmt::format("{:.0f}", std::abs(whole));
  std::string out = whole <= -0.5 ? "-" : "";
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

Markup number_cell(const std::optional<double>& value, int digits) {
  const std::string words = !value        ? "–"
                            : digits == 0 ? counted(*value)
                                          : fmt::format("{:.{}f}", *value, digits);
  return element("td", {{"class", "number"}}, text(words));
}

Markup header_row(std::initializer_list<std::string_view> titles) {
  Markup cells;
  for (const std::string_view title : titles) {
    cells += element("th", {{"scope", "col"}}, text(title));
  }
  return element("tr", cells);
}

Markup section(std::string_view title, const Markup& content) {
  return element("section", element("h2", text(title)) + content);
}

Markup wide_table(const Markup& head, const Markup& body) {
  return element("div", {{"class", "wide"}},
                 element("table", element("thead", head) + element("tbody", body)));
}

Markup loss_section(const Pool& pool) {
  constexpr double kDrawable = 1e12;  // also false for what is not a number
  Markup charts;
  for (const StageRecord& stage : pool.stages()) {
    const auto curve = stage.result.find("loss_curve");
    if (curve == stage.result.end() || !curve->is_array()) continue;
    std::vector<CurvePoint> points;
    size_t skipped = 0;
    for (const Json& point : *curve) {
      const bool usable = point.is_array() && point.size() == 2 && point[0].is_number() &&
                          point[1].is_number() && std::abs(point[0].get<double>()) < kDrawable &&
                          std::abs(point[1].get<double>()) < kDrawable;
      if (usable) {
        points.push_back({point[0].get<double>(), point[1].get<double>()});
      } else {
        ++skipped;
      }
    }
    if (points.empty()) continue;
    const auto model = stage.result.find("model");
    std::string title = stage.name;
    if (model != stage.result.end() && model->is_string()) {
      title += " → " + model->get<std::string>();
    }
    Markup chart = curve_chart(title, "optimiser step", "loss", points);
    if (skipped > 0) {
      chart +=
          element("figcaption", text(fmt::format("{} steps have no loss that can be drawn (not a "
                                                 "number, or 1e12 and up) and are left out",
                                                 skipped)));
    }
    charts += element("figure", chart);
  }
  if (charts.empty()) return {};
  return section(
      "Training losses",
      element("p", {{"class", "note"}},
              text("SFT: mean negative log-likelihood of the trained tokens of a step, in "
                   "nats. DPO: loss of a step's pairs with its SFT term. Every chart has "
                   "its own vertical axis; curves of more than 300 steps show means of "
                   "equal stretches.")) +
          element("div", {{"class", "charts"}}, charts));
}

Markup stages_section(const Pool& pool) {
  const std::vector<StageRecord> stages = pool.stages();
  if (stages.empty()) return {};
  Markup body;
  double seconds = 0;
  for (const StageRecord& stage : stages) {
    seconds += stage.seconds;
    body += element("tr", element("th", {{"scope", "row"}}, text(stage.name)) +
                              element("td", text(to_string(stage.state))) +
                              number_cell(static_cast<double>(stage.rows)) +
                              number_cell(number_of(stage.result, "steps")) +
                              number_cell(number_of(stage.result, "tokens")) +
                              number_cell(number_of(stage.result, "last_loss"), 4) +
                              number_cell(stage.seconds, 1));
  }
  body += element("tr", {{"class", "total"}},
                  element("th", {{"scope", "row"}, {"colspan", "6"}}, text("together")) +
                      number_cell(seconds, 1));
  return section("Stages", wide_table(header_row({"stage", "state", "rows", "optimiser steps",
                                                  "tokens", "last loss", "seconds"}),
                                      body) +
                               element("p", {{"class", "note"}},
                                       text("Rows are what a stage made: rollouts, selected or "
                                            "trained rows, pairs, or scores. Tokens are trained or "
                                            "sampled ones. Seconds include restarts.")));
}

}  // namespace ponder
