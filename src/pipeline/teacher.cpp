#include "pipeline/teacher.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "pipeline/sources.h"
#include "report/teacher_lines.h"
#include "teach/estimate.h"
#include "teach/standing.h"
#include "teach/teacher.h"

namespace ponder::pipeline {
namespace fs = std::filesystem;
namespace {

teach::TeacherSettings teacher_settings(const Recipe& recipe) {
  const TeacherOptions& teacher = recipe.teacher;
  const auto milliseconds = [](double seconds) {
    return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
  };
  teach::TeacherSettings settings;
  fleet::FleetOptions& fleet = settings.fleet;
  fleet.kind = fleet::ServerKind::kOpenai;
  fleet.servers = teacher.urls;
  fleet.api_key_env = teacher.api_key_env;
  fleet.served_model = teacher.model;
  fleet.seed = recipe.seed;
  fleet.http.ca_file = teacher.ca_file;
  fleet.http.insecure_key = teacher.insecure_key;
  fleet.rules.first_window = 4;
  fleet.rules.max_inflight = teacher.max_inflight;
  fleet.rules.pace = {teacher.rpm, teacher.tpm};
  fleet.rules.patience = milliseconds(teacher.patience);
  fleet.limits.silence = milliseconds(teacher.idle_timeout);
  fleet.chat.max_tokens_field = teacher.max_tokens_field;
  fleet.chat.send_sampling = false;
  fleet.chat.send_seed = teacher.send_seed;
  fleet.chat.extra = teacher.extra;
  if (teacher.temperature) fleet.chat.extra["temperature"] = *teacher.temperature;
  if (teacher.top_p) fleet.chat.extra["top_p"] = *teacher.top_p;
  settings.system = teacher.system;
  settings.prompt_prefix = teacher.prompt_prefix;
  settings.prompt_suffix = teacher.prompt_suffix;
  settings.samples = static_cast<int>(teacher.samples);
  settings.enough_correct = static_cast<int>(teacher.enough_correct);
  settings.max_tokens = teacher.max_tokens;
  settings.seed = recipe.seed;
  if (!teacher.price_input.empty()) {
    settings.prices = {teacher.currency, teach::price_from_text(teacher.price_input).value(),
                       teach::price_from_text(teacher.price_cached_input).value(),
                       teach::price_from_text(teacher.price_output).value(), true};
  }
  if (!teacher.budget.empty()) settings.budget = teach::amount_from_text(teacher.budget);
  settings.overhead_tokens = teacher.overhead_tokens;
  settings.rules.allow_direct = teacher.allow_direct;
  settings.max_failed = teacher.max_failed;
  settings.license = teacher.license;
  return settings;
}

}  // namespace

bool recipe_has_changed(const Recipe& recipe, const fs::path& out) {
  const fs::path saved = out / "recipe.toml";
  std::error_code absent;
  if (!fs::exists(saved, absent)) return false;
  try {
    const Recipe then = load_recipe(saved, {}, RecipeFiles::kOfARun);
    return !recipe_differences(then.resolved, recipe.resolved).empty();
  } catch (const Error&) {
    return true;
  }
}

Taught ask_teacher(const Recipe& recipe, Monitor& monitor, const std::atomic<bool>* stop) {
  data::RowAccount account;
  teach::Teacher teacher(teacher_problems(recipe, account), teacher_settings(recipe),
                         teach::teacher_files(recipe.teacher.out), monitor);
  if (account.kept != account.rows) monitor.warning("teacher.problems: " + account.summary());
  const auto tell = [&] {
    teacher.write_rows();
    const teach::TeacherReport report = teacher.report();
    monitor.info(fmt::format("teach: {}; {}", report.text(), report.money()));
    return report.json();
  };
  try {
    const bool finished = teacher.ask(stop);
    return {finished, tell()};
  } catch (const Error&) {
    try {
      tell();
    } catch (const Error&) {
      // Of the two the first is what went wrong.
    }
    throw;
  }
}

void keep_teacher(const Recipe& recipe, const fs::path& run) {
  const fs::path database = teach::teacher_files(recipe.teacher.out).database;
  Json standing = teach::standing(database);
  if (standing.is_null()) return;
  standing["database"] = database.string();
  write_file_atomic(run / report::kTeacherFile, dump_json(standing) + "\n");
}

Json teacher_of(const fs::path& run) {
  const Json kept = report::kept_teacher(run);
  if (!kept.is_object() || !kept.contains("database")) return {};
  const auto& database = kept["database"];
  Json now = database.is_string() ? teach::standing(database.get<std::string>()) : Json();
  return now.is_null() ? kept : now;
}

LikelyTeacher likely_teacher(const Recipe& recipe) {
  std::error_code absent;
  const teach::TeacherFiles files = teach::teacher_files(recipe.teacher.out);
  if (!recipe.teacher.any() || !fs::exists(files.database, absent)) return {};
  NullMonitor monitor;
  data::RowAccount account;
  try {
    const auto teacher = teach::Teacher::to_look_at(teacher_problems(recipe, account),
                                                    teacher_settings(recipe), files, monitor);
    const teach::Estimate likely = teacher->estimate();
    if (likely.answers == 0 || likely.most_requests == 0) return {};
    return {{likely.requests_text(), likely.total_text()}, likely.json()};
  } catch (const Error& error) {  // a run would end so, before it asks anything
    return {{error.what()}, {}};
  }
}

std::string unasked_teacher(const Recipe& recipe) {
  std::error_code absent;
  const teach::TeacherFiles files = teach::teacher_files(recipe.teacher.out);
  if (recipe.teacher.model.empty() || fs::exists(files.demonstrations, absent)) return "";
  data::RowAccount account;
  const auto problems = static_cast<int64_t>(teacher_problems(recipe, account).size());
  const int64_t requests = problems * recipe.teacher.samples;
  std::string text = fmt::format("up to {} requests", requests);
  const teach::TeacherSettings settings = teacher_settings(recipe);
  if (settings.prices.given) {
    constexpr int64_t kPromptTokens = 2048;
    teach::Units worst = 0;
    for (int64_t i = 0; i < requests; ++i)
      worst += teach::worst_cost(settings.prices, kPromptTokens, recipe.teacher.max_tokens);
    text += fmt::format(" of at most {} {} together", recipe.teacher.currency,
                        teach::amount_text(worst));
    if (settings.budget)
      text += fmt::format(", within a budget of {}", teach::amount_text(*settings.budget));
  }
  return text;
}

}  // namespace ponder::pipeline
