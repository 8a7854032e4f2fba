#include "report/alarms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pool/stage_result.h"

namespace ponder::report {
namespace {

double share(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

void add_alarms(const pool::RolloutResult& r, std::vector<std::string>& out) {
  if (r.samples == 0) return;
  if (share(r.unfinished, r.samples) > 0.5) {
    out.push_back(fmt::format(
        "{:.0f} % of {} rollouts did not finish: raise explore.max_tokens, or train longer",
        100 * share(r.unfinished, r.samples), r.samples));
  }
  if (r.correct == 0)
    out.push_back(fmt::format("none of {} rollouts is correct: try easier problems", r.samples));
  if (share(r.undecided, r.samples) > 0.1) {
    out.push_back(fmt::format(
        "the judge could not decide {:.0f} % of {} rollouts: look at the golds (ponder judge)",
        100 * share(r.undecided, r.samples), r.samples));
  }
}

void add_alarms(const pool::TrainResult& r, std::vector<std::string>& out) {
  int64_t skipped = 0;
  for (const pool::LossPoint& point : r.loss_curve) skipped += !point.loss;
  if (skipped > 0)
    out.push_back(fmt::format("{} of its drawn steps have no loss: they were skipped", skipped));
  if (r.last_loss && !std::isfinite(*r.last_loss)) out.push_back("its last loss is no number");
  const std::optional<double> first = r.loss_curve.empty() ? std::nullopt : r.loss_curve[0].loss;
  if (first && r.last_loss && *r.last_loss > std::max(*first + 1, 1.5 * *first)) {
    out.push_back(fmt::format("the loss rose from {:.2f} to {:.2f}: lower {}.lr", *first,
                              *r.last_loss, r.pairs ? "dpo" : "sft"));
  }
  if (r.pairs && *r.pairs < 8)
    out.push_back(fmt::format("{} pairs are few: more rollouts a problem give more", *r.pairs));
  int64_t rejected = 0;
  for (const auto& [reason, count] : r.rejected) rejected += count;
  const int64_t rows = r.pairs.value_or(r.demonstrations.value_or(0) + r.explored.value_or(0));
  if (rejected > 0 && share(rejected, rejected + rows) > 0.1) {
    out.push_back(fmt::format("{} rows were left out, {:.0f} % of them all: ponder plan says why",
                              rejected, 100 * share(rejected, rejected + rows)));
  }
}

}  // namespace

std::vector<std::string> alarms(const pool::StageRecord& stage) {
  std::vector<std::string> out;
  if (stage.kind == pool::stage_kind::kExplore) {
    if (const auto rollouts = pool::result_of<pool::RolloutResult>(stage))
      add_alarms(*rollouts, out);
  } else if (const auto training = pool::result_of<pool::TrainResult>(stage)) {
    add_alarms(*training, out);
  }
  return out;
}

}  // namespace ponder::report
