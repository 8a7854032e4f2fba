// Packed data that is in memory whole and says what it becomes: buffers of Parquet and Arrow files.
// Nothing is allocated that the data cannot become.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ponder {

// The bytes are not what they are said to be; `what` says why.
struct UnpackFault {
  std::string what;
};

// All throw UnpackFault unless `packed` becomes exactly `size` bytes.
std::string unpack_zstd(std::string_view packed, uint64_t size);  // RFC 8878, windows to 64 MiB
std::string unpack_lz4_block(std::string_view packed, uint64_t size);  // lz4_Block_format.md
std::string unpack_lz4_frame(std::string_view packed, uint64_t size);  // lz4_Frame_format.md

}  // namespace ponder
