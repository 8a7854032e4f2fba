// Preloaded into a program (LD_PRELOAD), counts its file system calls under a folder and lets the
// k-th of them meet with a fault. By the environment:
//   FAULTS_UNDER  the folder: calls on it and on what is below count, by path or by descriptor
//   FAULTS_CALLS  which calls count: "changes" (create, write, sync, rename, unlink, rmdir, mkdir,
//                 truncate) or "reads" (open, read)
//   FAULTS_AT     k, from 1; 0: count only
//   FAULTS_KIND   what the k-th call meets: see kKinds
//   FAULTS_LOG    gets "CALL BYTES PATH" for each call counted, or for the one that met its fault
// What stdio reads from a file it opened is not seen (its fopen is), nor what is written by mmap.
#include <dlfcn.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace {

enum class Kind {
  kKill,         // the process is killed before the call
  kKillAfter,    // … after it
  kTorn,         // half of the bytes are written, then it is killed
  kPowerLoss,    // killed before the call, and files lose what was written since their last sync
  kIoError,      // EIO, this once
  kFull,         // ENOSPC from here on, whatever takes room
  kShort,        // half of the bytes, as the call may
  kInterrupted,  // EINTR, this once
  kNoDescriptor  // EMFILE, this once
};
constexpr std::pair<const char*, Kind> kKinds[] = {{"kill", Kind::kKill},
                                                   {"kill-after", Kind::kKillAfter},
                                                   {"torn", Kind::kTorn},
                                                   {"power-loss", Kind::kPowerLoss},
                                                   {"io-error", Kind::kIoError},
                                                   {"full", Kind::kFull},
                                                   {"short", Kind::kShort},
                                                   {"interrupted", Kind::kInterrupted},
                                                   {"no-descriptor", Kind::kNoDescriptor}};

std::string setting(const char* name) {
  const char* value = ::getenv(name);
  return value ? value : "";
}

// Real calls, past every hook.
template <class... Arguments>
long real(long number, Arguments... arguments) {
  return ::syscall(number, arguments...);
}

struct Settings {
  std::string under = setting("FAULTS_UNDER");
  bool changes = setting("FAULTS_CALLS") != "reads";
  long at = std::atol(setting("FAULTS_AT").c_str());
  Kind kind = Kind::kKill;
  int log = -1;

  Settings() {
    const std::string wanted = setting("FAULTS_KIND");
    for (const auto& [name, value] : kKinds) {
      if (wanted == name) kind = value;
    }
    const std::string file = setting("FAULTS_LOG");
    if (file.empty()) return;
    log = static_cast<int>(
        real(SYS_openat, AT_FDCWD, file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  }
};

// Never destroyed: threads and exit handlers may still call.
const Settings& settings() {
  static const Settings& value = *new Settings;
  return value;
}
std::mutex& mutex() {
  static std::mutex& value = *new std::mutex;
  return value;
}

std::string link_target(const std::string& link) {
  char target[PATH_MAX];
  const long n = real(SYS_readlinkat, AT_FDCWD, link.c_str(), target, sizeof target);
  return n > 0 ? std::string(target, static_cast<size_t>(n)) : "";
}

std::string path_of(int fd) { return link_target("/proc/self/fd/" + std::to_string(fd)); }

std::string path_of(int folder, const char* path) {
  if (path[0] == '/') return path;
  return (folder == AT_FDCWD ? link_target("/proc/self/cwd") : path_of(folder)) + "/" + path;
}

// --- What a power loss would take: of each file (by inode) what was written since its last sync.
// Names are as durable as the process made them: a journalling file system keeps their order.
struct Unsynced {
  off_t size = 0;                                // the file's at its last sync
  std::vector<std::pair<off_t, off_t>> written;  // begin, end
};
using Inode = std::pair<dev_t, ino_t>;

std::map<Inode, Unsynced>& unsynced() {
  static std::map<Inode, Unsynced>& value = *new std::map<Inode, Unsynced>;
  return value;
}

Inode inode_of(const struct stat& info) { return {info.st_dev, info.st_ino}; }

void before_write(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) == 0) unsynced().try_emplace(inode_of(info), Unsynced{info.st_size, {}});
}

