#include "train/lr_schedule.h"

#include <algorithm>
#include <cmath>

#include "base/portable_math.h"

namespace ponder::train {

std::string_view to_string(ScheduleKind kind) {
  switch (kind) {
    case ScheduleKind::kCosine:
      return "cosine";
    case ScheduleKind::kLinear:
      return "linear";
    case ScheduleKind::kConstant:
      return "constant";
  }
  return "";
}

std::optional<ScheduleKind> schedule_from_string(std::string_view text) {
  for (const auto kind : {ScheduleKind::kCosine, ScheduleKind::kLinear, ScheduleKind::kConstant}) {
    if (text == to_string(kind)) return kind;
  }
  return std::nullopt;
}

int64_t LrSchedule::warmup_steps() const {
  // 0.1 * 30 is 3.0000000000000004 in binary: the small slack keeps that at 3 steps.
  const double exact = warmup_ratio * static_cast<double>(num_steps);
  return std::clamp<int64_t>(static_cast<int64_t>(std::ceil(exact - 1e-9)), 0, num_steps);
}

double LrSchedule::lr(int64_t step) const {
  const int64_t warmup = warmup_steps();
  if (step < warmup) return peak_lr * static_cast<double>(step + 1) / static_cast<double>(warmup);
  if (kind == ScheduleKind::kConstant || num_steps <= warmup) return peak_lr;
  const double progress =
      std::min(1.0, static_cast<double>(step - warmup) / static_cast<double>(num_steps - warmup));
  if (kind == ScheduleKind::kLinear) return peak_lr * (1.0 - progress);
  return peak_lr * 0.5 * (1.0 + portable_cos_pi(progress));
}

}  // namespace ponder::train
