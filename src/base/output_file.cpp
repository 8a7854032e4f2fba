#include "base/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"

namespace ponder {
namespace fs = std::filesystem;
namespace {

constexpr int kMaxLinks = 40;          // as the kernel's
constexpr size_t kMaxNameBytes = 255;  // of one part of a path

// The file a name leads to over links, which need not exist.
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
  return name.starts_with("/dev/") || name.starts_with("/proc/");
}

fs::path temporary_of(const fs::path& target) {
  fs::path temporary = target;
  temporary += ".tmp";
  const std::string name = temporary.filename().string();
  if (name.size() <= kMaxNameBytes) return temporary;
  return target.parent_path() / (sha256_hex(target.filename().string()).substr(0, 32) + ".tmp");
}

}  // namespace

int open_locked(const fs::path& path, int flags) {
  for (;;) {
    const int fd = ::open(path.c_str(), flags | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) throw_errno(path, "open");
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      ::close(fd);
      return -1;
    }
    // Its last holder may have renamed or removed it between our open and our lock.
    struct stat ours {
    }, named{};
    if (::fstat(fd, &ours) == 0 && ::stat(path.c_str(), &named) == 0 &&
        ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) {
      return fd;
    }
    ::close(fd);
  }
}

OutputFile::OutputFile(const fs::path& path) : path_(path) {
  if (is_written_directly(path)) {
    fd_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);  // /dev/stdout may be ">> file"
    if (fd_ < 0) throw_errno(path, "open");
    return;
  }
  target_ = behind_links(path);
  temporary_ = temporary_of(target_);
  try {
    fd_ = open_locked(temporary_, O_WRONLY);
  } catch (const Error& error) {
    throw Error(error.kind(), path.string(), error.problem(), error.advice());
  }
  if (fd_ < 0) {
    throw Error(ErrorKind::kBusy, path.string(), "is being written by another process",
                "wait for it to end, or choose another name");
  }
  if (::ftruncate(fd_, 0) != 0) {  // what a killed process left
    ::close(fd_);
    throw_errno(path, "truncate what an earlier process left");
  }
}

OutputFile::~OutputFile() {
  if (fd_ < 0) return;
  if (!direct()) ::unlink(temporary_.c_str());
  ::close(fd_);
}

void OutputFile::write(const void* data, size_t num_bytes) {
  write_all(fd_, data, num_bytes, path_);
}

void OutputFile::commit() {
  if (!direct()) {
    if (::fsync(fd_) != 0) throw_errno(path_, "fsync");
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) throw_errno(path_, "rename into place");
  }
  const int fd = fd_;
  fd_ = -1;
  if (::close(fd) != 0) throw_errno(path_, "close");
  if (!direct()) sync_folder(target_.has_parent_path() ? target_.parent_path() : fs::path("."));
}

}  // namespace ponder
