#include "trainers/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace ponder::trainers {
namespace {

constexpr std::array kKinds = {Kind::kBuiltin, Kind::kTrl, Kind::kLlamaFactory, Kind::kOpenRlhf,
                               Kind::kCommand};
constexpr std::array kShardings = {Sharding::kNone, Sharding::kFsdp, Sharding::kZero2,
                                   Sharding::kZero3};

int64_t round_up(int64_t count, int64_t size) { return (count + size - 1) / size; }

void check_dpo(const Job& job, const std::string& section) {
  const std::string who(to_string(job.settings.kind));
  if (job.settings.kind == Kind::kCommand) return;  // it is told all of it
  if (job.align != data::Align::kResponse) {
    throw Error(section + ".align",
                fmt::format("{} counts the whole response in a preference, not \"{}\" alone", who,
                            to_string(job.align)),
                "align = \"response\", trainer.kind = \"builtin\", or a command of your own, which "
                "is given the tokens that count");
  }
  if (job.settings.kind == Kind::kTrl) {
    if (job.dpo.sft_weight > 0 && job.dpo.sft_term == train::SftTerm::kPair &&
        job.settings.per_device_rows > 1) {
      throw Error(section + ".sft_term",
                  "TRL averages the likelihood over the tokens of each micro-batch: by pair only "
                  "where that is one pair",
                  "trainer.per_device_rows = 1, or " + section + ".sft_weight = 0");
    }
    if (job.dpo.sft_weight > 0 && job.dpo.sft_term == train::SftTerm::kToken) {
      throw Error(section + ".sft_term",
                  "TRL averages the likelihood over the tokens of each micro-batch, not of a step",
                  section + ".sft_term = \"pair\" with trainer.per_device_rows = 1, or " + section +
                      ".sft_weight = 0");
    }
    return;
  }
  if (job.dpo.length_normalised) {
    throw Error(section + ".length_normalised", who + " has no such preference",
                "trainer.kind = \"trl\" or \"builtin\"");
  }
  if (job.dpo.sft_weight > 0) {
    throw Error(
        section + ".sft_weight",
        fmt::format("{} averages that term in another way, found {}", who, job.dpo.sft_weight),
        section + ".sft_weight = 0, or trainer.kind = \"trl\" or \"builtin\"");
  }
}

}  // namespace

std::string_view to_string(Kind kind) {
  constexpr std::array<std::string_view, 5> names = {"builtin", "trl", "llama-factory", "openrlhf",
                                                     "command"};
  return names[static_cast<size_t>(kind)];
}

std::optional<Kind> kind_from_string(std::string_view text) {
  for (const Kind kind : kKinds)
    if (text == to_string(kind)) return kind;
  return std::nullopt;
}

std::string_view to_string(Sharding sharding) {
  constexpr std::array<std::string_view, 4> names = {"none", "fsdp", "zero-2", "zero-3"};
  return names[static_cast<size_t>(sharding)];
}

std::optional<Sharding> sharding_from_string(std::string_view text) {
  for (const Sharding sharding : kShardings)
    if (text == to_string(sharding)) return sharding;
  return std::nullopt;
}

int64_t Job::accumulation() const {
  return std::max<int64_t>(
      1, options.batch.batch_rows / (settings.processes * settings.per_device_rows));
}

int64_t Job::steps_per_epoch() const {
  // OpenRLHF drops what does not fill a step.
  if (settings.kind == Kind::kOpenRlhf)
    return std::max<int64_t>(1, num_rows / options.batch.batch_rows);
  const int64_t rounds = round_up(num_rows, settings.processes * settings.per_device_rows);
  return round_up(rounds, accumulation());
}

int64_t Job::num_steps() const { return options.batch.epochs * steps_per_epoch(); }

train::LrSchedule Job::schedule() const {
  return {options.schedule, options.lr, options.warmup_ratio, num_steps()};
}

bool keeps_order(Kind kind) { return kind != Kind::kOpenRlhf; }
bool may_probe(Kind kind) { return kind == Kind::kTrl || kind == Kind::kCommand; }

