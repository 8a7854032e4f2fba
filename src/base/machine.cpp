#include "base/machine.h"

#include <sys/utsname.h>

#include <fstream>
#include <string>

#include "base/text.h"

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

namespace {

// The value of the first line `key` + separator + value of a file of such lines.
std::string value_in(const char* file, const std::string& key, char separator) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    const size_t at = line.find(separator);
    if (at == std::string::npos || trimmed(line.substr(0, at)) != key) continue;
    return std::string(trimmed(line.substr(at + 1), "\" \t"));
  }
  return "";
}

}  // namespace

std::string processor_name() {
  const std::string name = value_in("/proc/cpuinfo", "model name", ':');
  return name.empty() ? "unknown" : name;
}

std::string operating_system_name() {
  const std::string name = value_in("/etc/os-release", "PRETTY_NAME", '=');
  struct utsname kernel {};
  ::uname(&kernel);
  return (name.empty() ? "unknown" : name) + ", " + kernel.sysname + " " + kernel.release;
}

}  // namespace ponder
