#include "train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"

namespace ponder::train {
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
  Json json{{"lr", lr},
            {"schedule", to_string(schedule)},
            {"warmup", warmup_ratio},
            {"weight_decay", adamw.weight_decay},
            {"beta1", adamw.beta1},
            {"beta2", adamw.beta2},
            {"epsilon", adamw.epsilon},
            {"max_grad_norm", max_grad_norm}};
  if (group_tokens > 0) json["group_tokens"] = group_tokens;
  if (adamw.moments != tensor::DType::kF32)
    json["optimizer_dtype"] = tensor::config_name(adamw.moments);
  if (precision != tensor::Precision::kF32) json["precision"] = tensor::stored_name(precision);
  return json;
}

std::string to_text(const StepReport& report) {
  return fmt::format("loss {:.4f}  lr {:.2e}  grad norm {:.3f}  {:.0f} tokens/s", report.loss,
                     report.lr, report.grad_norm, report.tokens_per_second());
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
            {"epoch", report.epoch}};
  if (report.num_steps > 0) json["num_steps"] = report.num_steps;
  for (const auto& [name, value] : report.metrics) json[name] = value;
  if (!report.skipped.empty()) {
    json["skipped"] = report.skipped;
    json["skipped_rows"] = report.skipped_rows;
  }
  return json;
}

Trainer::Trainer(const model::ModelConfig& config, model::Parameters start, BatchSource& source,
                 const TrainOptions& options, model::Decoder& decoder, ThreadPool& threads,
                 comm::Communicator& members)
    : source_(source),
      options_(options),
      decoder_(decoder),
      members_(members),
      state_(config, TrainableSet::all(config), std::move(start), options.adamw,
             options.group_tokens > 0 ? GradientKind::kSumOfGroups : GradientKind::kOneChain,
             threads, members) {
  options_.check();
  if (decoder.precision() != options_.precision) {
    throw Error(
        ErrorKind::kInternal, "trainer",
        fmt::format("precision {}, but a decoder that computes in {}",
                    tensor::to_string(options_.precision), tensor::to_string(decoder.precision())));
  }
  if (members.size() > 1 && options_.group_tokens == 0) {
    throw Error("group_tokens",
                fmt::format("expected more than 0 for a job of {} members: a gradient of one chain "
                            "cannot be shared out",
                            members.size()));
  }
  if (source.longest_row() > config.max_position_embeddings) {
    throw Error(
        "training data",
        fmt::format("expected rows of at most {} tokens (max_position_embeddings), found {}",
                    config.max_position_embeddings, source.longest_row()),
        "lower --max-length");
  }
  if (!num_steps() && (options_.schedule != ScheduleKind::kConstant || options_.warmup_ratio > 0)) {
    throw Error("schedule",
                "expected constant, with warmup 0, for a job whose number of steps is not known");
  }
  schedule_ = {options_.schedule, options_.lr, options_.warmup_ratio, num_steps().value_or(1)};
  decoder_.set_parameters(state_.weights());
}

void Trainer::set_position(const TrainerPosition& position) {
  position_ = position;
  state_.set_num_updates(position.num_updates);
  prepared_ = position.step > 0;
  decoder_.set_parameters(state_.weights());
}

// What the members have to tell each other about a step: a row of numbers for each of its examples,
// filled in by who computed it.
class Trainer::ExampleTable {
 public:
  ExampleTable(size_t examples, size_t metrics) : width_(metrics + 2), rows_(examples * width_) {}

  void set(size_t example, const ExampleTerms& terms, bool finite) {
    const auto row = rows_.begin() + static_cast<int64_t>(example * width_);
    row[0] = terms.loss;
    row[1] = finite;
    std::copy(terms.metrics.begin(), terms.metrics.end(), row + 2);
    finite_ = finite_ && finite;
  }
  bool finite() const { return finite_; }  // of the examples that this member computed

  // Everyone's rows: those of groups[k] from member k modulo their number.
  void gather(comm::Communicator& members, std::span<const ExampleRange> groups) {
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
  // Of one example, after gather() of any.
  ExampleTerms terms(size_t example) const {
    const auto row = rows_.begin() + static_cast<int64_t>(example * width_);
    return {row[0], std::vector<double>(row + 2, row + static_cast<int64_t>(width_))};
  }
  bool finite(size_t example) const { return rows_[example * width_ + 1] != 0; }

 private:
  size_t width_;  // of a row: loss, 1 where finite, then the metrics
  std::vector<double> rows_;
  bool finite_ = true;
};

// The step under way.
struct Trainer::Step {
  TrainingTask& task;
  std::vector<int32_t> examples;
  std::vector<int64_t> tokens;    // of each example
  StepWeight weight;              // what its loss is divided by
  std::optional<float> constant;  // TrainingTask::constant_gradient
  const std::atomic<bool>* stop;
  ExampleTable table;

