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
#include "base/output_name.h"

namespace ponder {
namespace fs = std::filesystem;

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
  temporary_ = name_beside(target_, ".tmp");
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