void after_write(int fd, off_t end, ssize_t written) {
  struct stat info {};
  if (written > 0 && ::fstat(fd, &info) == 0)
    unsynced()[inode_of(info)].written.push_back({end - written, end});
}

void after_sync(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) == 0) unsynced().erase(inode_of(info));
}

void after_truncate(int fd, off_t length) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return;
  const auto file = unsynced().find(inode_of(info));
  if (file != unsynced().end()) file->second.size = std::min(file->second.size, length);
}

int lose_unsynced(const char* path, const struct stat* info, int type, struct FTW*) {
  if (type != FTW_F) return 0;
  const auto file = unsynced().find(inode_of(*info));
  if (file == unsynced().end()) return 0;
  const int fd = static_cast<int>(real(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0));
  const std::vector<char> zeros(1 << 16);
  for (auto [begin, end] : file->second.written) {
    for (end = std::min(end, file->second.size); begin < end;) {
      const auto n = std::min(end - begin, static_cast<off_t>(zeros.size()));
      real(SYS_pwrite64, fd, zeros.data(), n, begin);
      begin += n;
    }
  }
  if (info->st_size > file->second.size) real(SYS_ftruncate, fd, file->second.size);
  real(SYS_close, fd);
  return 0;
}

[[noreturn]] void die() {
  for (;;) real(SYS_kill, ::getpid(), SIGKILL);
}

// --- Counting

struct Meeting {
  int error = 0;      // the call fails with it
  bool half = false;  // of the bytes only half are moved
  bool die_after = false;
};

bool takes_room(const std::string& call) {
  return call == "create" || call == "write" || call == "mkdir" || call == "sync" ||
         call == "rename";
}

// What the next call meets; for a kill it does not return. The caller holds mutex().
Meeting meet(const char* call, bool change, size_t num_bytes, const std::string& path) {
  static long count = 0;
  const Settings& s = settings();
  const bool under =
      path.starts_with(s.under) && (path.size() == s.under.size() || path[s.under.size()] == '/');
  if (s.under.empty() || !under || change != s.changes) return {};
  ++count;
  const bool now = count == s.at;
  const bool later = s.at > 0 && count > s.at && s.kind == Kind::kFull;
  if (s.log >= 0 && (s.at == 0 || now)) {
    const std::string line =
        std::string(call) + " " + std::to_string(num_bytes) + " " + path + "\n";
    real(SYS_write, s.log, line.data(), line.size());
  }
  if (!now && !later) return {};
  switch (s.kind) {
    case Kind::kPowerLoss:
      ::nftw(s.under.c_str(), lose_unsynced, 16, FTW_PHYS);
      die();
    case Kind::kKill:
      die();
    case Kind::kKillAfter:
      return {.error = 0, .half = false, .die_after = true};
    case Kind::kTorn:
      return {.error = 0, .half = true, .die_after = true};
    case Kind::kShort:
      return {.error = 0, .half = true, .die_after = false};
    case Kind::kIoError:
      return {.error = EIO};
    case Kind::kFull:
      return {.error = takes_room(call) ? ENOSPC : 0};
    case Kind::kInterrupted:
      return {.error = EINTR};
    case Kind::kNoDescriptor:
      return {.error = EMFILE};
  }
  return {};
}

// A call without bytes: `action` is the real one.
template <class Action>
long hooked(const char* call, bool change, const std::string& path, Action&& action) {
  const std::lock_guard lock(mutex());
  const Meeting meeting = meet(call, change, 0, path);
  if (meeting.error != 0) {
    errno = meeting.error;
    return -1;
  }
  const long result = action();
  if (meeting.die_after) die();
  return result;
}

