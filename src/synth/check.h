// Whether a thought about a problem of the synthetic world says only what is true. Independent of the
// teacher: it evaluates what is written and knows nothing of how thoughts are made. A measurement of
// rollouts that reach the right answer, not a filter of training rows: real problems have none.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "data/rows.h"

namespace ponder::synth {

struct ThoughtCheck {
  std::string fault;  // what is false, and where: "line 2: 7+8 is not 14"; "" where all is true
  bool is_true() const { return fault.empty(); }
};

// Of arithmetic, target and choice problems (Problem::source "synth:arithmetic", …): every fact is true,
// what is left to do after a step has the value it had before, the last step is the answer, choices
// and wanted values are called right or wrong as they are. A slip that is announced and taken back
// ("…, check 5+73=78 no. Wait") is not false. Nothing for any other problem.
std::optional<ThoughtCheck> check_thought(const data::Problem& problem, std::string_view thought);

}  // namespace ponder::synth
