#include "base/machine.h"

#include <fstream>
#include <string>

namespace ponder {

MachineMemory machine_memory() {
  MachineMemory memory;
  std::ifstream meminfo("/proc/meminfo");
  std::string key, unit;
  int64_t kib = 0;
  while (meminfo >> key >> kib) {
    std::getline(meminfo, unit);
    if (key == "MemTotal:") memory.total_bytes = kib * 1024;
    if (key == "MemAvailable:") memory.available_bytes = kib * 1024;
  }
  return memory;
}

}  // namespace ponder
