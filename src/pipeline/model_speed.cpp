#include "pipeline/model_speed.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "base/machine.h"
#include "base/philox.h"
#include "generate/sampler.h"
#include "model/decoder.h"
#include "model/tensor_table.h"
#include "train/training_job.h"

namespace ponder::pipeline {
namespace {

using SpeedClock = std::chrono::steady_clock;

constexpr double kSeconds = 0.5;                  // of each measurement
constexpr int64_t kMostBytes = int64_t{1} << 30;  // that it may take
constexpr int kMostSteps = 200, kMostRows = 64;

double seconds_since(SpeedClock::time_point start) {
  return std::chrono::duration<double>(SpeedClock::now() - start).count();
}

// Processor seconds of this process, and of all.
struct ProcessorTime {
  double own = 0, all = 0;
};
ProcessorTime processor_time() {
  ProcessorTime time;
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  for (const timeval& part : {usage.ru_utime, usage.ru_stime})
    time.own += static_cast<double>(part.tv_sec) + 1e-6 * static_cast<double>(part.tv_usec);
  std::ifstream stat("/proc/stat");
  std::string name;
  stat >> name;
  constexpr double kTick = 0.01;  // USER_HZ
  double value = 0;
  for (int i = 0; i < 8 && stat >> value; ++i) {
    if (i != 3 && i != 4) time.all += kTick * value;  // idle, waiting for a disk
  }
  return time;
}

std::vector<data::TokenRow> random_rows(int64_t count, int64_t length, int64_t vocab_size) {
  RandomSequence random(1, stable_hash64("speed"));
  std::vector<data::TokenRow> rows(static_cast<size_t>(count));
  for (data::TokenRow& row : rows) {
    row.name = "row";
    for (int64_t i = 0; i < length; ++i) {
      row.tokens.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab_size))));
      row.loss_mask.push_back(i > 0);
    }
  }
  return rows;
}

// Runs `step` once to warm up, then for half a second. Seconds of one.
template <class Step>
double seconds_of(const Step& step) {
  step();
  const SpeedClock::time_point start = SpeedClock::now();
  int steps = 0;
  do {
    step();
    ++steps;
  } while (seconds_since(start) < kSeconds && steps < kMostSteps);
  return seconds_since(start) / steps;
}

struct ProbeSize {
  model::ModelConfig config;
  int64_t rows = 1, length = 2;
  bool fits = true;
};

double step_flops(const model::ModelConfig& config, const SpeedProbe& probe, int64_t tokens,
                  int64_t length) {
  return (probe.train.activation_checkpointing ? 4.0 : 3.0) * config.forward_flops(tokens, length);
}

// What trains in about half a second at half the peak: fewer rows first, then fewer layers, then
// shorter rows.
ProbeSize size_of(const model::ModelConfig& config, const SpeedProbe& probe, double peak_gflops) {
  ProbeSize size{config, 1, std::max<int64_t>(2, probe.row_tokens), true};
  const int64_t wanted = probe.train.batch.batch_tokens > 0
                             ? probe.train.batch.batch_tokens / size.length
                             : probe.train.batch.batch_rows;
  size.rows = std::clamp<int64_t>(std::min(wanted, probe.train.micro_batch_tokens / size.length), 1,
                                  kMostRows);
  const int64_t most_bytes = std::min(kMostBytes, machine_memory().available_bytes / 4);
  const double budget = kSeconds * 0.5e9 * peak_gflops;
  const auto slow = [&] {
    return step_flops(size.config, probe, size.rows * size.length, size.length) > budget;
  };
  const auto large = [&] { return 16 * size.config.num_parameters() > most_bytes; };
  while (slow() && size.rows > 1) size.rows /= 2;
  while ((slow() || large()) && size.config.num_hidden_layers > 1) {
    --size.config.num_hidden_layers;
    if (!size.config.layers.empty()) size.config.layers.pop_back();
  }
  while (slow() && size.length > 64) size.length /= 2;
  size.fits = !large();
  return size;
}

