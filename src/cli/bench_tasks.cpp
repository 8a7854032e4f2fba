#include "cli/bench_tasks.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "base/philox.h"
#include "generate/sampler.h"
#include "generate/scorer.h"
#include "model/checkpoint.h"
#include "model/decoder.h"
#include "model/tensor_table.h"
#include "model/weight_files.h"
#include "ops/attention.h"
#include "train/trainer.h"
#include "train/training_job.h"

namespace ponder::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<std::vector<int32_t>> random_rows(const BenchOptions& options, int64_t vocab_size) {
  RandomSequence random(options.seed, stable_hash64("bench tokens"));
  std::vector<std::vector<int32_t>> rows(static_cast<size_t>(options.rows));
  for (std::vector<int32_t>& row : rows) {
    for (int64_t i = 0; i < options.length; ++i) {
      row.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab_size))));
    }
  }
  return rows;
}

class TrainBench : public BenchTask {
 public:
  TrainBench(const BenchOptions& options, const model::ModelConfig& config, ThreadPool& pool)
      : options_(options),
        config_(config),
        decoder_(config, pool, options.precision),
        task_(rows_of(options, config)) {
    train_.batch.epochs = kMaxRepetitions;
    train_.batch.batch_rows = options.rows;
    train_.schedule = train::ScheduleKind::kConstant;
    train_.precision = options.precision;
    train_.micro_batch_tokens = options.micro_batch_tokens > 0
                                    ? options.micro_batch_tokens
                                    : train::usual_micro_batch_tokens(options.precision);
    train_.activation_checkpointing = options.recompute;
    model::Parameters start(config, "weights");
    model::initialise(start, config, options.seed, &pool);
    batches_.emplace(task_, train_.batch);
    trainer_.emplace(config, std::move(start), *batches_, train_, decoder_, pool);
  }

  BenchWork run() override {
    const auto start = Clock::now();
    const train::StepReport report = *trainer_->step();
    const double seconds = seconds_since(start);
    if (!report.skipped.empty()) throw Error("bench", "a training step: " + report.skipped);
    return {report.tokens, 3 * config_.forward_flops(report.tokens, options_.length), 0, seconds};
  }

  tensor::MemoryTable memory() const override {
    return train::plan_training(decoder_, train::workload_of(task_), train_).memory_bytes;
  }

 private:
  static constexpr int kMaxRepetitions = 20000;

  static std::vector<data::TokenRow> rows_of(const BenchOptions& options,
                                             const model::ModelConfig& config) {
    std::vector<data::TokenRow> rows;
    for (std::vector<int32_t>& tokens : random_rows(options, config.vocab_size)) {
      data::TokenRow& row = rows.emplace_back();
      row.name = fmt::format("row {}", rows.size());
      row.loss_mask.assign(tokens.size(), 1);
      row.loss_mask[0] = 0;
      row.tokens = std::move(tokens);
    }
    return rows;
  }

  BenchOptions options_;
  const model::ModelConfig& config_;
  model::Decoder decoder_;
  train::SftTask task_;
  train::TrainOptions train_;
  std::optional<train::PlannedBatches> batches_;
  std::optional<train::Trainer> trainer_;
};

// Random weights in a folder that is removed once they are loaded.
class TemporaryCheckpoint {
 public:
  TemporaryCheckpoint(const BenchOptions& options, ThreadPool& pool)
      : folder_(fs::temp_directory_path() / fmt::format("ponder-bench-{}", ::getpid())) {
    const tensor::DType dtype =
        options.dtype == "bf16" ? tensor::DType::kBF16 : tensor::DType::kF32;
    model::init_checkpoint(options.config, "", folder_, dtype, options.seed, &pool);
  }
  ~TemporaryCheckpoint() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  const fs::path& folder() const { return folder_; }

 private:
  fs::path folder_;
};

class InferenceBench : public BenchTask {
 public:
  InferenceBench(const BenchOptions& options, const model::ModelConfig& config, ThreadPool& pool)
      : options_(options),
        config_(config),
        pool_(pool),
        decoder_(config, pool, options.precision),
        rows_(random_rows(options, config.vocab_size)) {
    if (config.max_position_embeddings < options.length + (decodes() ? options.steps : 0)) {
      throw Error("--length",
                  fmt::format("the model has {} positions only", config.max_position_embeddings));
    }
    if (!options.model.empty()) {
      load(options.model);
      return;
    }
    {
      const TemporaryCheckpoint checkpoint(options, pool);
      load(checkpoint.folder());
    }
    // Making weights takes more memory than having them: the high-water mark begins anew (5, see
    // proc(5)). Where that is not allowed, the peak reported is that of making them.
    std::ofstream("/proc/self/clear_refs") << "5";
  }

