// What this machine has.
#pragma once

#include <cstdint>
#include <string>

namespace ponder {

struct MachineMemory {
  int64_t total_bytes = 0;
  int64_t available_bytes = 0;  // what the kernel thinks a new program may take
};

// 0 where the kernel does not say.
MachineMemory machine_memory();

std::string processor_name();         // "AMD EPYC 9654 96-Core Processor", or "unknown"
std::string operating_system_name();  // "Debian GNU/Linux 12 (bookworm), Linux 6.1.0-25-amd64"

}  // namespace ponder
