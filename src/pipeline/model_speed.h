// How fast this machine trains and samples a model of some shape now: half a second of each, on random
// weights. Internal to this folder.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "model/config.h"
#include "tensor/precision.h"
#include "train/trainer.h"

namespace ponder::pipeline {

// What is measured.
struct SpeedProbe {
  train::TrainOptions train;                       // how a step is computed; its batch counts
  int64_t row_tokens = 1;                          // of a training row
  int64_t max_batch = 1;                           // sequences sampled at once
  int64_t prompt_tokens = 1, response_tokens = 1;  // of each
  bool narrow_weights = false;                     // sampled from with weights held in two bytes
};

struct ModelSpeed {
  // FLOP/s as ModelConfig::forward_flops counts them (training: three times forward, with
  // recomputation four); 0: not measured.
  double train = 0, sample = 0;
  double other_cores = 0;  // that other programs used meanwhile
  double own_share = 1;    // of the processor time this program could have had, what it got
  int64_t layers = 0;      // of the model that was measured: all, or as many as fit
};

// Measures a model of `config`'s shape with as many of its layers as a step takes about half a second
// and a gibibyte for. Nothing is measured (zeros) where one layer is too much for the memory.
ModelSpeed measure_speed(const model::ModelConfig& config, const SpeedProbe& probe,
                         double peak_gflops, ThreadPool& threads);

}  // namespace ponder::pipeline
