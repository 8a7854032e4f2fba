// ponder bench: speed of this build on this machine, as a share of the machine's measured limits.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "base/error.h"
#include "cli/bench_tasks.h"
#include "cli/command.h"
#include "cli/number_option.h"
#include "cli/printing.h"
#include "model/checkpoint.h"
#include "ops/bf16_matmul.h"
#include "ops/peak.h"

namespace ponder::cli {
namespace {

struct BenchFlags {
  CommonOptions common;
  BenchOptions bench;  // its precision as resolved
  std::optional<tensor::Precision> precision;
  int repeats = 5;
  int warm_up = 1;
  bool on_request = false;
};

model::ModelConfig config_of(const BenchOptions& bench) {
  return model::load_config(bench.model.empty() ? bench.config : bench.model);
}

// What a repetition is compared with, measured beside it.
struct Limits {
  double gflops = 0;      // peak of the instruction that multiplies
  double f32_gflops = 0;  // of f32's, in which attention computes
  double read_gbps = 0;   // of memory; 0 where the task is not bound by it
};

// The least seconds of decoding where reading and multiplying go on beside each other within products
// and within attention, which follow each other.
double least_seconds(const BenchWork& work, const Limits& limits) {
  const auto least = [&](double flops, double bytes, double gflops) {
    return std::max(flops / gflops, bytes / limits.read_gbps) * 1e-9;
  };
  return least(work.flops - work.attention_flops, work.bytes_read - work.attention_bytes,
               limits.gflops) +
         least(work.attention_flops, work.attention_bytes, limits.f32_gflops);
}

class BenchRun {
 public:
  explicit BenchRun(const BenchFlags& flags)
      : flags_(flags),
        config_(config_of(flags.bench)),
        pool_(flags.common.threads),
        task_(make_bench_task(flags.bench, config_, pool_)) {
    for (int i = 0; i < flags.warm_up; ++i) task_->run();
  }

