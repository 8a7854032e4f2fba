// Whose the log-probabilities of a completion are: what makes completions says it, the pool keeps it.
#pragma once

namespace ponder::data {

enum class LogprobSource {
  kNone,      // there are none
  kEngine,    // recorded by our own engine while it sampled: the trainer's, to the bit
  kRescored,  // computed afterwards by our own forward
};

}  // namespace ponder::data
