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
                 const TrainOptions& options, Decoder& decoder, ThreadPool& pool)
    : task_(task),
      options_(options),
      decoder_(decoder),
      state_(config, TrainableSet::all(config), std::move(start), options.adamw,
             options.group_tokens > 0 ? GradientKind::kSumOfGroups : GradientKind::kOneChain,
             pool) {
  options_.check();
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

bool Trainer::accumulate(const StepUnits& step, const std::atomic<bool>* stop, Sums& sums) {
  const int64_t weight = task_.step_weight(step.units);
  sums.terms.metrics.assign(task_.metric_names().size(), 0.0);
  const std::span<const int32_t> units = step.units;
  if (options_.group_tokens == 0) return add_group(units, weight, stop, sums);
  for (const UnitRange group : split_step(units, unit_tokens_, options_.group_tokens)) {
    if (!add_group(units.subspan(group.begin, group.end - group.begin), weight, stop, sums))
      return false;
    state_.end_group();
  }
  return true;
}

bool Trainer::add_group(std::span<const int32_t> units, int64_t weight,
                        const std::atomic<bool>* stop, Sums& sums) {
  const std::optional<float> constant = task_.constant_gradient(weight);
  const Keep keep = options_.recompute ? Keep::kLayerInputs : Keep::kActivations;
  for (const UnitRange range : split_step(units, unit_tokens_, options_.micro_batch_tokens)) {
    if (stop && stop->load(std::memory_order_relaxed)) return false;
    PackedBatch batch;
    for (size_t i = range.begin; i < range.end; ++i) task_.append(units[i], batch);
    std::vector<float> logprobs(static_cast<size_t>(batch.num_targets())),
        dlogprobs(logprobs.size(), constant.value_or(0));
    if (constant) {
      decoder_.forward_backward(batch, logprobs, keep, dlogprobs, state_.gradients());
    } else {
      decoder_.forward(batch, logprobs, keep);
    }

    size_t at = 0;
    for (size_t i = range.begin; i < range.end; ++i) {
      const int32_t unit = units[i];
      const size_t count = static_cast<size_t>(task_.unit_trained(unit));
      const auto own = std::span(dlogprobs).subspan(at, count);
      const UnitTerms terms =
          task_.evaluate(unit, std::span<const float>(logprobs).subspan(at, count), weight, own);
      at += count;
      sums.terms.loss += terms.loss;
      for (size_t m = 0; m < terms.metrics.size(); ++m) sums.terms.metrics[m] += terms.metrics[m];
      bool finite = std::isfinite(terms.loss);
      for (const float d : own) finite = finite && std::isfinite(d);
      if (!finite) sums.not_finite.push_back(task_.unit_name(unit));
    }
    sums.tokens += batch.num_tokens();
    sums.trained_tokens += batch.num_targets();
    // Once a row is bad the step is lost; the others are still looked at, to name every one.
    if (!constant && sums.not_finite.empty())
      decoder_.backward(batch, dlogprobs, state_.gradients());
  }
  return true;
}

std::optional<StepReport> Trainer::step(const std::atomic<bool>* stop) {
  const auto begin = std::chrono::steady_clock::now();
  if (stop && stop->load(std::memory_order_relaxed)) return std::nullopt;
  if (done()) throw Error("trainer", "every planned step is done already");
  if (!prepared_) {
    task_.prepare(decoder_, options_.micro_batch_tokens);
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
