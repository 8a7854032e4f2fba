// DIR/progress.json: what a run is doing now, for whoever looks on while it runs (`ponder status`).
// One JSON object, replaced as a whole at most twice a second and removed at the end; nothing of a
// run's result hangs on it, and a disk that cannot take it is no error.
//   {"stage": "imitate", "number": 3, "stages": 17, "task": "imitate", "done": 12, "total": 40,
//    "text": "loss 0.53 …", "seconds": 8.1, "seconds_left": 18.9, "stage_seconds": 8.3,
//    "stage_seconds_left": 18.9, "run_seconds_left": 240, fields of the task…}
// `seconds`: of the task, by this process; `stage_seconds`: of the stage, by this process; those left are
// null where they are not known. The file of a process that was killed stays: the next one adds its
// stage_seconds to the stage's.
#pragma once

#include <chrono>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/monitor.h"
#include "pipeline/run_clock.h"

namespace ponder::pipeline {

class ProgressFile final : public Monitor {
 public:
  explicit ProgressFile(const std::filesystem::path& run);
  ~ProgressFile() override;

  // From here on events belong to this stage, the number-th of so many.
  void begin_stage(const std::string& name, size_t number, size_t stages,
                   std::optional<ExpectedSeconds> expected = {});
  void take(const MonitorEvent& event) override;

 private:
  using Clock = std::chrono::steady_clock;
  void add_times(Json& object, std::optional<double> task_left) const;
  void write(const Json& object);

  const std::filesystem::path file_;
  std::mutex mutex_;
  Json stage_ = Json::object();
  std::string task_;
  TaskClock clock_;
  std::optional<ExpectedSeconds> expected_;
  Clock::time_point written_, stage_begun_;
};

// What a run that is at work says of itself; nothing if it has not said anything.
std::optional<Json> read_progress(const std::filesystem::path& run);
void remove_progress(const std::filesystem::path& run);

}  // namespace ponder::pipeline
