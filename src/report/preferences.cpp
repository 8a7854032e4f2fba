#include "report/preferences.h"

#include <fmt/format.h>

#include <cmath>

#include "report/charts.h"
#include "report/sections.h"

namespace ponder::report {
namespace {

// A field of the first and of the last entry that has it, in its place or among its "values".
struct Ends {
  std::optional<double> first, last;
};

std::optional<double> value_of(const Json& entry, std::string_view key) {
  if (!entry.is_object()) return std::nullopt;
  const auto values = entry.find("values");
  if (const auto own = number_of(entry, key)) return own;
  return values != entry.end() && values->is_object() ? number_of(*values, key) : std::nullopt;
}

Ends ends_of(const std::optional<Json>& list, std::string_view key) {
  Ends ends;
  if (!list || !list->is_array()) return ends;
  for (const Json& entry : *list) {
    const std::optional<double> value = value_of(entry, key);
    if (!value) continue;
    if (!ends.first) ends.first = value;
    ends.last = value;
  }
  return ends;
}

Markup curve_of(const std::string& title, const std::string& what, const Json& list,
                std::string_view key) {
  std::vector<CurvePoint> points;
  for (const Json& entry : list) {
    const auto step = value_of(entry, "step"), value = value_of(entry, key);
    if (step && value && std::abs(*value) < 1e12) points.push_back({*step, *value});
  }
  return points.empty() ? Markup()
                        : element("figure", curve_chart(title, "optimiser step", what, points,
                                                        {.scale = CurveStyle::Scale::kLinear}));
}

}  // namespace

std::vector<std::string> preference_lines(const pool::TrainResult& result) {
  std::vector<std::string> lines;
  const Ends chosen = ends_of(result.preferences, "chosen_logprob"),
             rejected = ends_of(result.preferences, "rejected_logprob"),
             margin = ends_of(result.preferences, "margin");
  if (chosen.first && rejected.first) {
    lines.push_back(
        fmt::format("log-probabilities at the first and the last step: chosen {:.2f} and {:.2f}, "
                    "rejected {:.2f} "
                    "and {:.2f}",
                    *chosen.first, *chosen.last, *rejected.first, *rejected.last));
    if (margin.last) lines.back() += fmt::format("; margin {:.3f} at the last", *margin.last);
  }
  const Ends accuracy = ends_of(result.probes, "held_out_accuracy");
  if (accuracy.first) {
    lines.push_back(
        fmt::format("{} held-out pairs: accuracy {:.2f} at the start, {:.2f} at the end",
                    result.held_out_pairs.value_or(0), *accuracy.first, *accuracy.last));
  }
  const Ends finished = ends_of(result.probes, "probe_finished"),
             tokens = ends_of(result.probes, "probe_mean_tokens"),
             loops = ends_of(result.probes, "probe_loops");
  if (finished.first && tokens.first && loops.first) {
    lines.push_back(fmt::format(
        "probe at the start and the end: finished {:.0f} % and {:.0f} %, {:.0f} and {:.0f} "
        "tokens, loops {:.0f} % and {:.0f} %",
        100 * *finished.first, 100 * *finished.last, *tokens.first, *tokens.last,
        100 * *loops.first, 100 * *loops.last));
  }
  if (result.alarm)
    lines.push_back(
        fmt::format("stopped by its alarm after step {}: {}", result.steps, *result.alarm));
  return lines;
}

Markup preferences_section(const pool::Pool& pool) {
  Markup notes, charts;
  for (const pool::StageRecord& stage : pool.stages()) {
    const auto result = pool::result_of<pool::TrainResult>(stage);
    if (!result) continue;
    for (const std::string& line : preference_lines(*result))
      notes += element("li", text(fmt::format("{}: {}.", stage.name, line)));
    if (!result->preferences || !result->preferences->is_array()) continue;
    charts += curve_of(stage.name + ": chosen", "log-probability", *result->preferences,
                       "chosen_logprob");
    charts += curve_of(stage.name + ": rejected", "log-probability", *result->preferences,
                       "rejected_logprob");
    if (result->probes && result->probes->is_array()) {
      charts += curve_of(stage.name + ": held-out pairs", "accuracy", *result->probes,
                         "held_out_accuracy");
      charts +=
          curve_of(stage.name + ": probe", "share finished", *result->probes, "probe_finished");
    }
  }
  if (notes.empty()) return {};
  return section(
      "Preferences",
      element("ul", {{"class", "note"}}, notes) +
          element("p", {{"class", "note"}},
                  text("Log-probabilities are the policy's, of the aligned part, means over "
                       "a step's pairs.")) +
          element("div", {{"class", "charts"}}, charts));
}

}  // namespace ponder::report