  std::string dtype() const override { return dtype_ == tensor::DType::kBF16 ? "bf16" : "f32"; }

  tensor::MemoryTable memory() const override {
    const int64_t V = config_.vocab_size, rows = options_.rows;
    int64_t weights = 0;
    for (const model::TensorSpec& tensor : model::tensor_table(config_)) {
      weights += tensor.num_elements() * (tensor.is_matrix() ? tensor::size_bytes(dtype_) : 4);
    }
    const bool score = options_.task == "score", decode = decodes();
    const int64_t row_tokens = rows * options_.length;
    const int64_t tokens = score    ? std::max(options_.length, std::min(row_tokens, kScoreTokens))
                           : decode ? std::max(rows, options_.length)
                                    : options_.length;
    const int64_t targets = score ? tokens : decode ? rows : 1;
    tensor::MemoryTable plan = {{"weights", weights}};
    const model::PassSize pass{tokens, targets,
                               (tokens + ops::kKeyBlock - 1) / ops::kKeyBlock + rows,
                               options_.length, model::Keep::kNothing};
    for (auto& entry : score ? decoder_.pass_memory(pass) : decoder_.step_memory(tokens, targets)) {
      plan.push_back(std::move(entry));
    }
    if (!score) {
      plan.emplace_back("keys and values", num_pages() * decoder_.kv_page_bytes());
      plan.emplace_back("logits", targets * V * 4);
    }
    return plan;
  }

 protected:
  static constexpr int64_t kScoreTokens = 4096;  // score_rows' default

  bool decodes() const { return options_.task == "decode"; }
  // Each sequence may need a copy of the page its context ends in.
  int64_t num_pages() const {
    return options_.rows * (model::KvCache::pages_for(options_.length + options_.steps) + 1);
  }

  void load(const fs::path& folder) {
    const model::OpenCheckpoint checkpoint = model::open_checkpoint(folder);
    decoder_.load_weights(*checkpoint.weights);
    if (checkpoint.weights->dtype() == tensor::DType::kBF16 ||
        options_.precision == tensor::Precision::kBf16)
      dtype_ = tensor::DType::kBF16;
  }

  BenchOptions options_;
  const model::ModelConfig& config_;
  ThreadPool& pool_;
  model::Decoder decoder_;
  std::vector<std::vector<int32_t>> rows_;
  tensor::DType dtype_ = tensor::DType::kF32;  // widest of the weights
};

class ScoreBench : public InferenceBench {
 public:
  ScoreBench(const BenchOptions& options, const model::ModelConfig& config, ThreadPool& pool)
      : InferenceBench(options, config, pool) {
    for (const auto& row : rows_) score_rows_.push_back({row, 1});
  }

  BenchWork run() override {
    const auto start = Clock::now();
    generate::score_rows(decoder_, score_rows_, kScoreTokens);
    const int64_t tokens = options_.rows * options_.length;
    return {tokens, config_.forward_flops(tokens, options_.length), 0, seconds_since(start)};
  }

 private:
  std::vector<generate::ScoreRow> score_rows_;
};

class CacheBench : public InferenceBench {
 public:
  CacheBench(const BenchOptions& options, const model::ModelConfig& config, ThreadPool& pool)
      : InferenceBench(options, config, pool),
        cache_(decoder_.make_cache(num_pages())),
        sampler_(config.vocab_size, config.vocab_size, pool) {
    greedy_.temperature = 0;
    if (decodes()) contexts_ = make_contexts();
  }

  BenchWork run() override { return decodes() ? decode() : prefill_rows(); }

 private:
  std::vector<model::KvSequence> prefill() {
    std::vector<model::KvSequence> sequences(rows_.size());
    std::vector<float> logits(static_cast<size_t>(config_.vocab_size));
    for (size_t r = 0; r < rows_.size(); ++r) {
      extend(sequences[r], options_.length);
      decoder_.step({rows_[r], {{&sequences[r], options_.length, true}}}, cache_, logits);
    }
    return sequences;
  }