int open_hooked(int folder, const char* path, int flags, mode_t mode) {
  const bool creates = (flags & (O_CREAT | O_TRUNC)) != 0;
  return static_cast<int>(hooked(creates ? "create" : "open", creates, path_of(folder, path), [&] {
    struct stat info {};
    const bool is_new = creates && ::fstatat(folder, path, &info, 0) != 0;
    const long fd = real(SYS_openat, folder, path, flags, mode);
    if (fd >= 0 && creates && ::fstat(static_cast<int>(fd), &info) == 0) {
      if (is_new) unsynced()[inode_of(info)] = {};  // the number may have been another file's
      if ((flags & O_TRUNC) != 0) after_truncate(static_cast<int>(fd), 0);
    }
    return fd;
  }));
}

// `action` moves so many bytes; `offset` is where they go, -1: where the descriptor stands.
template <class Action>
ssize_t write_hooked(int fd, size_t num_bytes, off_t offset, Action&& action) {
  const std::lock_guard lock(mutex());
  const Meeting meeting = meet("write", true, num_bytes, path_of(fd));
  if (meeting.error != 0) {
    errno = meeting.error;
    return -1;
  }
  before_write(fd);
  const ssize_t written = action(meeting.half ? num_bytes / 2 : num_bytes);
  const int code = errno;
  after_write(fd, offset >= 0 ? offset + written : real(SYS_lseek, fd, 0, SEEK_CUR), written);
  if (meeting.die_after) die();
  errno = code;
  return written;
}

template <class Action>
ssize_t read_hooked(int fd, size_t num_bytes, Action&& action) {
  const std::lock_guard lock(mutex());
  const Meeting meeting = meet("read", false, num_bytes, path_of(fd));
  if (meeting.error != 0) {
    errno = meeting.error;
    return -1;
  }
  return action(meeting.half ? std::max(num_bytes / 2, size_t{1}) : num_bytes);
}

int rename_hooked(int from_folder, const char* from, int to_folder, const char* to,
                  unsigned flags) {
  return static_cast<int>(hooked("rename", true, path_of(to_folder, to), [&] {
    return real(SYS_renameat2, from_folder, from, to_folder, to, flags);
  }));
}

int unlink_hooked(int folder, const char* path, int flags) {
  const bool is_folder = (flags & AT_REMOVEDIR) != 0;
  return static_cast<int>(hooked(is_folder ? "rmdir" : "unlink", true, path_of(folder, path),
                                 [&] { return real(SYS_unlinkat, folder, path, flags); }));
}

int sync_hooked(int fd, long number) {
  return static_cast<int>(hooked("sync", true, path_of(fd), [&] {
    const long result = real(number, fd);
    if (result == 0) after_sync(fd);
    return result;
  }));
}

int truncate_hooked(int fd, off_t length) {
  return static_cast<int>(hooked("truncate", true, path_of(fd), [&] {
    const long result = real(SYS_ftruncate, fd, length);
    if (result == 0) after_truncate(fd, length);
    return result;
  }));
}

std::FILE* fopen_hooked(const char* symbol, const char* path, const char* mode) {
  using Open = std::FILE* (*)(const char*, const char*);
  static_assert(sizeof(Open) == sizeof(void*));
  std::FILE* file = nullptr;
  const bool creates = std::strpbrk(mode, "wa") != nullptr;
  hooked(creates ? "create" : "open", creates, path_of(AT_FDCWD, path), [&] {
    file = reinterpret_cast<Open>(::dlsym(RTLD_NEXT, symbol))(path, mode);
    return 0L;
  });
  return file;
}

mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

