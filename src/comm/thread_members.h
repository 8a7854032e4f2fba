// A communicator whose members are threads of this process: for tests of whatever runs over many.
#pragma once

#include <functional>

#include "comm/communicator.h"

namespace ponder::comm {

// Runs `member` on `size` threads at once, each with a communicator of its own, and returns when
// all have come back. A member that throws aborts the others; the first exception is rethrown here.
void run_members(int size, const std::function<void(Communicator&)>& member);

}  // namespace ponder::comm