  Step(TrainBatch batch, const std::atomic<bool>* stop_flag)
      : task(*batch.task),
        examples(std::move(batch.examples)),
        weight(task.step_weight(examples)),
        constant(task.constant_gradient(weight)),
        stop(stop_flag),
        table(examples.size(), task.metric_names().size()) {
    for (const int32_t example : examples) tokens.push_back(task.example_tokens(example));
  }
  bool stopped() const { return stop && stop->load(std::memory_order_relaxed); }
};

// The gradient of all groups, each from its member, and everyone's rows of the table; false if it
// was stopped.
bool Trainer::accumulate(Step& step) {
  const bool grouped = options_.group_tokens > 0;
  const std::vector<ExampleRange> groups =
      grouped ? split_step(step.tokens, options_.group_tokens)
              : std::vector<ExampleRange>{{0, step.examples.size()}};
  const auto size = static_cast<size_t>(members_.size()),
             rank = static_cast<size_t>(members_.rank());
  for (size_t first = 0; first < groups.size(); first += size) {
    const size_t count = std::min(size, groups.size() - first);
    bool stopped = false;
    try {
      stopped = rank < count && !add_group(step, groups[first + rank]);
    } catch (const model::Interrupted&) {
      stopped = true;
    }
    if (members_.any(stopped)) return false;
    if (grouped) state_.end_groups(static_cast<int64_t>(count));
  }
  step.table.gather(members_, groups);
  return true;
}

// Adds the group's share to the gradients; false if it was stopped.
bool Trainer::add_group(Step& step, ExampleRange group) {
  const model::Keep keep =
      options_.activation_checkpointing ? model::Keep::kCheckpoints : model::Keep::kActivations;
  const auto tokens =
      std::span<const int64_t>(step.tokens).subspan(group.begin, group.end - group.begin);
  for (const ExampleRange range : split_step(tokens, options_.micro_batch_tokens)) {
    if (step.stopped()) return false;
    const size_t begin = group.begin + range.begin, end = group.begin + range.end;
    model::PackedBatch batch;
    for (size_t i = begin; i < end; ++i) step.task.append(step.examples[i], batch);
    std::vector<float> logprobs(static_cast<size_t>(batch.num_targets())),
        dlogprobs(logprobs.size(), step.constant.value_or(0));
    if (step.constant) {
      decoder_.forward_backward(batch, logprobs, keep, dlogprobs, state_.gradients());
    } else {
      decoder_.forward(batch, logprobs, keep);
    }

    size_t at = 0;
    for (size_t i = begin; i < end; ++i) {
      const int32_t example = step.examples[i];
      const size_t count = static_cast<size_t>(step.task.example_loss_tokens(example));
      const auto own = std::span(dlogprobs).subspan(at, count);
      const ExampleTerms terms = step.task.evaluate(
          example, std::span<const float>(logprobs).subspan(at, count), step.weight, own);
      at += count;
      bool finite = std::isfinite(terms.loss);
      for (const float d : own) finite = finite && std::isfinite(d);
      step.table.set(i, terms, finite);
    }
    // Once a row is bad the step is lost; the others are still looked at, to name every one.
    if (!step.constant && step.table.finite()) {
      decoder_.backward(batch, dlogprobs, state_.gradients());
    }
  }
  return true;
}

std::optional<StepReport> Trainer::step(const std::atomic<bool>* stop) {
  struct Watch {
    model::Decoder& decoder;
    ~Watch() { decoder.set_stop(nullptr); }
  } const watch{decoder_};
  decoder_.set_stop(stop);
  return comm::abort_on_error(members_, [&]() -> std::optional<StepReport> {
    try {
      return next_step(stop);
    } catch (const model::Interrupted&) {  // of the source, on all members
      return std::nullopt;
    }
  });
}

std::optional<StepReport> Trainer::next_step(const std::atomic<bool>* stop) {
  const auto begin = std::chrono::steady_clock::now();
  if (members_.any(stop && stop->load(std::memory_order_relaxed))) return std::nullopt;
  if (done()) throw Error("trainer", "every planned step is done already");
  if (!prepared_) {
    source_.prepare(policy());
    prepared_ = true;
  }
  std::optional<TrainBatch> batch = source_.next(position_.step, policy());
  if (!batch) {
    ended_ = true;
    return std::nullopt;
  }
  const int epoch = batch->epoch;
  Step step(*std::move(batch), stop);
  state_.zero();
  if (!accumulate(step)) return std::nullopt;

  StepReport report;
  report.step = position_.step + 1;
  report.num_steps = num_steps().value_or(0);
  report.epoch = epoch + 1;
  report.lr = schedule_.lr(position_.step);
  report.rows = static_cast<int64_t>(step.examples.size());
  ExampleTerms sums;
  const std::vector<std::string> names = step.task.metric_names();
  sums.metrics.assign(names.size(), 0.0);
  for (size_t i = 0; i < step.examples.size(); ++i) {
    const ExampleTerms terms = step.table.terms(i);
    sums.loss += terms.loss;
    for (size_t m = 0; m < names.size(); ++m) sums.metrics[m] += terms.metrics[m];
    if (!step.table.finite(i))
      report.skipped_rows.push_back(step.task.example_name(step.examples[i]));
    report.tokens += step.tokens[i];
    report.trained_tokens += step.task.example_loss_tokens(step.examples[i]);
  }
  report.loss = sums.loss;
  for (size_t m = 0; m < names.size(); ++m) report.metrics.emplace_back(names[m], sums.metrics[m]);

  if (!report.skipped_rows.empty()) {
    report.skipped = "the loss is not finite";
  } else {
    if (position_.num_updates == 0) step.task.check_first_step(sums);
    report.grad_norm = state_.end_gradient();
    if (!(report.grad_norm < kLargestNorm)) {
      report.skipped = "the gradient is not finite";
      for (const int32_t example : step.examples)
        report.skipped_rows.push_back(step.task.example_name(example));
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

}  // namespace ponder::train
