#include "base/output_name.h"

#include <sys/stat.h>

#include <string>
#include <system_error>

#include "base/error.h"
#include "base/hash.h"

namespace ponder {
namespace fs = std::filesystem;
namespace {

constexpr int kMaxLinks = 40;          // as the kernel's
constexpr size_t kMaxNameBytes = 255;  // of one part of a path

}  // namespace

fs::path behind_links(fs::path path) {
  for (int i = 0; i < kMaxLinks; ++i) {
    std::error_code no_link;
    const fs::path to = fs::read_symlink(path, no_link);
    if (no_link) return path;
    path = to.is_absolute() ? to : path.parent_path() / to;
  }
  throw Error(path.string(), "too many links lead from one to the next", "check the path");
}

bool is_written_directly(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode))
      throw Error(path.string(), "expected a file, found a folder", "name a file in it");
    if (!S_ISREG(info.st_mode)) return true;
  }
  // What a descriptor of ours leads to (/dev/stdout) is somebody's open file: never replaced.
  const std::string name = fs::absolute(path).lexically_normal().string();
  const bool in_memory = name.starts_with("/dev/shm/");  // a folder of files like any other
  return (name.starts_with("/dev/") && !in_memory) || name.starts_with("/proc/");
}

fs::path name_beside(const fs::path& target, std::string_view suffix) {
  const std::string name = target.filename().string();
  const bool fits = name.size() + suffix.size() <= kMaxNameBytes;
  return target.parent_path() /
         ((fits ? name : sha256_hex(name).substr(0, 32)) + std::string(suffix));
}

}  // namespace ponder
