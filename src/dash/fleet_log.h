// What log.jsonl says of the servers that a run asked: each stage that asked some ends with a record
// "fleet", once for every process that worked at it. Internal to this folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"

namespace ponder::dash {

struct FleetRecord {
  std::string stage;
  Json report;  // of fleet::Fleet
};

class FleetLog {
 public:
  // Takes in what the file has gained since the last time, or all of it where it is another file.
  void read(const std::filesystem::path& log);
  // In the order of the log. Of a process that told several times of a stage, what it counts goes on: the
  // last is kept.
  const std::vector<FleetRecord>& records() const { return records_; }

 private:
  void take(const std::string& line);

  std::vector<FleetRecord> records_;
  bool begun_ = true;  // the next record is another process's
  uint64_t read_bytes_ = 0, device_ = 0, inode_ = 0;
};

}  // namespace ponder::dash
