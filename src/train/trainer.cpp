#include "train/trainer.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "base/error.h"

namespace ponder {
namespace {

// Beyond this the square of a gradient element may not fit into f32, so the second moment would be
// lost for ever.
constexpr double kLargestNorm = 1e18;

std::string joined(const std::vector<std::string>& names) {
  constexpr size_t kShown = 10;
  std::string text;
  for (size_t i = 0; i < names.size() && i < kShown; ++i) text += (i ? ", " : "") + names[i];
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  return text;
}

void require(bool ok, const char* option, const char* expected, double found) {
  if (!ok) throw Error(option, fmt::format("expected {}, found {}", expected, found));
}

}  // namespace

void TrainOptions::check() const {
  require(lr > 0 && std::isfinite(lr), "lr", "a number above 0", lr);
  require(warmup_ratio >= 0 && warmup_ratio <= 1, "warmup", "a share from 0 to 1", warmup_ratio);
  require(adamw.weight_decay >= 0 && std::isfinite(adamw.weight_decay), "weight_decay", "0 or more",
          adamw.weight_decay);
  require(adamw.beta1 >= 0 && adamw.beta1 < 1, "beta1", "a number in [0, 1)", adamw.beta1);
  require(adamw.beta2 >= 0 && adamw.beta2 < 1, "beta2", "a number in [0, 1)", adamw.beta2);
  require(adamw.epsilon > 0, "epsilon", "a number above 0", adamw.epsilon);
  require(max_grad_norm >= 0, "max_grad_norm", "0 (off) or more", max_grad_norm);
  require(group_tokens >= 0, "group_tokens", "0 (one chain) or more",
          static_cast<double>(group_tokens));
  require(micro_batch_tokens >= 1, "micro_batch_tokens", "at least 1",
          static_cast<double>(micro_batch_tokens));
}

Json TrainOptions::identity() const {
  Json json{{"epochs", batch.epochs},
            {"batch_rows", batch.batch_tokens > 0 ? 0 : batch.batch_rows},
            {"batch_tokens", batch.batch_tokens},
            {"seed", batch.seed},
            {"lr", lr},
            {"schedule", to_string(schedule)},
            {"warmup", warmup_ratio},
            {"weight_decay", adamw.weight_decay},
            {"beta1", adamw.beta1},
            {"beta2", adamw.beta2},
            {"epsilon", adamw.epsilon},
            {"max_grad_norm", max_grad_norm}};
  if (group_tokens > 0) json["group_tokens"] = group_tokens;
  if (adamw.moments != DType::kF32) json["optimizer_dtype"] = config_name(adamw.moments);
  return json;
}

Json to_json(const StepReport& report) {
  Json json{{"step", report.step},
            {"loss", report.loss},
            {"lr", report.lr},
            {"grad_norm", report.grad_norm},
            {"tokens", report.tokens},
            {"tokens_per_second", report.tokens_per_second()},
            {"trained_tokens", report.trained_tokens},
            {"rows", report.rows},
            {"epoch", report.epoch},
            {"num_steps", report.num_steps}};
  for (const auto& [name, value] : report.metrics) json[name] = value;
  if (!report.skipped.empty()) {
    json["skipped"] = report.skipped;
    json["skipped_rows"] = report.skipped_rows;
  }
  return json;
}

// What one step adds up, in unit order.
struct Trainer::Sums {
  UnitTerms terms;
  int64_t tokens = 0, trained_tokens = 0;
  std::vector<std::string> not_finite;  // units whose loss or gradient factor is not finite
};

Trainer::Trainer(const ModelConfig& config, Parameters start, TrainingTask& task,
                 const TrainOptions& options, Decoder& decoder, ThreadPool& pool,
                 Communicator& members)
    : task_(task),
      options_(options),
      decoder_(decoder),
      members_(members),
      state_(config, TrainableSet::all(config), std::move(start), options.adamw,
             options.group_tokens > 0 ? GradientKind::kSumOfGroups : GradientKind::kOneChain, pool,
             members) {
  options_.check();
  if (members.size() > 1 && options_.group_tokens == 0) {
    throw Error("group_tokens",
                fmt::format("expected more than 0 for a job of {} members: a gradient of one chain "
                            "cannot be shared out",
                            members.size()));
  }
  if (task.longest_row() > config.max_position_embeddings) {
    throw Error(
        "training data",
        fmt::format("expected rows of at most {} tokens (max_position_embeddings), found {}",
                    config.max_position_embeddings, task.longest_row()),
        "lower --max-length");
  }
  for (int32_t unit = 0; unit < task.num_units(); ++unit)
    unit_tokens_.push_back(task.unit_tokens(unit));
  steps_ = plan_steps(unit_tokens_, options_.batch);
  schedule_ = {options_.schedule, options_.lr, options_.warmup_ratio, num_steps()};
  decoder_.set_parameters(state_.weights());
}

void Trainer::set_position(const TrainerPosition& position) {
  position_ = position;
  state_.set_num_updates(position.num_updates);
  prepared_ = position.step > 0;
  decoder_.set_parameters(state_.weights());
}

// What the members have to tell each other about a step: a row of numbers for each of its units,
// filled in by who computed it.
class Trainer::UnitTable {
 public:
  UnitTable(size_t units, size_t metrics) : width_(metrics + 2), rows_(units * width_) {}