// --- The hooks, under every name that glibc has for a call.
extern "C" {

#define WITH_MODE(call)                          \
  va_list arguments;                             \
  va_start(arguments, flags);                    \
  const mode_t mode = mode_of(flags, arguments); \
  va_end(arguments);                             \
  return call

int open(const char* path, int flags, ...) { WITH_MODE(open_hooked(AT_FDCWD, path, flags, mode)); }
int open64(const char* path, int flags, ...) {
  WITH_MODE(open_hooked(AT_FDCWD, path, flags, mode));
}
int openat(int folder, const char* path, int flags, ...) {
  WITH_MODE(open_hooked(folder, path, flags, mode));
}
int openat64(int folder, const char* path, int flags, ...) {
  WITH_MODE(open_hooked(folder, path, flags, mode));
}
int __open_2(const char* path, int flags) { return open_hooked(AT_FDCWD, path, flags, 0); }
int __open64_2(const char* path, int flags) { return open_hooked(AT_FDCWD, path, flags, 0); }
int __openat_2(int folder, const char* path, int flags) {
  return open_hooked(folder, path, flags, 0);
}
int __openat64_2(int folder, const char* path, int flags) {
  return open_hooked(folder, path, flags, 0);
}
int creat(const char* path, mode_t mode) {
  return open_hooked(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int creat64(const char* path, mode_t mode) {
  return open_hooked(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
std::FILE* fopen(const char* path, const char* mode) { return fopen_hooked("fopen", path, mode); }
std::FILE* fopen64(const char* path, const char* mode) {
  return fopen_hooked("fopen64", path, mode);
}

ssize_t write(int fd, const void* data, size_t n) {
  return write_hooked(fd, n, -1, [&](size_t m) { return real(SYS_write, fd, data, m); });
}
ssize_t pwrite(int fd, const void* data, size_t n, off_t offset) {
  return write_hooked(fd, n, offset,
                      [&](size_t m) { return real(SYS_pwrite64, fd, data, m, offset); });
}
ssize_t pwrite64(int fd, const void* data, size_t n, off64_t offset) {
  return pwrite(fd, data, n, offset);
}
ssize_t writev(int fd, const struct iovec* parts, int count) {
  std::string whole;
  for (int i = 0; i < count; ++i)
    whole.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  return write(fd, whole.data(), whole.size());
}

ssize_t read(int fd, void* to, size_t n) {
  return read_hooked(fd, n, [&](size_t m) { return real(SYS_read, fd, to, m); });
}
ssize_t pread(int fd, void* to, size_t n, off_t offset) {
  return read_hooked(fd, n, [&](size_t m) { return real(SYS_pread64, fd, to, m, offset); });
}
ssize_t pread64(int fd, void* to, size_t n, off64_t offset) { return pread(fd, to, n, offset); }
ssize_t __read_chk(int fd, void* to, size_t n, size_t) { return read(fd, to, n); }
ssize_t __pread_chk(int fd, void* to, size_t n, off_t offset, size_t) {
  return pread(fd, to, n, offset);
}
ssize_t __pread64_chk(int fd, void* to, size_t n, off64_t offset, size_t) {
  return pread(fd, to, n, offset);
}

int fsync(int fd) { return sync_hooked(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_hooked(fd, SYS_fdatasync); }
int ftruncate(int fd, off_t length) noexcept { return truncate_hooked(fd, length); }
int ftruncate64(int fd, off64_t length) noexcept { return truncate_hooked(fd, length); }

int rename(const char* from, const char* to) noexcept {
  return rename_hooked(AT_FDCWD, from, AT_FDCWD, to, 0);
}
int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  return rename_hooked(from_folder, from, to_folder, to, 0);
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  return rename_hooked(from_folder, from, to_folder, to, flags);
}
int unlink(const char* path) noexcept { return unlink_hooked(AT_FDCWD, path, 0); }
int unlinkat(int folder, const char* path, int flags) noexcept {
  return unlink_hooked(folder, path, flags);
}
int rmdir(const char* path) noexcept { return unlink_hooked(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char* path) noexcept {
  struct stat info {};
  const bool is_folder = ::lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
  return unlink_hooked(AT_FDCWD, path, is_folder ? AT_REMOVEDIR : 0);
}
int mkdir(const char* path, mode_t mode) noexcept {
  return static_cast<int>(hooked("mkdir", true, path_of(AT_FDCWD, path),
                                 [&] { return real(SYS_mkdirat, AT_FDCWD, path, mode); }));
}
int mkdirat(int folder, const char* path, mode_t mode) noexcept {
  return static_cast<int>(hooked("mkdir", true, path_of(folder, path),
                                 [&] { return real(SYS_mkdirat, folder, path, mode); }));
}

}  // extern "C"
