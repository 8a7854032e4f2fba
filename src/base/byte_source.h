// The bytes of a file as they come, unpacked: gzip (RFC 1952, several members too) and Zstandard
// (RFC 8878, several frames too) are recognised by their first bytes, not by the file's name.
// Memory is bounded whatever the file says: a Zstandard frame may ask for a window of at most
// 64 MiB, and data that unpacks to more than 1 GiB and more than 5000 times its size is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace ponder {

class ByteSource {
 public:
  // "-" is standard input. Throws Error if it cannot be opened or is a folder.
  static std::unique_ptr<ByteSource> open(const std::filesystem::path& path);
  virtual ~ByteSource() = default;

  // Up to `num_bytes` (> 0) unpacked bytes; 0 only at the end. Throws Error naming the offset when
  // the file cannot be read, or packed data is cut or damaged.
  virtual size_t read(char* out, size_t num_bytes) = 0;
};

}  // namespace ponder