  void set(size_t unit, const UnitTerms& terms, bool finite) {
    const auto row = rows_.begin() + static_cast<int64_t>(unit * width_);
    row[0] = terms.loss;
    row[1] = finite;
    std::copy(terms.metrics.begin(), terms.metrics.end(), row + 2);
    finite_ = finite_ && finite;
  }
  bool finite() const { return finite_; }  // of the units that this member computed

  // Everyone's rows: those of groups[k] from member k modulo their number.
  void gather(Communicator& members, std::span<const UnitRange> groups) {
    const auto size = static_cast<size_t>(members.size());
    std::vector<double> all(size * rows_.size());
    members.gather(std::as_bytes(std::span(rows_)), std::as_writable_bytes(std::span(all)));
    for (size_t k = 0; k < groups.size(); ++k) {
      const auto from = all.begin() + static_cast<int64_t>(k % size * rows_.size());
      std::copy(from + static_cast<int64_t>(groups[k].begin * width_),
                from + static_cast<int64_t>(groups[k].end * width_),
                rows_.begin() + static_cast<int64_t>(groups[k].begin * width_));
    }
  }
  // Of a unit: loss, 1 where finite, then the metrics.
  std::span<const double> row(size_t unit) const {
    return std::span(rows_).subspan(unit * width_, width_);
  }

