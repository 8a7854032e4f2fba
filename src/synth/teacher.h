// The symbolic teacher: writes the thought of somebody who works an expression out step by step,
// one elementary fact at a time, now and then checks a step by its inverse, and sometimes slips,
// notices it and corrects it.
#pragma once

#include <string>
#include <vector>

#include "base/philox.h"
#include "synth/expression.h"

namespace ponder::synth {

struct TeacherOptions {
  double slip_probability = 0.3;    // that a thought holds one announced error
  double check_probability = 0.15;  // per step, that a right step is checked all the same
};

// One step: the fact, and what is left to do: "7+8=15, so 15*3-12"; only the fact for the last one.
std::string step_line(const Expression& expression);

// The check of a claimed result, with its outcome: "43+12=55 no".
std::string check_text(const Fact& fact, int result);

// A wrong result such as people write (a lost carry, one too few), in range, whose check is in
// range or not whole. 0 where there is none.
int plausible_slip(const Fact& fact, RandomSequence& random);

// The lines of the thought for `expression` (one or more operations, every result in range).
std::vector<std::string> work_out(const Expression& expression, const TeacherOptions& options,
                                  RandomSequence& random);

}  // namespace ponder::synth
