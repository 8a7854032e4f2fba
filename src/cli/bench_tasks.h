// What `ponder bench` times: the product's own training step, scorer and decoding step on random
// weights and random tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "model/config.h"
#include "tensor/arena.h"
#include "tensor/precision.h"

namespace ponder::cli {

struct BenchOptions {
  std::string config;  // a config.json: random weights; or
  std::string model;   // a checkpoint folder (not for training)
  std::string task = "train";
  tensor::Precision precision = tensor::Precision::kF32;
  std::string dtype = "f32";       // of the weights made from `config`: "f32" or "bf16"
  int64_t rows = 8;                // rows, or sequences at once
  int64_t length = 512;            // tokens a row, or of context before the first token decoded
  int64_t steps = 64;              // tokens decoded after each context, a repetition
  int64_t micro_batch_tokens = 0;  // of training, as in `ponder sft`; 0: the usual
  bool recompute = false;
  uint64_t seed = 1;
};

// One repetition. Useful work only: nothing for recomputation, nothing for masked scores.
struct BenchWork {
  int64_t tokens = 0;
  double flops = 0;
  double bytes_read = 0;  // weights and cache that decoding has to read from memory; else 0
  double seconds = 0;
  // Of flops and bytes_read what attention takes, in f32 whatever the products are in; decoding alone.
  double attention_flops = 0, attention_bytes = 0;
};

class BenchTask {
 public:
  virtual ~BenchTask() = default;
  virtual BenchWork run() = 0;
  // What the task takes by plan, code and allocator aside.
  virtual tensor::MemoryTable memory() const = 0;
  // The checkpoint's or the config's, as it is held: "f32", "bf16".
  virtual std::string dtype() const { return "f32"; }
};

// train: Trainer::step on an SftTask: forward, backward, clipping, AdamW, the weights laid out
// anew. score: score_rows. prefill: Decoder::step on whole rows. decode: Decoder::step and the
// greedy draw of the next token, for `steps` tokens of each sequence.
//
// Weights of scoring and sampling are read from a checkpoint into their panels, as `ponder score`
// and `ponder generate` do; with a `config` it is written to the folder for temporary files first
// and removed again. Borrows config and pool.
std::unique_ptr<BenchTask> make_bench_task(const BenchOptions& options,
                                           const model::ModelConfig& config, ThreadPool& pool);

// The most memory the process has held since the start, or since the last making of weights.
int64_t peak_memory_bytes();

}  // namespace ponder::cli
