#include "report/sections.h"

#include <fmt/format.h>

#include <cmath>

#include "pool/stage_result.h"
#include "report/charts.h"

namespace ponder::report {

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

Markup stacked_table(const Markup& head, const Markup& body) {
  return element(
      "div", {{"class", "wide"}},
      element("table", {{"class", "stack"}}, element("thead", head) + element("tbody", body)));
}

Markup loss_section(const pool::Pool& pool) {
  constexpr double kDrawable = 1e12;  // also false for what is not a number
  Markup charts;
  for (const pool::StageRecord& stage : pool.stages()) {
    const std::optional<pool::TrainResult> result = pool::result_of<pool::TrainResult>(stage);
    if (!result) continue;
    std::vector<CurvePoint> points;
    for (const pool::LossPoint& point : result->loss_curve) {
      if (point.loss && std::abs(*point.loss) < kDrawable)
        points.push_back({static_cast<double>(point.step), *point.loss});
    }
    if (points.empty()) continue;
    Markup chart = curve_chart(stage.name + " → " + result->model, "optimiser step", "loss", points,
                               {.smoothing = points.size() >= 40 ? 8 : 0});
    if (const size_t skipped = result->loss_curve.size() - points.size(); skipped > 0) {
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
                   "its own vertical axis, logarithmic where the loss falls to less than half; the "
                   "pale line is every step (of more than 300 every k-th), the other its running "
                   "mean.")) +
          element("div", {{"class", "charts"}}, charts));
}

static std::string state_of(const pool::StageRecord& stage) {
  const std::string failure = pool::failure_of(stage);
  if (!failure.empty()) return "failed: " + failure;
  const std::string nothing = pool::nothing_of(stage);
  return nothing.empty() ? std::string(pool::to_string(stage.state)) : "nothing to do: " + nothing;
}

Markup stages_section(const pool::Pool& pool) {
  const std::vector<pool::StageRecord> stages = pool.stages();
  if (stages.empty()) return {};
  Markup body;
  double seconds = 0;
  for (const pool::StageRecord& stage : stages) {
    seconds += stage.seconds;
    std::optional<double> steps, tokens, last_loss;
    if (const auto train = pool::result_of<pool::TrainResult>(stage)) {
      steps = static_cast<double>(train->steps);
      tokens = static_cast<double>(train->tokens);
      last_loss = train->last_loss;
    } else if (const auto rollouts = pool::result_of<pool::RolloutResult>(stage)) {
      tokens = static_cast<double>(rollouts->tokens);
    }
    body += element("tr", element("th", {{"scope", "row"}}, text(stage.name)) +
                              element("td", text(state_of(stage))) +
                              number_cell(static_cast<double>(stage.rows)) + number_cell(steps) +
                              number_cell(tokens) + number_cell(last_loss, 4) +
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

}  // namespace ponder::report
