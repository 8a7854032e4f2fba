// The list of runs, and the overview of one.
#include <fmt/format.h>

#include <map>

#include "base/error.h"
#include "dash/pages.h"
#include "pool/stage_result.h"
#include "report/loop_table.h"
#include "report/sections.h"
#include "report/teacher_lines.h"

namespace ponder::dash {
namespace {

std::string base_of(const pool::Pool& pool) {
  const auto base = pool.model_named("M0");
  return base ? std::filesystem::path(base->path).filename().string() : "–";
}

// "M3: hard 48.0 [43.6, 52.4], easy …" of the last model of the main line that was evaluated.
std::string last_score(const pool::Pool& pool) {
  const report::LoopTable table = report::loop_table(pool);
  std::string words = "–";
  for (const report::LoopTable::Row& row : table.rows) {
    if (!row.main_line || !row.evaluated()) continue;
    words = row.model + ":";
    for (size_t b = 0; b < table.benchmarks.size(); ++b) {
      if (!row.scores[b]) continue;
      words += fmt::format("{} {} {:.1f} [{:.1f}, {:.1f}]", words.ends_with(':') ? "" : ",",
                           table.benchmarks[b], 100 * row.scores[b]->accuracy,
                           100 * row.scores[b]->interval_low, 100 * row.scores[b]->interval_high);
    }
  }
  return words;
}

Markup state(const Standing& it) {
  return element("span", {{"class", "state " + it.word}}, text(it.word));
}

// What there is to say beside the word.
std::string beyond_the_word(const Standing& it) {
  if (!it.now.empty()) return it.now;
  return it.sentence == it.word ? "" : it.sentence;
}

Markup list(const std::vector<std::string>& lines, std::string kind) {
  Markup items;
  for (const std::string& line : lines) items += element("li", text(line));
  return lines.empty() ? Markup{} : element("ul", {{"class", std::move(kind)}}, items);
}

// What the report counts in the database: of a stage that is done by its result, of others from what is
// kept in memory.
pool::PoolCounts counts_of(const std::vector<pool::StageRecord>& stages,
                           const std::vector<pool::RolloutEntry>& rollouts) {
  pool::PoolCounts counts;
  std::vector<bool> told;
  for (const pool::StageRecord& stage : stages) {
    pool::PoolCounts::Stage& count = counts.stages.emplace_back();
    count.stage = stage.name;
    const auto result = pool::result_of<pool::RolloutResult>(stage);
    told.push_back(result.has_value());
    if (!result) continue;
    count.problems = result->problems;
    count.problems_solved = result->solved;
    count.rollouts = result->samples;
    count.correct = result->correct;
  }
  int64_t problem = -1;
  int32_t at = -1;
  bool solved = false;
  for (const pool::RolloutEntry& entry : rollouts) {
    if (!entry.looked_at || told[static_cast<size_t>(entry.stage)]) continue;
    pool::PoolCounts::Stage& stage = counts.stages[static_cast<size_t>(entry.stage)];
    if (entry.stage != at || entry.problem != problem) {
      at = entry.stage;
      problem = entry.problem;
      ++stage.problems;
      solved = false;
    }
    ++stage.rollouts;
    stage.tokens += entry.num_tokens;
    stage.unfinished += entry.finish_reason != data::FinishReason::kStop;
    if (!entry.verdict) {
      ++stage.unjudged;
    } else if (*entry.verdict == judge::Verdict::kCorrect) {
      ++stage.correct;
      stage.problems_solved += !solved;
      solved = true;
    } else {
      ++(*entry.verdict == judge::Verdict::kIncorrect ? stage.incorrect : stage.undecided);
    }
  }
  return counts;
}

std::string rows_address(const std::string& run, const pool::StageRecord& stage) {
  const auto to = [&](std::string_view page) {
    return address({"run", run, page}, Parameters({{"stage", stage.name}}));
  };
  using namespace pool::stage_kind;
  if (stage.kind == kImitate || stage.kind == kImprove || stage.kind == kDpo) return to("rows");
  if (stage.kind == kRefine) return to("selections");
  if (stage.kind == kIngest || stage.kind == kImport) return address({"run", run, "pool"});
  return to("rollouts");
}

// Asked before the run's own stages.
Markup teacher_row(const Json& teacher) {
  const std::vector<std::string> lines = report::teacher_lines(teacher);
  if (lines.empty()) return {};
  const std::string word = report::teacher_state(teacher);
  Markup state = element("span", {{"class", "state " + word}}, text(word));
  for (const std::string& line : lines) state += element("span", {{"class", "small"}}, text(line));
  return element("tr", element("th", {{"scope", "row"}}, text("teach")) + cell(state) +
                           report::number_cell(static_cast<double>(report::teacher_rows(teacher))) +
                           cell("") + cell(""));
}

Markup stages_table(const std::string& run, const std::vector<pool::StageRecord>& stages,
                    const Standing& it, const Json& teacher) {
  Markup rows = teacher_row(teacher);
  double seconds = 0;
  for (const pool::StageRecord& stage : stages) {
    seconds += stage.seconds;
    const bool running = stage.state == pool::StageState::kRunning;
    const std::string word =
        running && it.word != "running" ? "stopped" : std::string(pool::to_string(stage.state));
    Markup state = element("span", {{"class", "state " + word}}, text(word));
    for (const std::string& why : {pool::failure_of(stage), pool::nothing_of(stage)})
      if (!why.empty()) state += element("span", {{"class", "small"}}, text(why));
    rows += element("tr", element("th", {{"scope", "row"}}, text(stage.name)) + cell(state) +
                              linked_number(stage.rows, rows_address(run, stage)) +
                              report::number_cell(stage.seconds, 1) +
                              word_cell(short_time(stage.started)));
  }
  for (const std::string& name : it.to_come) {
    rows += element("tr", element("th", {{"scope", "row"}}, text(name)) +
                              element("td", {{"colspan", "4"}}, text("to come")));
  }
  rows += element("tr", {{"class", "total"}},
                  element("th", {{"scope", "row"}, {"colspan", "3"}}, text("together")) +
                      report::number_cell(seconds, 1) + cell(""));
  return table({"stage", "state", "rows", "seconds", "begun (UTC)"}, rows);
}

}  // namespace

Page runs_page(const Runs& runs) {
  Markup rows, boxes;
  for (const auto& run : runs) {
    const std::string to = address({"run", run->name(), "overview"});
    try {
      const pool::Pool& pool = run->refresh();
      const pool::Pool::ReadTransaction reading(pool, std::chrono::seconds(2));
      const Standing it = standing_of(*run);
      const std::vector<pool::StageRecord> stages = pool.stages();
      Markup doing = text(beyond_the_word(it));
      for (const std::string& alarm : it.alarms)
        doing += element("span", {{"class", "small alarm"}}, text(alarm));
      const auto labelled = [](const char* name, const Markup& content, const char* kind = "") {
        return element("td", {{"data-label", name}, {"class", kind}}, content);
      };
      rows += element(
          "tr",
          element("th", {{"scope", "row"}}, link(to, run->name())) +
              labelled("state", state(it), "name") + labelled("now", doing, "words") +
              labelled("last score", text(last_score(pool))) +
              labelled("base", text(base_of(pool))) +
              labelled("begun", text(stages.empty() ? "–" : short_time(stages.front().started)),
                       "name"));
    } catch (const Error& error) {
      rows +=
          element("tr", element("th", {{"scope", "row"}}, text(run->name())) +
                            cell(element("span", {{"class", "state failed"}}, text("unreadable"))) +
                            element("td", {{"colspan", "4"}}, text(error.what())));
    }
    boxes += element("label",
                     empty_element(
                         "input", {{"type", "checkbox"}, {"name", "run"}, {"value", run->name()}}) +
                         text(" " + run->name())) +
             text(" ");
  }
  Markup content =
      runs.empty()
          ? element("p", text("There is no run here: a run is a folder with a run.db."))
          : report::stacked_table(
                report::header_row({"run", "state", "now", "last score", "base", "begun (UTC)"}),
                rows);
  if (runs.size() > 1) {
    content += element("form", {{"action", "/compare"}, {"class", "filter"}},
                       boxes + element("button", text("compare")));
  }
  return {"Runs", content, false};
}

Page overview_page(OpenRun& run) {
  const pool::Pool& pool = run.pool();
  const Standing it = standing_of(run);
  const std::vector<pool::StageRecord> stages = pool.stages();
  const report::LoopTable loop = report::loop_table(pool);
  Markup content = element("p", {{"class", "lead"}}, state(it) + text(" " + beyond_the_word(it)));
  if (!it.alarms.empty()) content += report::section("Alarms", list(it.alarms, "alarms"));
  content += report::headline_section(loop);
  if (!loop.rows.empty() && !loop.benchmarks.empty()) content += report::summary_section(loop);
  const RolloutList& rollouts = run.look_at_rollouts();
  content += report::exploration_section(pool, counts_of(stages, rollouts.entries()));
  content += report::section("Stages", stages_table(run.name(), stages, it, run.teacher()));
  if (const std::string recipe = run.recipe(); !recipe.empty()) {
    content +=
        element("details", element("summary", text("recipe.toml")) + element("pre", text(recipe)));
  }
  return {"Overview", content, true};
}

}  // namespace ponder::dash