  // Repetitions between two measurements of the limits; the median counts.
  Json measure(int repeats) {
    const Limits before = limits();
    std::vector<BenchWork> works;
    for (int i = 0; i < repeats; ++i) works.push_back(task_->run());
    peak_memory_ = std::max(peak_memory_, first_ ? peak_memory_bytes() : 0);
    first_ = false;
    Limits after = limits();
    if (works.front().bytes_read > 0) {
      after.read_gbps = std::max(before.read_gbps, ops::measured_read_gbps(pool_));
    }
    after.gflops = std::max(before.gflops, after.gflops);
    after.f32_gflops = std::max(before.f32_gflops, after.f32_gflops);
    std::sort(works.begin(), works.end(),
              [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
    return result(works[works.size() / 2], after);
  }

  int threads() const { return pool_.num_threads(); }
  const model::ModelConfig& config() const { return config_; }

 private:
  Limits limits() {
    const double f32 = ops::measured_peak_gflops(pool_);
    return {computes_in_bf16() ? ops::measured_bf16_peak_gflops(pool_) : f32, f32, 0};
  }
  bool computes_in_bf16() const { return flags_.bench.precision == tensor::Precision::kBf16; }

  Json result(const BenchWork& work, const Limits& limits) const {
    const double gflops = work.flops / work.seconds * 1e-9;
    Json json = {{"task", flags_.bench.task},
                 {"tokens_per_second", static_cast<double>(work.tokens) / work.seconds},
                 {"gflops", gflops},
                 {"peak_gflops", limits.gflops},
                 {"fraction_of_peak", gflops / limits.gflops},
                 {"peak_memory_bytes", peak_memory_},
                 {"rows", flags_.bench.rows},
                 {"length", flags_.bench.length},
                 {"threads", pool_.num_threads()},
                 {"parameters", config_.num_parameters()},
                 {"dtype", task_->dtype()},
                 {"precision", tensor::to_string(flags_.bench.precision)},
                 {"peak_of", computes_in_bf16() ? ops::bf16_path_name(ops::bf16_support().path)
                                                : std::string_view("FMA")},
                 {"seconds", work.seconds}};
    if (work.bytes_read > 0) {
      json["steps"] = flags_.bench.steps;
      json["read_gbps"] = work.bytes_read / work.seconds * 1e-9;
      json["peak_read_gbps"] = limits.read_gbps;
      json["fraction_of_read"] = work.bytes_read / work.seconds * 1e-9 / limits.read_gbps;
      json["fraction_of_limit"] = least_seconds(work, limits) / work.seconds;
    }
    int64_t planned = 0;
    for (const auto& [purpose, bytes] : task_->memory()) {
      json["planned_memory"][purpose] = bytes;
      planned += bytes;
    }
    json["planned_memory_bytes"] = planned;
    return json;
  }

  const BenchFlags& flags_;
  const model::ModelConfig config_;
  ThreadPool pool_;
  std::unique_ptr<BenchTask> task_;
  int64_t peak_memory_ =
      0;  // of the first repetitions: measuring the memory's speed takes some too
  bool first_ = true;
};

void print_speed(const Json& result, const BenchFlags& flags) {
  const auto number = [&](const char* key) { return result.at(key).get<double>(); };
  const bool bf16 = flags.bench.precision == tensor::Precision::kBf16;
  print("{}: {:.0f} tokens/s, {:.1f} GFLOP/s, {:.2f} of this machine's measured {} peak of {:.1f}",
        flags.bench.task, number("tokens_per_second"), number("gflops"), number("fraction_of_peak"),
        bf16 ? "bf16 (" + result.at("peak_of").get<std::string>() + ")" : "f32",
        number("peak_gflops"));
  if (result.contains("read_gbps")) {
    print(
        "; {:.1f} GB/s read, {:.2f} of memory's measured {:.1f}; {:.2f} of what the two limits "
        "allow",
        number("read_gbps"), number("fraction_of_read"), number("peak_read_gbps"),
        number("fraction_of_limit"));
  }
  print(
      "; peak memory {:.0f} MiB, planned {:.0f} ({} rows of {} tokens, {} threads, {:.1f} M {} "
      "parameters, median of {})\n",
      number("peak_memory_bytes") / 1048576, number("planned_memory_bytes") / 1048576,
      flags.bench.rows, flags.bench.length, result.at("threads").get<int>(),
      number("parameters") * 1e-6, result.at("dtype").get<std::string>(), flags.repeats);
  for (const auto& [purpose, bytes] : result.at("planned_memory").items()) {
    print("  {:<34} {:>9.1f} MiB\n", purpose, bytes.get<double>() / 1048576);
  }
}

void run_bench(const BenchFlags& given) {
  BenchFlags flags = given;
  flags.bench.seed = flags.common.seed;
  flags.bench.precision = flags.precision.value_or(model::usual_precision(config_of(flags.bench)));
  BenchRun run(flags);
  if (!flags.on_request) {
    const Json result = run.measure(flags.repeats);
    flags.common.json ? print_json(result) : print_speed(result, flags);
    return;
  }
  const auto say = [](const Json& json) {
    print_json(json);
    std::fflush(stdout);
  };
  say({{"ready", true}});
  for (std::string line; std::getline(std::cin, line);) say(run.measure(1));
}

}  // namespace

void register_bench(CLI::App& app) {
  auto options = std::make_shared<BenchFlags>();
  CLI::App* command =
      app.add_subcommand("bench", "speed of this build on this machine, as a fraction of its peak");
  BenchOptions& bench = options->bench;
  auto* input = command->add_option_group("weights")->require_option(1);
  auto* config =
      input->add_option("--config", bench.config, "config.json of the model (weights are random)");
  input->add_option("--model", bench.model, "checkpoint folder (all tasks but train)");
  command
      ->add_option("--task", bench.task,
                   "what to time: a whole training step with AdamW, scoring, prefill, or decoding "
                   "with the greedy choice of each token (default: train)")
      ->check(one_of({"train", "score", "prefill", "decode"}));
  command
      ->add_option("--dtype", bench.dtype,
                   "how the weights of a --config are stored, for all tasks but train (default: "
                   "f32)")
      ->check(one_of({"f32", "bf16"}))
      ->needs(config);
  add_precision_option(*command, options->precision);
  add_number_option(*command, "--rows", bench.rows, 1, 65536,
                    "rows, or sequences at once (default: 8)");
  add_number_option(*command, "--length", bench.length, 2, 1 << 20,
                    "tokens a row, or of context before the first token decoded (default: 512)");
  add_number_option(*command, "--steps", bench.steps, 1, 1 << 20,
                    "tokens decoded a sequence and repetition (default: 64)");
  add_number_option(*command, "--repeats", options->repeats, 1, 1000,
                    "timed repetitions; the median counts");
  add_number_option(*command, "--warm-up", options->warm_up, 0, 1000,
                    "repetitions before those timed (default: 1)");
  command->add_flag("--recompute", bench.recompute, "train with recomputation of activations");
  add_number_option(*command, "--micro-batch-tokens", bench.micro_batch_tokens, 1, kMany,
                    "tokens of one forward and backward of training (default: 2048, in bf16 1024)");
  command->add_flag("--on-request", options->on_request,
                    "one repetition for each line of standard input, one JSON object for each: for "
                    "measuring in turn with another program");
  add_common_options(*command, options->common);
  command->footer(
      "FLOPs are the useful ones: for a token, 2 for each element of the matrices it is multiplied "
      "with (the head too where its logits are needed) and, in each layer, 4 x heads x head_dim "
      "for "
      "each key it attends to, causal: L/2 in a row of L. Training counts three times that; "
      "recomputation, norms and AdamW count nothing. What decoding reads: every matrix once a "
      "step, and keys and values of each context. What the two limits allow: products, then "
      "attention, each as fast as the slower of multiplying and reading.\n"
      "Example:\n  ponder bench --config models/nano-base/config.json --task decode --rows 64 "
      "--length 128");
  command->callback([options] { run_bench(*options); });
}

}  // namespace ponder::cli
