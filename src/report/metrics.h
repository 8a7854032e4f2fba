// The figures of a training job, step by step, from its log (DIR/training/STAGE.jsonl), as series and
// as files that other viewers read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ponder::report {

struct MetricPoint {
  int64_t step = 0;
  double value = 0;
};

// Every number of every line by its name; what is no number (null where a step was skipped) is left
// out. Lines that are not whole are counted: a job that is at work may be writing one.
class StepMetrics {
 public:
  // Takes in what the file has gained since the last time, or all of it where it is another file.
  // Nothing where there is none. At most about `most` bytes of it: false if more is there.
  bool read(const std::filesystem::path& log, size_t most = SIZE_MAX);
  // One line, {"step": 1, "loss": 0.5, …}; false if it is none.
  bool add(std::string_view line);

  const std::map<std::string, std::vector<MetricPoint>>& series() const { return series_; }
  int64_t num_steps() const { return steps_; }
  int64_t bad_lines() const { return bad_lines_; }
  // Another text once there is more of it, or another file: for what is kept of the series.
  std::string state() const;

 private:
  std::map<std::string, std::vector<MetricPoint>> series_;
  int64_t steps_ = 0, bad_lines_ = 0;
  uint64_t read_bytes_ = 0, device_ = 0, inode_ = 0;
};

// "step,loss,lr\n1,0.5,0.001\n": a line a step, an empty field where it has no such number. For pandas and
// spreadsheets; with `begun` (seconds since 1970) a column "timestamp" behind the step, which trackio's import_csv
// reads.
std::string to_csv(const StepMetrics& metrics, std::optional<double> begun = {});

// LLaMA-Factory's trainer_log.jsonl: current_steps, total_steps, loss, lr, epoch, percentage,
// elapsed_time, remaining_time; accuracy where the step has one.
// https://github.com/hiyouga/LLaMA-Factory/blob/main/src/llamafactory/train/callbacks.py
std::string to_trainer_log(const StepMetrics& metrics);

// TensorBoard's event file of one job: a record a step with all its scalars, tags "NAME".
// https://github.com/tensorflow/tensorboard (record_writer, event.proto): each record is length (u64),
// its masked CRC32C, the bytes, their masked CRC32C, all little-endian. `begun`: seconds since 1970.
//
// A step's time, here as there, is `begun` and the seconds that it and those before it took (tokens by
// tokens_per_second; a second where the log does not have them): what a stop between them took is not in it.
std::string to_event_file(const StepMetrics& metrics, double begun);

uint32_t crc32c(std::string_view bytes);

}  // namespace ponder::report
