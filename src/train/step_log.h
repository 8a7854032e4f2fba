// The log of a job: one JSON line per step, without gaps or repetitions across restarts.
#pragma once

#include <filesystem>
#include <memory>

#include "base/file.h"
#include "train/trainer.h"

namespace ponder::train {

class StepLog {
 public:
  // Keeps the lines of steps up to `steps_done` that an earlier run of the job wrote, drops what
  // came after (those steps are run again); 0 starts the file anew. An empty path logs nothing.
  StepLog(const std::filesystem::path& path, int64_t steps_done);
  void write(const StepReport& report);
  void sync();

 private:
  std::unique_ptr<AppendLog> file_;
};

}  // namespace ponder::train
