// What is known of a training on preferences, in words.
#pragma once

#include <string>
#include <vector>

#include "pool/stage_result.h"

namespace ponder::report {

// "log-probabilities at the first and the last step: chosen -45.20 and -46.01, …", "12 held-out pairs:
// accuracy 0.50 at the start, 0.67 at the end", "probe: …", "stopped by its alarm: …". None of a
// training on rows.
std::vector<std::string> preference_lines(const pool::TrainResult& result);

}  // namespace ponder::report
