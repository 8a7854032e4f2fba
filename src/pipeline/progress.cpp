#include "pipeline/progress.h"

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "base/file.h"

namespace ponder::pipeline {
namespace fs = std::filesystem;

constexpr auto kEvery = std::chrono::milliseconds(500);
constexpr const char* kName = "progress.json";

ProgressFile::ProgressFile(const fs::path& run) : file_(run / kName) {}

ProgressFile::~ProgressFile() {
  std::error_code ignored;
  fs::remove(file_, ignored);
}

void ProgressFile::begin_stage(const std::string& name, size_t number, size_t stages,
                               std::optional<ExpectedSeconds> expected) {
  const std::lock_guard lock(mutex_);
  stage_ = {{"stage", name}, {"number", number}, {"stages", stages}};
  task_.clear();
  clock_ = {};
  expected_ = expected;
  stage_begun_ = Clock::now();
  Json object = stage_;
  add_times(object, {});
  write(object);
}

// A stage may have several tasks: what is left of it is at least what is left of the one at hand.
void ProgressFile::add_times(Json& object, std::optional<double> task_left) const {
  const double seconds = std::chrono::duration<double>(Clock::now() - stage_begun_).count();
  std::optional<double> left = task_left;
  if (expected_) left = std::max(left.value_or(0), expected_->stage - seconds);
  const auto json = [](std::optional<double> value) { return value ? Json(*value) : Json(); };
  object["stage_seconds"] = seconds;
  object["stage_seconds_left"] = json(left);
  object["run_seconds_left"] =
      expected_ ? json(left.value_or(0) + expected_->behind) : json(std::nullopt);
}

void ProgressFile::take(const MonitorEvent& event) {
  if (event.kind != MonitorEvent::Kind::kProgress) return;
  const std::lock_guard lock(mutex_);
  clock_.take(event);
  if (event.name == task_ && Clock::now() - written_ < kEvery) return;
  task_ = event.name;
  Json object = stage_;
  for (const auto& [key, value] : event.fields.items()) object[key] = value;
  const std::optional<double> left = clock_.seconds_left();
  object["task"] = event.name;
  object["done"] = event.done;
  object["total"] = event.total;
  object["text"] = event.text;
  object["seconds"] = clock_.seconds();
  object["seconds_left"] = left ? Json(*left) : Json();
  add_times(object, left);
  write(object);
}

void ProgressFile::write(const Json& object) {
  written_ = Clock::now();
  fs::path beside = file_;
  beside += ".new";
  std::ofstream out(beside, std::ios::trunc);
  out << dump_json(object) << '\n';
  out.close();
  std::error_code ignored;
  if (out) fs::rename(beside, file_, ignored);
}

void remove_progress(const fs::path& run) {
  std::error_code ignored;
  fs::remove(run / kName, ignored);
}

std::optional<Json> read_progress(const fs::path& run) {
  try {
    return parse_json(read_file(run / kName), kName);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace ponder::pipeline
