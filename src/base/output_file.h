// A file that is written once, from its beginning, and then stands under its name whole or not at
// all, also after a power cut.
#pragma once

#include <cstddef>
#include <filesystem>

namespace ponder {

// What takes bytes in order.
class FileWriter {
 public:
  virtual ~FileWriter() = default;
  virtual void write(const void* data, size_t num_bytes) = 0;
};

// Writes NAME.tmp beside the file (names too long for that: a hash), locked, and renames it into
// place at commit(). A link is followed: what it points to is replaced, or made. What is no regular
// file (a device, a pipe, anything below /dev and /proc) is opened and written directly. Throws
// Error: busy when another process is writing the same file, no permission, disk full.
class OutputFile : public FileWriter {
 public:
  explicit OutputFile(const std::filesystem::path& path);
  ~OutputFile() override;  // removes what was not committed
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* data, size_t num_bytes) override;
  // fsyncs, renames, fsyncs the folder. Nothing may be written after it.
  void commit();
  // Whether somebody may be reading along (a pipe, a terminal).
  bool direct() const { return temporary_.empty(); }

 private:
  std::filesystem::path path_, target_, temporary_;  // no temporary: written directly
  int fd_ = -1;
};

// Opens (making it if need be) and locks the file `path` for this process; -1 if another process
// holds it. The descriptor is of the file that has that name now, not of one that was unlinked or
// renamed in between. `flags` are open(2)'s. Throws Error when it cannot be opened.
int open_locked(const std::filesystem::path& path, int flags);

}  // namespace ponder
