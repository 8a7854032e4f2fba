#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "base/duration_text.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "cli/stop_signals.h"
#include "pipeline/progress.h"
#include "pipeline/standing.h"
#include "pipeline/teacher.h"
#include "pool/stage_result.h"
#include "report/alarms.h"
#include "report/preferences.h"
#include "report/report.h"
#include "report/server_requests.h"
#include "report/teacher_lines.h"
#include "teach/standing.h"
#include "teach/teacher.h"

namespace ponder::cli {
namespace {

struct StatusOptions {
  CommonOptions common;
  std::string run;
  bool watch = false;
};

pool::Pool open_status(const std::string& folder) {
  return pool::Pool::open_read_only(std::filesystem::path(folder) / "run.db");
}

// A stage that runs and nobody works at was stopped or killed.
std::string state_of(const pool::StageRecord& stage, const std::optional<std::string>& holder) {
  if (stage.state == pool::StageState::kRunning && !holder) return "stopped";
  return std::string(pool::to_string(stage.state));
}

// A run as it stands: what its pool has, what its recipe still asks for, what it does now.
struct Status {
  pool::Pool pool;
  pipeline::Standing at;
  std::optional<Json> now;  // progress.json of a run that is at work
  Json teacher;             // as it stands; null for none
};

Status status_of(const std::string& run) {
  const std::filesystem::path folder(run);
  Status it{open_status(run), {}, {}, pipeline::teacher_of(folder)};
  it.at = pipeline::standing_of(it.pool, folder, pipeline::planned_stages(folder));
  if (it.at.holder) it.now = pipeline::read_progress(folder);
  return it;
}

std::optional<double> number_of(const Json& now, const char* key) {
  const auto field = now.find(key);
  if (field == now.end() || !field->is_number()) return std::nullopt;
  return field->get<double>();
}

// Its sentence, of one that runs with the time that is left.
std::string headline(const Status& it) {
  const auto left = it.now ? number_of(*it.now, "run_seconds_left") : std::nullopt;
  return it.at.sentence() + (left ? fmt::format(", about {} left", duration_text(*left)) : "");
}

std::string now_text(const Json& now) {
  const auto text = [&](const char* key) {
    const auto field = now.find(key);
    return field != now.end() && field->is_string() ? field->get<std::string>() : std::string();
  };
  const auto number = [&](const char* key) { return number_of(now, key); };
  std::string line = text("stage");
  if (const auto place = number("number"), of = number("stages"); place && of)
    line += fmt::format(", stage {:.0f} of {:.0f}", *place, *of);
  if (const auto done = number("done"), total = number("total"); done && total)
    line +=
        *total > 0 ? fmt::format(", {:.0f}/{:.0f}", *done, *total) : fmt::format(", {:.0f}", *done);
  if (!text("text").empty()) line += ", " + text("text");
  if (const auto left = number("stage_seconds_left"))
    line += ", about " + duration_text(*left) + " left of the stage";
  return line;
}

// "pid 12 on host" in its parts.
std::pair<Json, Json> pid_and_host(const std::optional<std::string>& holder) {
  int pid = 0;
  char host[129] = {};
  if (!holder || std::sscanf(holder->c_str(), "pid %d on %128s", &pid, host) != 2)
    return {nullptr, nullptr};
  return {pid, host};
}

// What is asked of a teacher before a run's own stages, as one of them.
Json teacher_stage(const Json& teacher) {
  return {{"name", "teach"},
          {"kind", "teach"},
          {"state", report::teacher_state(teacher)},
          {"rows", report::teacher_rows(teacher)},
          {"result", teacher}};
}

void show_teacher(const Json& teacher, size_t width) {
  print("{:<{}}{:<10}{:>10}\n", "teach", width, report::teacher_state(teacher),
        report::teacher_rows(teacher));
  for (const std::string& line : report::teacher_lines(teacher)) print("  {}\n", line);
}

Json json_of(const Status& it) {
  Json stages = Json::array(), models = Json::array(), scores = Json::array();
  const std::vector<report::ServerRequests> servers = report::server_requests(it.pool);
  if (!it.teacher.is_null()) stages.push_back(teacher_stage(it.teacher));
  for (const pool::StageRecord& stage : it.pool.stages()) {
    Json& row = stages.emplace_back(pool::to_json(stage));
    row["state"] = state_of(stage, it.at.holder);
    row["alarms"] = report::alarms(stage);
    row["servers"] = Json::array();
    for (const report::ServerRequests& asked : servers)
      if (asked.stage == stage.name) row["servers"].push_back(report::to_json(asked));
    const bool now = it.now && it.now->value("stage", Json()) == Json(stage.name);
    const auto field = [&](const char* key) { return now ? it.now->value(key, Json()) : Json(); };
    row["step"] = field("done");
    row["steps"] = field("total");
    row["seconds_left"] = field("stage_seconds_left");
  }
  for (const pool::ModelRecord& model : it.pool.models()) {
    models.push_back({{"name", model.name},
                      {"sha256", model.sha256},
                      {"stage", model.stage},
                      {"path", model.path}});
  }
  for (const pool::ScoreRecord& score : it.pool.scores()) scores.push_back(pool::to_json(score));
  const auto [pid, host] = pid_and_host(it.at.holder);
  return {{"state", it.at.word},
          {"stage", it.at.stage},
          {"reason", it.at.reason},
          {"pid", pid},
          {"host", host},
          {"headline", headline(it)},
          {"seconds_left", it.now ? it.now->value("run_seconds_left", Json()) : Json()},
          {"now", it.now ? *it.now : Json()},
          {"stages", stages},
          {"to_come", it.at.to_come},
          {"models", models},
          {"scores", scores},
          {"holder", it.at.holder ? Json(*it.at.holder) : Json()}};
}

void show(const Status& it) {
  print("{}\n", headline(it));
  if (it.now) print("{}\n", now_text(*it.now));
  const std::vector<pool::StageRecord> stages = it.pool.stages();
  const std::vector<report::ServerRequests> servers = report::server_requests(it.pool);
  size_t width = 20;
  for (const pool::StageRecord& stage : stages) width = std::max(width, stage.name.size());
  for (const std::string& name : it.at.to_come) width = std::max(width, name.size());
  width += 2;
  print("\n{:<{}}{:<10}{:>10}{:>10}  {}\n", "stage", width, "state", "rows", "seconds",
        "begun (UTC)");
  if (!it.teacher.is_null()) show_teacher(it.teacher, width);
  for (const pool::StageRecord& stage : stages) {
    const std::string state = state_of(stage, it.at.holder);
    const bool running = state == "running";
    print("{:<{}}{:<10}{:>10}{:>10}  {}\n", stage.name, width, state,
          running ? "" : std::to_string(stage.rows),
          running ? "" : fmt::format("{:.1f}", stage.seconds), stage.started);
    const std::string failure = pool::failure_of(stage);
    if (!failure.empty()) print("  {}\n", failure);
    const std::string nothing = pool::nothing_of(stage);
    if (!nothing.empty()) print("  nothing to do: {}\n", nothing);
    if (const auto trained = pool::result_of<pool::TrainResult>(stage)) {
      for (const std::string& line : report::preference_lines(*trained)) print("  {}\n", line);
    }
    for (const std::string& alarm : report::alarms(stage)) print("  alarm: {}\n", alarm);
    for (const report::ServerRequests& asked : servers) {
      if (asked.stage != stage.name) continue;
      for (const std::string& line : report::server_lines(asked)) print("  {}\n", line);
    }
  }
  for (const std::string& name : it.at.to_come) print("{:<{}}to come\n", name, width);
  print_text("\n" + report::scores_table(it.pool));
}

// Waits about a second; ends the command where a signal came.
void wait_between(bool terminal) {
  const std::atomic<bool>* stop = stop_flag();
  for (int i = 0; i < 10 && !*stop; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(terminal ? 100 : 300));
  if (*stop) throw Stopped{stop_signal()};
}

// Of a folder of `ponder teach`, or of a recipe's [teacher], that is no run.
void status_of_teacher(const StatusOptions& options, const std::filesystem::path& database) {
  for (;;) {
    const Json teacher = teach::standing(database);
    if (options.common.json)
      print_json({{"state", report::teacher_state(teacher)}, {"stages", {teacher_stage(teacher)}}});
    else
      show_teacher(teacher, 8);
    std::fflush(stdout);
    if (!options.watch || report::teacher_state(teacher) != "running") return;
    wait_between(false);
  }
}

void status(const StatusOptions& options) {
  const std::filesystem::path folder(options.run);
  if (const auto database = teach::teacher_files(folder).database;
      !std::filesystem::exists(folder / "run.db") && std::filesystem::exists(database)) {
    status_of_teacher(options, database);
    return;
  }
  if (!options.watch) {
    const Status it = status_of(options.run);
    options.common.json ? print_json(json_of(it)) : show(it);
    return;
  }
  const bool terminal = ::isatty(STDOUT_FILENO) != 0;
  std::string last;
  for (;;) {
    const Status it = status_of(options.run);
    if (options.common.json) {
      print_json(json_of(it));
    } else if (terminal) {
      std::fputs("\x1b[H\x1b[2J", stdout);  // ours, so not through print
      show(it);
    } else {  // a line where something is new
      const std::string line = it.now ? now_text(*it.now) : headline(it);
      if (line != last) print("{}\n", line);
      last = line;
    }
    std::fflush(stdout);
    if (!it.at.holder) break;
    wait_between(terminal);
  }
}

}  // namespace

void register_status(CLI::App& app) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* command = app.add_subcommand(
      "status", "a run as it stands: what it does now, stages done and to come, models, scores");
  command->add_option("run", options->run, "run directory")->required();
  command->add_flag("--watch", options->watch,
                    "again and again while the run is at work: on a terminal the whole page, else "
                    "a line where something is new, with --json an object a second");
  add_common_options(*command, options->common);
  command->footer(
      "Examples:\n  ponder status runs/quickstart\n  ponder status runs/quickstart --watch");
  command->callback([options] { status(*options); });
}

}  // namespace ponder::cli
