#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "base/absent_file.h"
#include "base/any_error.h"
#include "base/byte_source.h"

namespace ponder {
namespace fs = std::filesystem;
std::string absent_file_advice(const fs::path& path) {
  if (path.string().find("://") != std::string::npos)
    return "ponder downloads nothing: give a file that is on this machine";
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code gone;
  if (!fs::is_directory(folder, gone)) return "there is no folder " + folder.string();
  std::vector<std::string> names;
  constexpr size_t kMany = 10'000;  // then nobody means the nearest
  for (const auto& entry : fs::directory_iterator(folder, gone)) {
    names.push_back(entry.path().filename().string());
    if (names.size() > kMany) return "check the path";
  }
  std::sort(names.begin(), names.end());
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string near = nearest(path.filename().string(), views.data(), views.size());
  if (near.empty()) return "check the path";
  return "did you mean " + (path.has_parent_path() ? folder / near : fs::path(near)).string() + "?";
}

void throw_errno(const fs::path& path, const char* action) {
  const int code = errno;
  std::string advice = advice_of_errno(code);
  if (code == ENOENT) advice = absent_file_advice(path);
  throw Error(kind_of_errno(code), path.string(),
              fmt::format("cannot {}: {}", action, std::strerror(code)), advice);
}

void write_all(int fd, const void* data, size_t num_bytes, const fs::path& path) {
  const char* next = static_cast<const char*>(data);
  while (num_bytes > 0) {
    const ssize_t n = ::write(fd, next, num_bytes);
    if (n < 0) {
      if (errno == EINTR) continue;
      throw_errno(path, "write");
    }
    next += n;
    num_bytes -= static_cast<size_t>(n);
  }
}

void refuse_pipe(const fs::path& path) {
  std::error_code absent;
  const fs::file_type type = fs::status(path, absent).type();
  if (type != fs::file_type::fifo && type != fs::file_type::socket) return;
  throw Error(path.string(), "expected a file, found a pipe", "write it to a file first");
}

std::string read_file(const fs::path& path, uint64_t max_bytes) {
  if (path != "-") refuse_pipe(path);
  const std::unique_ptr<ByteSource> source = ByteSource::open(path);
  std::string text;
  std::error_code unknown;
  const uint64_t size = path == "-" ? 0 : fs::file_size(path, unknown);
  if (!unknown && size <= max_bytes) text.reserve(static_cast<size_t>(size) + 1);
  size_t used = 0;
  for (;;) {
    constexpr size_t kChunk = 1 << 18;
    text.resize(std::max(used + kChunk, std::min(text.capacity(), used + (size_t{1} << 30))));
    const size_t n = source->read(text.data() + used, text.size() - used);
    if (n == 0) break;
    used += n;
    if (used > max_bytes) {
      throw Error(path.string(), fmt::format("expected at most {} bytes, found more", max_bytes));
    }
  }
  text.resize(used);
  return text;
}

void write_file_atomic(const fs::path& path, const std::function<void(FileWriter&)>& fill) {
  OutputFile file(path);
  fill(file);
  file.commit();
}

void write_file_atomic(const fs::path& path, std::string_view contents) {
  write_file_atomic(path,
                    [&](FileWriter& writer) { writer.write(contents.data(), contents.size()); });
}

void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw_errno(folder, "open");
  const int status = ::fsync(fd);
  const int code = errno;
  ::close(fd);
  errno = code;
  if (status != 0) throw_errno(folder, "fsync");
}

AppendLog::AppendLog(const fs::path& path) : path_(path) {
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) throw_errno(path, "open");
  off_t end = ::lseek(fd_, 0, SEEK_END);
  off_t keep = end;
  char c = '\n';
  while (keep > 0 && ::pread(fd_, &c, 1, keep - 1) == 1 && c != '\n') --keep;
  if (keep != end && ::ftruncate(fd_, keep) != 0) {
    ::close(fd_);
    throw_errno(path, "truncate a torn line");
  }
}

AppendLog::~AppendLog() { ::close(fd_); }

void AppendLog::append(std::string_view line) {
  std::string whole(line);
  whole += '\n';
  write_all(fd_, whole.data(), whole.size(), path_);
}

void AppendLog::sync() {
  if (::fsync(fd_) != 0) throw_errno(path_, "fsync");
}

LockFile::LockFile(const fs::path& path) {
  constexpr int kTries = 10;
  for (int i = 0; i < kTries; ++i) {  // somebody may only be looking (lock_holder)
    if (i > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    fd_ = open_locked(path, O_RDWR);
    if (fd_ >= 0) break;
  }
  if (fd_ < 0) {
    throw Error(ErrorKind::kBusy, path.parent_path().string(),
                fmt::format("is in use by another ponder ({})", excerpt(read_file(path), 200)),
                "wait for it to end, stop it, or choose another folder");
  }
  char host[128] = "unknown";
  ::gethostname(host, sizeof host - 1);
  const std::string text = fmt::format("pid {} on {}", ::getpid(), host);
  if (::ftruncate(fd_, 0) != 0 ||
      ::pwrite(fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    ::close(fd_);
    throw_errno(path, "write");
  }
}

LockFile::~LockFile() { ::close(fd_); }

std::optional<std::string> lock_holder(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  const bool held = ::flock(fd, LOCK_SH | LOCK_NB) != 0;
  char text[200];
  const ssize_t size = held ? ::pread(fd, text, sizeof text, 0) : 0;
  ::close(fd);
  if (!held) return std::nullopt;
  return std::string(text, static_cast<size_t>(std::max<ssize_t>(size, 0)));
}

}  // namespace ponder
