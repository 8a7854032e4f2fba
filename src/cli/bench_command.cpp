#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/error.h"
#include "base/philox.h"
#include "base/thread_pool.h"
#include "cli/command.h"
#include "model/checkpoint.h"
#include "model/decoder.h"
#include "ops/peak.h"

namespace ponder::cli {
namespace {

struct BenchOptions {
  CommonOptions common;
  std::string config;
  std::string task = "train";
  int64_t rows = 8;
  int64_t length = 512;
  int repeats = 5;
  bool recompute = false;
};

std::vector<int32_t> random_tokens(int64_t count, int64_t vocab_size, uint64_t seed) {
  RandomSequence random(seed, stable_hash64("bench tokens"));
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab_size))));
  }
  return tokens;
}

// One repetition of the task; returns the tokens it processed and the FLOPs that takes.
class Bench {
 public:
  Bench(const BenchOptions& options, const ModelConfig& config, ThreadPool& pool)
      : options_(options), config_(config), decoder_(config, pool), parameters_(config, "weights") {
    initialise(parameters_, config, options.common.seed);
    decoder_.set_parameters(parameters_);
    const std::vector<int32_t> tokens =
        random_tokens(options.rows * options.length, config.vocab_size, options.common.seed);
    std::vector<uint8_t> trained(static_cast<size_t>(options.length), 1);
    for (int64_t r = 0; r < options.rows; ++r) {
      batch_.append(
          {tokens.begin() + r * options.length, tokens.begin() + (r + 1) * options.length},
          trained);
    }
    logprobs_.resize(static_cast<size_t>(batch_.num_targets()));
    if (options.task == "train") gradients_ = std::make_unique<Gradients>(config);
    if (options.task == "prefill" || options.task == "decode") {
      cache_ = std::make_unique<KvCache>(
          config, options.rows * KvCache::pages_for(options.length + kDecodeSteps));
    }
  }

  static constexpr int64_t kDecodeSteps = 64;

  struct Work {
    int64_t tokens;
    double flops;
    double seconds;
  };

  Work run() {
    if (options_.task == "decode") return decode();
    const auto start = std::chrono::steady_clock::now();
    double factor = 1;
    if (options_.task == "train") {
      factor = 3;
      decoder_.forward(batch_, logprobs_,
                       options_.recompute ? Keep::kLayerInputs : Keep::kActivations);
      const std::vector<float> d(logprobs_.size(), -1.0f / static_cast<float>(logprobs_.size()));
      decoder_.backward(batch_, d, *gradients_);
      gradients_->finish();
      decoder_.set_parameters(parameters_);
    } else if (options_.task == "score") {
      decoder_.forward(batch_, logprobs_, Keep::kNothing);
    } else {
      prefill(options_.length);
      release();
    }
    return {batch_.num_tokens(),
            factor * config_.forward_flops(batch_.num_tokens(), options_.length),
            seconds_since(start)};
  }

 private:
  static double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  void prefill(int64_t length) {
    sequences_.assign(static_cast<size_t>(options_.rows), {});
    std::vector<float> logits(static_cast<size_t>(config_.vocab_size));
    for (int64_t r = 0; r < options_.rows; ++r) {
      StepBatch step;
      KvSequence& sequence = sequences_[static_cast<size_t>(r)];
      if (!cache_->extend(sequence, length))
        throw Error("bench", "the key-value cache is too small");
      const auto begin = batch_.tokens.begin() + r * options_.length;
      step.tokens.assign(begin, begin + length);
      step.runs = {{&sequence, length, true}};
      decoder_.step(step, *cache_, logits);
    }
  }

  void release() {
    for (KvSequence& sequence : sequences_) cache_->release(sequence);
  }

