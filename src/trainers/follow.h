// What trainers say while they train, read into steps: JSON lines (ours, LLaMA-Factory's), the
// dictionaries that transformers prints, OpenRLHF's progress bar.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "trainers/job.h"

namespace ponder::trainers {

struct LogStep {
  int64_t step = 0;            // from 1; 0: the line does not say (transformers' dictionaries)
  std::optional<double> loss;  // nothing where it is not a finite number
  std::optional<double> lr, grad_norm, epoch;
  std::vector<std::pair<std::string, double>> metrics;  // under ponder's names, else the trainer's
  std::optional<double> metric(std::string_view name) const;
};

// Nothing for a line that is not about a step's loss. `steps_per_epoch`: of OpenRLHF's bar, which
// counts micro-batches of an epoch, `accumulation` to a step.
std::optional<LogStep> read_step(std::string_view line, int64_t steps_per_epoch = 0,
                                 int64_t accumulation = 1);

// A line as the log of a training stage has it (train::StepLog).
Json to_json(const LogStep& step, int64_t num_steps);

// The exception that a program in Python ended with, as its traceback's last line says it: of several processes the first
// one's, and never a launcher's word that a process has failed. Nothing where no traceback stands there.
std::optional<std::string> raised_exception(std::span<const std::string> lines);

// Cuts a stream into lines, which end with \n or \r.
class LineSplitter {
 public:
  static constexpr size_t kLongest = 1 << 20;  // a longer line is cut
  std::vector<std::string> add(std::string_view bytes);
  std::string rest() { return std::exchange(partial_, ""); }

 private:
  std::string partial_;
};

// The lines that come to stand in a file that another process writes; it may be absent at first.
class FileTail {
 public:
  // From its beginning, or from its present end on.
  explicit FileTail(std::filesystem::path path, bool from_end = false);
  std::vector<std::string> lines();

 private:
  std::filesystem::path path_;
  uint64_t offset_ = 0;
  LineSplitter splitter_;
};

}  // namespace ponder::trainers
