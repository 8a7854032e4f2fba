// The model with its weights of this moment, for whoever scores rows between optimiser steps.
#pragma once

#include <cstdint>

#include "comm/communicator.h"
#include "model/decoder.h"

namespace ponder::train {

struct Policy {
  model::Decoder& decoder;
  int64_t micro_batch_tokens;   // at most so many tokens at once, unless one example is longer
  comm::Communicator& members;  // to share the scoring out; all of them come by
};

}  // namespace ponder::train
