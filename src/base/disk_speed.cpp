#include "base/disk_speed.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace ponder {
namespace {

constexpr size_t kBlock = size_t{1} << 20, kSmall = 4096;
constexpr int kBlocks = 32, kSyncs = 9;

double disk_seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool write_whole(int fd, const std::vector<char>& block, size_t bytes) {
  return ::write(fd, block.data(), bytes) == static_cast<ssize_t>(bytes);
}

}  // namespace

std::optional<DiskSpeed> measured_disk_speed(const std::filesystem::path& folder) {
  std::string name = (folder / ".ponder-disk-XXXXXX").string();
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  ::unlink(name.c_str());
  std::vector<char> block(kBlock);
  for (size_t i = 0; i < block.size(); ++i) block[i] = static_cast<char>(i * 2654435761u >> 13);
  DiskSpeed speed;
  auto start = std::chrono::steady_clock::now();
  bool good = true;
  for (int i = 0; good && i < kBlocks; ++i) good = write_whole(fd, block, kBlock);
  good = good && ::fsync(fd) == 0;
  speed.write_mbps = 1e-6 * kBlocks * kBlock / disk_seconds_since(start);
  std::vector<double> times;
  for (int i = 0; good && i < kSyncs; ++i) {
    start = std::chrono::steady_clock::now();
    good = write_whole(fd, block, kSmall) && ::fsync(fd) == 0;
    times.push_back(1000 * disk_seconds_since(start));
  }
  ::close(fd);
  if (!good) return std::nullopt;
  std::nth_element(times.begin(), times.begin() + kSyncs / 2, times.end());
  speed.fsync_ms = times[kSyncs / 2];
  return speed;
}

}  // namespace ponder
