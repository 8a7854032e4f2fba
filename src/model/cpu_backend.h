// The decoder on the CPU, by the definitions in the headers of src/ops.
#pragma once

#include <memory>

#include "base/thread_pool.h"
#include "model/decoder_backend.h"
#include "tensor/precision.h"

namespace ponder::model {

// Borrows config and threads for its life.
std::unique_ptr<DecoderBackend> make_cpu_backend(const ModelConfig& config, ThreadPool& threads,
                                                 tensor::Precision precision);

}  // namespace ponder::model
