// What of a finished stage's figures somebody should look at before going on, in words.
#pragma once

#include <string>
#include <vector>

#include "pool/pool.h"

namespace ponder::report {

// Each a sentence with its number and what may be done; nothing for a stage that has none.
std::vector<std::string> alarms(const pool::StageRecord& stage);

}  // namespace ponder::report
