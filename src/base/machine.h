// What this machine has.
#pragma once

#include <cstdint>

namespace ponder {

struct MachineMemory {
  int64_t total_bytes = 0;
  int64_t available_bytes = 0;  // what the kernel thinks a new program may take
};

// 0 where the kernel does not say.
MachineMemory machine_memory();

}  // namespace ponder
