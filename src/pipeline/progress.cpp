#include "pipeline/progress.h"

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

void ProgressFile::begin_stage(const std::string& name, size_t number, size_t stages) {
  const std::lock_guard lock(mutex_);
  stage_ = {{"stage", name}, {"number", number}, {"stages", stages}};
  task_.clear();
  write(stage_);
}

void ProgressFile::take(const MonitorEvent& event) {
  if (event.kind != MonitorEvent::Kind::kProgress) return;
  const std::lock_guard lock(mutex_);
  const Clock::time_point now = Clock::now();
  if (event.name != task_) {
    task_ = event.name;
    first_done_ = event.done;
    begun_ = now;
  } else if (now - written_ < kEvery) {
    return;
  }
  Json object = stage_;
  for (const auto& [key, value] : event.fields.items()) object[key] = value;
  const double seconds = std::chrono::duration<double>(now - begun_).count();
  const auto made = static_cast<double>(event.done - first_done_);
  object["task"] = event.name;
  object["done"] = event.done;
  object["total"] = event.total;
  object["text"] = event.text;
  object["seconds"] = seconds;
  object["seconds_left"] =
      made > 0 && event.total > 0
          ? Json(seconds / made * static_cast<double>(event.total - event.done))
          : Json();
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

std::optional<Json> read_progress(const fs::path& run) {
  try {
    return parse_json(read_file(run / kName), kName);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace ponder::pipeline