 private:
  size_t width_;
  std::vector<double> rows_;
  bool finite_ = true;
};

bool Trainer::accumulate(const StepUnits& step, const std::atomic<bool>* stop, Sums& sums) {
  const std::span<const int32_t> units = step.units;
  const int64_t weight = task_.step_weight(units);
  const bool grouped = options_.group_tokens > 0;
  const std::vector<UnitRange> groups = grouped
                                            ? split_step(units, unit_tokens_, options_.group_tokens)
                                            : std::vector<UnitRange>{{0, units.size()}};
  const auto size = static_cast<size_t>(members_.size()),
             rank = static_cast<size_t>(members_.rank());
  UnitTable table(units.size(), task_.metric_names().size());
  for (size_t first = 0; first < groups.size(); first += size) {
    const size_t count = std::min(size, groups.size() - first);
    const bool stopped =
        rank < count && !add_group(units, groups[first + rank], weight, stop, table);
    if (members_.any(stopped)) return false;
    if (grouped) state_.end_groups(static_cast<int64_t>(count));
  }
  table.gather(members_, groups);

  sums.terms.metrics.assign(task_.metric_names().size(), 0.0);
  for (size_t i = 0; i < units.size(); ++i) {
    const std::span<const double> row = table.row(i);
    sums.terms.loss += row[0];
    for (size_t m = 0; m < sums.terms.metrics.size(); ++m) sums.terms.metrics[m] += row[2 + m];
    if (row[1] == 0) sums.not_finite.push_back(task_.unit_name(units[i]));
    sums.tokens += task_.unit_tokens(units[i]);
    sums.trained_tokens += task_.unit_trained(units[i]);
  }
  return true;
}

// Adds the group's share to the gradients; false if it was stopped.
bool Trainer::add_group(std::span<const int32_t> units, UnitRange group, int64_t weight,
                        const std::atomic<bool>* stop, UnitTable& table) {
  const std::optional<float> constant = task_.constant_gradient(weight);
  const Keep keep = options_.recompute ? Keep::kLayerInputs : Keep::kActivations;
  const auto own_units = units.subspan(group.begin, group.end - group.begin);
  for (const UnitRange range : split_step(own_units, unit_tokens_, options_.micro_batch_tokens)) {
    if (stop && stop->load(std::memory_order_relaxed)) return false;
    PackedBatch batch;
    for (size_t i = range.begin; i < range.end; ++i) task_.append(own_units[i], batch);
    std::vector<float> logprobs(static_cast<size_t>(batch.num_targets())),
        dlogprobs(logprobs.size(), constant.value_or(0));
    if (constant) {
      decoder_.forward_backward(batch, logprobs, keep, dlogprobs, state_.gradients());
    } else {
      decoder_.forward(batch, logprobs, keep);
    }

    size_t at = 0;
    for (size_t i = range.begin; i < range.end; ++i) {
      const int32_t unit = own_units[i];
      const size_t count = static_cast<size_t>(task_.unit_trained(unit));
      const auto own = std::span(dlogprobs).subspan(at, count);
      const UnitTerms terms =
          task_.evaluate(unit, std::span<const float>(logprobs).subspan(at, count), weight, own);
      at += count;
      bool finite = std::isfinite(terms.loss);
      for (const float d : own) finite = finite && std::isfinite(d);
      table.set(group.begin + i, terms, finite);
    }
    // Once a row is bad the step is lost; the others are still looked at, to name every one.
    if (!constant && table.finite()) decoder_.backward(batch, dlogprobs, state_.gradients());
  }
  return true;
}

std::optional<StepReport> Trainer::step(const std::atomic<bool>* stop) {
  return abort_on_error(members_, [&] { return next_step(stop); });
}

std::optional<StepReport> Trainer::next_step(const std::atomic<bool>* stop) {
  const auto begin = std::chrono::steady_clock::now();
  if (members_.any(stop && stop->load(std::memory_order_relaxed))) return std::nullopt;
  if (done()) throw Error("trainer", "every planned step is done already");
  if (!prepared_) {
    task_.prepare({decoder_, options_.micro_batch_tokens, members_});
    prepared_ = true;
  }
  const StepUnits& step = steps_[static_cast<size_t>(position_.step)];
  state_.zero();
  Sums sums;
  if (!accumulate(step, stop, sums)) return std::nullopt;

  StepReport report;
  report.step = position_.step + 1;
  report.num_steps = num_steps();
  report.epoch = step.epoch + 1;
  report.loss = sums.terms.loss;
  report.lr = schedule_.lr(position_.step);
  report.tokens = sums.tokens;
  report.trained_tokens = sums.trained_tokens;
  report.rows = static_cast<int64_t>(step.units.size());
  const auto names = task_.metric_names();
  for (size_t m = 0; m < names.size(); ++m)
    report.metrics.emplace_back(names[m], sums.terms.metrics[m]);

  if (!sums.not_finite.empty()) {
    report.skipped = "the loss is not finite";
    report.skipped_rows = sums.not_finite;
  } else {
    if (position_.num_updates == 0) task_.check_first_step(sums.terms);
    report.grad_norm = state_.end_gradient();
    if (!(report.grad_norm < kLargestNorm)) {
      report.skipped = "the gradient is not finite";
      for (const int32_t unit : step.units) report.skipped_rows.push_back(task_.unit_name(unit));
    }
  }
  if (report.skipped.empty()) {
    state_.update(report.lr, clip_scale(report.grad_norm, options_.max_grad_norm));
    decoder_.set_parameters(state_.weights());
    position_.consecutive_skips = 0;
  } else if (++position_.consecutive_skips >= kMaxConsecutiveSkips) {
    throw Error(fmt::format("step {}", report.step),
                fmt::format("{}, for the {}rd step in a row; rows: {}", report.skipped,
                            kMaxConsecutiveSkips, joined(report.skipped_rows)),
                "look at these rows with: ponder data show; a lower learning rate or more warm-up "
                "may help");
  }
  ++position_.step;
  position_.num_updates = state_.num_updates();
  position_.total_tokens += report.tokens;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

}  // namespace ponder
