// How fast a folder's disk takes what a run writes.
#pragma once

#include <filesystem>
#include <optional>

namespace ponder {

struct DiskSpeed {
  double write_mbps = 0;  // 1e6 bytes a second, of 32 MiB written and synced
  double fsync_ms = 0;    // of 4 KiB behind that, the median of several
};

// Measured with a file of its own, which is gone afterwards. Nothing where the folder cannot be
// written.
std::optional<DiskSpeed> measured_disk_speed(const std::filesystem::path& folder);

}  // namespace ponder
