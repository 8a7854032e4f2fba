// DIR/progress.json: what a run is doing now, for whoever looks on while it runs (`ponder status`).
// One JSON object, replaced as a whole at most twice a second and removed at the end; nothing of a
// run's result hangs on it, and a disk that cannot take it is no error.
//   {"stage": "imitate", "number": 3, "stages": 17, "task": "imitate", "done": 12, "total": 40,
//    "text": "loss 0.53 …", "seconds": 8.1, "seconds_left": 18.9, fields of the task…}
// `seconds`: of the task, by this process; `seconds_left`: of the task, null where it is not known.
#pragma once

#include <chrono>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/monitor.h"

namespace ponder::pipeline {

class ProgressFile final : public Monitor {
 public:
  explicit ProgressFile(const std::filesystem::path& run);
  ~ProgressFile() override;

  // From here on events belong to this stage, the number-th of so many.
  void begin_stage(const std::string& name, size_t number, size_t stages);
  void take(const MonitorEvent& event) override;

 private:
  using Clock = std::chrono::steady_clock;
  void write(const Json& object);

  const std::filesystem::path file_;
  std::mutex mutex_;
  Json stage_ = Json::object();
  std::string task_;
  int64_t first_done_ = 0;  // of the task, when it was first heard of
  Clock::time_point begun_, written_;
};

// What a run that is at work says of itself; nothing if it has not said anything.
std::optional<Json> read_progress(const std::filesystem::path& run);

}  // namespace ponder::pipeline