void check(const Job& job, const std::string& section) {
  const Settings& s = job.settings;
  if (!s.outside()) return;
  const std::string who(to_string(s.kind));
  if (s.launch.empty()) {
    throw Error("trainer.launch", "expected the program that starts the trainer, found nothing",
                R"(e.g. launch = ["torchrun", "--nproc-per-node", "8"])");
  }
  const int64_t together = s.processes * s.per_device_rows;
  if (job.options.batch.batch_rows % together != 0) {
    throw Error(
        section + ".batch_rows",
        fmt::format("expected a multiple of trainer.processes times "
                    "trainer.per_device_rows, {}, found {}",
                    together, job.options.batch.batch_rows),
        fmt::format("batch_rows = {}",
                    std::max<int64_t>(1, job.options.batch.batch_rows / together) * together));
  }
  if (job.options.adamw.moments != tensor::DType::kF32 && s.kind != Kind::kCommand) {
    throw Error(section + ".optimizer_dtype",
                who + " keeps moments in float32 here, or as its launcher's own settings say",
                section + ".optimizer_dtype = \"float32\"");
  }
  if (job.options.group_tokens > 0) {
    throw Error(section + ".group_tokens", who + " has its own order of sums",
                "leave group_tokens out");
  }
  if (s.kind == Kind::kOpenRlhf && s.sharding == Sharding::kFsdp) {
    throw Error("trainer.sharding", "openrlhf trains with DeepSpeed, found \"fsdp\"",
                "sharding = \"zero-2\" or \"zero-3\"");
  }
  if (s.lora_rank > 0) {
    if (s.kind == Kind::kOpenRlhf || s.kind == Kind::kLlamaFactory) {
      throw Error("trainer.lora_rank",
                  who + " leaves adapters, and a run goes on with whole weights only",
                  "trainer.kind = \"trl\", whose script merges them, or lora_rank = 0");
    }
    if (s.kind == Kind::kTrl && s.sharding != Sharding::kNone) {
      throw Error("trainer.lora_rank",
                  fmt::format("adapters of weights that are shared out (\"{}\") are not merged",
                              to_string(s.sharding)),
                  "sharding = \"none\", or lora_rank = 0");
    }
  }
  if (s.kind == Kind::kOpenRlhf && job.options.precision != tensor::Precision::kBf16) {
    throw Error("precision", "openrlhf trains in bf16", "precision = \"bf16\"");
  }
  if (s.kind == Kind::kOpenRlhf && job.options.max_grad_norm == 0) {
    throw Error(section + ".max_grad_norm", "openrlhf always clips, found 0",
                section + ".max_grad_norm = 1.0");
  }
  if (job.objective == Objective::kDpo) check_dpo(job, section);
}

std::vector<std::vector<int32_t>> orders(const Job& job) {
  const std::vector<int64_t> ones(static_cast<size_t>(job.num_rows), 1);
  std::vector<std::vector<int32_t>> epochs(static_cast<size_t>(job.options.batch.epochs));
  train::BatchOptions batch = job.options.batch;
  batch.batch_tokens = 0;
  for (const train::StepExamples& step : train::plan_steps(ones, batch)) {
    auto& order = epochs[static_cast<size_t>(step.epoch)];
    order.insert(order.end(), step.examples.begin(), step.examples.end());
  }
  return epochs;
}

std::vector<std::vector<int32_t>> first_step(const Job& job, const std::vector<int32_t>& order) {
  const auto n = static_cast<int64_t>(order.size());
  const int64_t size = job.settings.per_device_rows, together = size * job.settings.processes;
  const int64_t rounds = std::min(job.accumulation(), round_up(n, together));
  std::vector<std::vector<int32_t>> batches;
  for (int64_t at = 0; at < rounds * together; at += size) {
    std::vector<int32_t>& batch = batches.emplace_back();
    for (int64_t i = at; i < at + size; ++i) batch.push_back(order[static_cast<size_t>(i % n)]);
  }
  return batches;
}

}  // namespace ponder::trainers