  Work decode() {
    prefill(options_.length);
    std::vector<float> logits(static_cast<size_t>(options_.rows * config_.vocab_size));
    const auto start = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < kDecodeSteps; ++i) {
      StepBatch step;
      for (KvSequence& sequence : sequences_) {
        if (!cache_->extend(sequence, 1)) throw Error("bench", "the key-value cache is too small");
        step.tokens.push_back(static_cast<int32_t>(i % config_.vocab_size));
        step.runs.push_back({&sequence, 1, true});
      }
      decoder_.step(step, *cache_, logits);
    }
    const double seconds = seconds_since(start);
    release();
    const int64_t tokens = options_.rows * kDecodeSteps;
    // Every new token attends to the whole context: twice the causal average of a row of that
    // length.
    return {tokens, config_.forward_flops(tokens, 2 * (options_.length + kDecodeSteps / 2)),
            seconds};
  }

  const BenchOptions& options_;
  const ModelConfig& config_;
  Decoder decoder_;
  Parameters parameters_;
  PackedBatch batch_;
  std::vector<float> logprobs_;
  std::unique_ptr<Gradients> gradients_;
  std::unique_ptr<KvCache> cache_;
  std::vector<KvSequence> sequences_;
};

void run_bench(const BenchOptions& options) {
  const ModelConfig config = load_config(options.config);
  ThreadPool pool(options.common.threads);
  const double peak_before = measured_peak_gflops(pool);
  Bench bench(options, config, pool);
  bench.run();  // warms caches and buffers
  std::vector<Bench::Work> works;
  for (int i = 0; i < options.repeats; ++i) works.push_back(bench.run());
  const double peak = std::max(peak_before, measured_peak_gflops(pool));
  std::sort(works.begin(), works.end(),
            [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
  const Bench::Work median = works[works.size() / 2];
  const double gflops = median.flops / median.seconds * 1e-9;
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  const Json result = {{"task", options.task},
                       {"tokens_per_second", static_cast<double>(median.tokens) / median.seconds},
                       {"gflops", gflops},
                       {"peak_gflops", peak},
                       {"fraction_of_peak", gflops / peak},
                       {"peak_memory_bytes", int64_t{usage.ru_maxrss} * 1024},
                       {"rows", options.rows},
                       {"length", options.length},
                       {"threads", pool.num_threads()},
                       {"parameters", config.num_parameters()}};
  if (options.common.json) {
    print_json(result);
    return;
  }
  fmt::print(
      "{}: {:.0f} tokens/s, {:.1f} GFLOP/s, {:.2f} of this machine's measured f32 peak of {:.1f}; "
      "peak memory {:.0f} MiB ({} rows of {} tokens, {} threads, {:.1f} M parameters, median of "
      "{})\n",
      options.task, result["tokens_per_second"].get<double>(), gflops, gflops / peak, peak,
      static_cast<double>(usage.ru_maxrss) / 1024, options.rows, options.length, pool.num_threads(),
      static_cast<double>(config.num_parameters()) * 1e-6, options.repeats);
}

}  // namespace

void register_bench(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command =
      app.add_subcommand("bench", "speed of this build on this machine, as a fraction of its peak");
  command->add_option("--config", options->config, "config.json of the model (weights are random)")
      ->required();
  command->add_option("--task", options->task, "what to time")
      ->check(CLI::IsMember({"train", "score", "prefill", "decode"}));
  command->add_option("--rows", options->rows, "rows, or sequences at once (default: 8)")
      ->check(CLI::Range(1, 65536));
  command->add_option("--length", options->length, "tokens a row, or of context (default: 512)")
      ->check(CLI::Range(2, 1 << 20));
  command->add_option("--repeats", options->repeats, "timed repetitions; the median counts")
      ->check(CLI::Range(1, 1000));
  command->add_flag("--recompute", options->recompute, "train with recomputation of activations");
  add_common_options(*command, options->common);
  command->footer(
      "Example:\n  ponder bench --config models/nano-base/config.json --task decode --rows 64 "
      "--length 128");
  command->callback([options] { run_bench(*options); });
}

}  // namespace ponder::cli