double train_seconds(const ProbeSize& size, const SpeedProbe& probe, ThreadPool& threads) {
  train::TrainOptions options = probe.train;
  options.batch = {};
  options.batch.epochs = 2 * kMostSteps;
  options.batch.batch_rows = size.rows;
  options.micro_batch_tokens = std::max(options.micro_batch_tokens, size.rows * size.length);
  options.schedule = train::ScheduleKind::kConstant;
  model::Decoder decoder(size.config, threads, options.precision);
  train::SftTask task(random_rows(size.rows, size.length, size.config.vocab_size));
  train::PlannedBatches batches(task, options.batch);
  model::Parameters start(size.config, "weights");
  model::initialise(start, size.config, 1, &threads);
  train::Trainer trainer(size.config, std::move(start), batches, options, decoder, threads);
  return seconds_of([&] { trainer.step(); });
}

// Of one token of each sequence.
double sample_seconds(const ProbeSize& size, const SpeedProbe& probe, ThreadPool& threads) {
  const model::ModelConfig& config = size.config;
  model::Decoder decoder(config, threads, probe.train.precision);
  model::Parameters weights(config, "weights");
  model::initialise(weights, config, 1, &threads);
  decoder.pack_parameters(weights,
                          probe.narrow_weights ? tensor::DType::kBF16 : tensor::DType::kF32);
  const int64_t middle = probe.prompt_tokens + probe.response_tokens / 2;
  const int64_t length = std::clamp<int64_t>(middle, 1, config.max_position_embeddings - 1);
  const auto batch = static_cast<size_t>(probe.max_batch);
  // Pages of the context are shared: only the last of each sequence is its own.
  model::KvCache cache =
      decoder.make_cache(model::KvCache::pages_for(length) + 2 * probe.max_batch + 2);
  std::vector<float> logits(batch * static_cast<size_t>(config.vocab_size));
  model::KvSequence context;
  const std::vector<int32_t> tokens = random_rows(1, length, config.vocab_size)[0].tokens;
  if (!cache.extend(context, length)) return 0;
  decoder.step({tokens, {{&context, length, true}}}, cache,
               std::span(logits).first(static_cast<size_t>(config.vocab_size)));
  const data::SamplingSettings settings{.temperature = 1, .top_p = 0.95};
  generate::Sampler sampler(config.vocab_size, config.vocab_size, threads);
  std::vector<generate::Draw> draws;
  std::vector<generate::SampledToken> sampled(batch, {1, 0});
  for (size_t i = 0; i < batch; ++i)
    draws.push_back({logits.data() + i * static_cast<size_t>(config.vocab_size), &settings, 0.5});
  return seconds_of([&] {
    std::vector<model::KvSequence> sequences;
    model::InferenceBatch step;
    for (size_t i = 0; i < batch; ++i) sequences.push_back(cache.fork(context));
    for (size_t i = 0; i < batch; ++i) {
      [[maybe_unused]] const bool room = cache.extend(sequences[i], 1);
      step.tokens.push_back(sampled[i].id);
      step.slices.push_back({&sequences[i], 1, true});
    }
    decoder.step(step, cache, logits);
    sampler.sample(draws, sampled);
    for (model::KvSequence& sequence : sequences) cache.release(sequence);
  });
}

}  // namespace

ModelSpeed measure_speed(const model::ModelConfig& config, const SpeedProbe& probe,
                         double peak_gflops, ThreadPool& threads) {
  const ProbeSize size = size_of(config, probe, peak_gflops);
  if (!size.fits) return {};
  ModelSpeed speed;
  speed.layers = size.config.num_hidden_layers;
  const SpeedClock::time_point start = SpeedClock::now();
  const ProcessorTime before = processor_time();
  const int64_t tokens = size.rows * size.length;
  if (const double seconds = train_seconds(size, probe, threads); seconds > 0)
    speed.train = step_flops(size.config, probe, tokens, size.length) / seconds;
  if (const double seconds = sample_seconds(size, probe, threads); seconds > 0)
    speed.sample =
        size.config.forward_flops(probe.max_batch, probe.prompt_tokens + probe.response_tokens) /
        seconds;
  const ProcessorTime after = processor_time();
  const double wall = seconds_since(start), own = after.own - before.own;
  speed.other_cores = std::max(0.0, (after.all - before.all - own) / wall);
  speed.own_share = std::clamp(own / (wall * threads.num_threads()), 0.05, 1.0);
  return speed;
}

}  // namespace ponder::pipeline
