// Files that are never half-written: whole-file reads (gzip and Zstandard recognised by content),
// atomic replacement, append logs, and the lock that keeps two processes out of one run directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/output_file.h"

namespace ponder {

// The whole file, unpacked if it is gzip or Zstandard. `-` reads standard input. Throws Error when
// it cannot be read, is larger than `max_bytes` (after unpacking), or is a pipe.
std::string read_file(const std::filesystem::path& path, uint64_t max_bytes = uint64_t{1} << 32);

// Throws Error if that is a pipe or socket: nobody may be at its other end, and what was read once
// is gone.
void refuse_pipe(const std::filesystem::path& path);

// Writes an OutputFile whole: a reader sees the old file or the new one, also after a power cut.
// Throws Error (disk full, no permission, being written by another process), leaving nothing.
void write_file_atomic(const std::filesystem::path& path, std::string_view contents);
// The same for contents too large for one string: `fill` calls the writer it is given.
void write_file_atomic(const std::filesystem::path& path,
                       const std::function<void(FileWriter&)>& fill);

// fsyncs a folder, so that names created or renamed in it survive a power cut.
void sync_folder(const std::filesystem::path& folder);

// All of `num_bytes` to a descriptor, however many write(2) it takes; `path` is for the message.
void write_all(int fd, const void* data, size_t num_bytes, const std::filesystem::path& path);

// Error of the failed system call in errno: "cannot <action>: <its text>".
[[noreturn]] void throw_errno(const std::filesystem::path& path, const char* action);

// A file of lines that only grows. Each append is one write(2) of whole lines; `sync` makes what
// was appended durable. Opening truncates a torn last line (one without its newline).
class AppendLog {
 public:
  explicit AppendLog(const std::filesystem::path& path);
  ~AppendLog();
  AppendLog(const AppendLog&) = delete;
  AppendLog& operator=(const AppendLog&) = delete;

  void append(std::string_view line);  // without its newline; must not contain one
  void sync();

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

// Holds an exclusive lock on a file for as long as it lives; the kernel releases it if the process
// dies. The file names the holder (pid and host). Throws Error naming the holder when it stays taken
// for a tenth of a second.
class LockFile {
 public:
  explicit LockFile(const std::filesystem::path& path);
  ~LockFile();
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

 private:
  int fd_ = -1;
};

// The holder of that LockFile now, "pid 12 on host"; nothing if there is none. Writes nothing.
std::optional<std::string> lock_holder(const std::filesystem::path& path);

}  // namespace ponder
