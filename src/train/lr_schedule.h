// Learning-rate schedules: a pure function of the step.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ponder::train {

enum class ScheduleKind { kCosine, kLinear, kConstant };
std::string_view to_string(ScheduleKind kind);  // "cosine", "linear", "constant"
std::optional<ScheduleKind> schedule_from_string(std::string_view text);

struct LrSchedule {
  ScheduleKind kind = ScheduleKind::kCosine;
  double peak_lr = 1e-5;
  double warmup_ratio = 0.1;  // of num_steps, rounded up
  int64_t num_steps = 1;      // planned; a job that is stopped early keeps its schedule

  int64_t warmup_steps() const;
  // Of step 0 .. num_steps - 1. With W warm-up steps:
  //   step < W:  peak (step + 1) / W               (no step is spent at a rate of 0)
  //   then, with p = (step - W) / (num_steps - W):
  //   cosine: peak (1 + cos(pi p)) / 2; linear: peak (1 - p); constant: peak
  double lr(int64_t step) const;
};

}  // namespace ponder::train