  // Every sequence has pages of its own; what they hold is the first one's context, as time does not
  // depend on it.
  std::vector<model::KvSequence> make_contexts() {
    std::vector<model::KvSequence> sequences(rows_.size());
    std::vector<float> logits(static_cast<size_t>(config_.vocab_size));
    for (model::KvSequence& sequence : sequences) extend(sequence, options_.length);
    decoder_.step({rows_[0], {{&sequences[0], options_.length, true}}}, cache_, logits);
    const std::vector<int32_t> from = cache_.pages(sequences[0]);
    for (size_t r = 1; r < sequences.size(); ++r) {
      const std::vector<int32_t>& to = cache_.pages(sequences[r]);
      for (size_t i = 0; i < to.size(); ++i) cache_.storage().copy_page(to[i], from[i]);
    }
    return sequences;
  }

  BenchWork prefill_rows() {
    const auto start = Clock::now();
    std::vector<model::KvSequence> sequences = prefill();
    const double seconds = seconds_since(start);
    for (model::KvSequence& sequence : sequences) cache_.release(sequence);
    const int64_t tokens = options_.rows * options_.length;
    // Only the last token's logits are computed.
    const double head = 2.0 * static_cast<double>(config_.hidden_size) *
                        static_cast<double>(config_.vocab_size) *
                        static_cast<double>(tokens - options_.rows);
    return {tokens, config_.forward_flops(tokens, options_.length) - head, 0, seconds};
  }

  BenchWork decode() {
    const size_t rows = rows_.size();
    std::vector<model::KvSequence> sequences;
    for (const model::KvSequence& context : contexts_) sequences.push_back(cache_.fork(context));
    std::vector<float> logits(rows * static_cast<size_t>(config_.vocab_size));
    std::vector<generate::SampledToken> sampled(rows, {1, 0});
    std::vector<generate::Draw> draws;
    for (size_t r = 0; r < rows; ++r) {
      draws.push_back({logits.data() + r * static_cast<size_t>(config_.vocab_size), &greedy_, 0});
    }
    const auto start = Clock::now();
    for (int64_t i = 0; i < options_.steps; ++i) {
      model::InferenceBatch step;
      for (size_t r = 0; r < rows; ++r) {
        extend(sequences[r], 1);
        step.tokens.push_back(sampled[r].id);
        step.slices.push_back({&sequences[r], 1, true});
      }
      decoder_.step(step, cache_, logits);
      sampler_.sample(draws, sampled);
    }
    const double seconds = seconds_since(start);
    for (model::KvSequence& sequence : sequences) cache_.release(sequence);
    const int64_t tokens = options_.rows * options_.steps;
    // Every new token attends to the whole context: twice the causal average of a row that long.
    const int64_t context = options_.length + options_.steps / 2;
    const double kv =
        static_cast<double>(decoder_.kv_page_bytes()) / static_cast<double>(ops::kKeyBlock);
    const auto steps = static_cast<double>(options_.steps);
    const double weights =
        steps * static_cast<double>(config_.num_matrix_elements() * tensor::size_bytes(dtype_));
    const double keys_and_values = steps * static_cast<double>(options_.rows * context) * kv;
    const double flops = config_.forward_flops(tokens, 2 * context);
    const double attention = flops - config_.forward_flops(tokens, 0);
    return {tokens, flops, weights + keys_and_values, seconds, attention, keys_and_values};
  }

  void extend(model::KvSequence& sequence, int64_t count) {
    if (!cache_.extend(sequence, count)) throw Error("bench", "the key-value cache is too small");
  }

  model::KvCache cache_;
  generate::Sampler sampler_;
  data::SamplingSettings greedy_;
  std::vector<model::KvSequence> contexts_;
};

}  // namespace

std::unique_ptr<BenchTask> make_bench_task(const BenchOptions& options,
                                           const model::ModelConfig& config, ThreadPool& pool) {
  if (options.task == "train") {
    if (!options.model.empty() || options.dtype != "f32") {
      throw Error("--task train", "trains random f32 weights of a --config",
                  "leave out --model and --dtype");
    }
    return std::make_unique<TrainBench>(options, config, pool);
  }
  if (options.task == "score") return std::make_unique<ScoreBench>(options, config, pool);
  return std::make_unique<CacheBench>(options, config, pool);
}

int64_t peak_memory_bytes() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace ponder::cli
