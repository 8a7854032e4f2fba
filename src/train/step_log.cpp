#include "train/step_log.h"

namespace ponder::train {
namespace fs = std::filesystem;

StepLog::StepLog(const fs::path& path, int64_t steps_done) {
  if (path.empty()) return;
  if (path.has_parent_path()) fs::create_directories(path.parent_path());
  std::string kept;
  if (steps_done > 0 && fs::exists(path)) {
    JsonRowReader reader(path);
    JsonRow row;
    // A line torn by the crash belongs to a step that is run again.
    const auto torn = [](uint64_t, uint64_t, const std::string&) {};
    while (reader.next(row, torn)) {
      const auto step = row.value.is_object() ? row.value.find("step") : row.value.end();
      if (step == row.value.end() || !step->is_number_integer() ||
          step->get<int64_t>() > steps_done)
        continue;
      kept += dump_json(row.value) + "\n";
    }
  }
  write_file_atomic(path, kept);
  file_ = std::make_unique<AppendLog>(path);
}

void StepLog::write(const StepReport& report) {
  if (file_) file_->append(dump_json(to_json(report)));
}

void StepLog::sync() {
  if (file_) file_->sync();
}

}  // namespace ponder::train
