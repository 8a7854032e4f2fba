#include "base/unpack.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace ponder {
namespace {

constexpr size_t kStepBytes = 1 << 18;
// No sequence of a block becomes more than this for each of its bytes.
constexpr uint64_t kLz4MostGrowth = 255;

[[noreturn]] void broken(std::string_view what) {
  throw UnpackFault{fmt::format("broken LZ4 data ({})", what)};
}

uint64_t little_endian(std::string_view bytes, size_t num_bytes) {
  uint64_t value = 0;
  for (size_t i = num_bytes; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::string_view take(std::string_view& bytes, uint64_t count) {
  if (count > bytes.size()) broken("it ends too early");
  const std::string_view front = bytes.substr(0, count);
  bytes.remove_prefix(count);
  return front;
}

uint64_t take_number(std::string_view& bytes, size_t num_bytes) {
  return little_endian(take(bytes, num_bytes), num_bytes);
}

// A length that goes on in further bytes where its four bits are all set.
uint64_t length_of(uint64_t bits, std::string_view& bytes) {
  uint64_t length = bits;
  for (uint64_t more = bits == 15 ? 255 : 0; more == 255; length += more)
    more = take_number(bytes, 1);
  return length;
}

// Appends the block to `out`, which becomes at most `size` bytes. Matches may begin before it.
void append_lz4_block(std::string_view block, uint64_t size, std::string& out) {
  while (!block.empty()) {
    const uint64_t token = take_number(block, 1);
    const std::string_view literals = take(block, length_of(token >> 4, block));
    if (literals.size() > size - out.size()) broken("more data than it should become");
    out += literals;
    if (block.empty()) return;  // the last sequence has no match
    const uint64_t distance = take_number(block, 2);
    const uint64_t length = length_of(token & 15, block) + 4;
    if (distance == 0 || distance > out.size()) broken("a match before the beginning");
    if (length > size - out.size()) broken("more data than it should become");
    for (uint64_t left = length; left > 0;) {  // a match may overlap what it makes
      const uint64_t step = std::min(left, distance);
      const size_t from = out.size() - distance;
      out.resize(out.size() + step);
      std::memcpy(out.data() + out.size() - step, out.data() + from, step);
      left -= step;
    }
  }
}

void expect_size(const std::string& out, uint64_t size) {
  if (out.size() != size)
    throw UnpackFault{fmt::format("{} bytes where {} were said to come", out.size(), size)};
}

}  // namespace

std::string unpack_zstd(std::string_view packed, uint64_t size) {
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream(::ZSTD_createDStream(),
                                                                  ::ZSTD_freeDStream);
  ::ZSTD_DCtx_setParameter(stream.get(), ZSTD_d_windowLogMax, 26);
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  std::string out;
  for (;;) {
    const size_t used = out.size();
    out.resize(std::min<uint64_t>(size + 1, used + kStepBytes));
    ZSTD_outBuffer step{out.data() + used, out.size() - used, 0};
    const size_t code = ::ZSTD_decompressStream(stream.get(), &step, &in);
    out.resize(used + step.pos);
    if (::ZSTD_isError(code))
      throw UnpackFault{fmt::format("broken Zstandard data ({})", ::ZSTD_getErrorName(code))};
    if (out.size() > size) throw UnpackFault{"more data than it should become"};
    if (code == 0 && in.pos == in.size) break;
    if (in.pos == in.size && step.pos == 0) throw UnpackFault{"the Zstandard data ends too early"};
  }
  expect_size(out, size);
  return out;
}

std::string unpack_lz4_block(std::string_view packed, uint64_t size) {
  if (size / kLz4MostGrowth > packed.size()) broken("too short for what it should become");
  std::string out;
  out.reserve(size);
  append_lz4_block(packed, size, out);
  expect_size(out, size);
  return out;
}

// Checksums are not looked at: what the data becomes is checked by whoever reads it.
std::string unpack_lz4_frame(std::string_view packed, uint64_t size) {
  constexpr uint64_t kMagic = 0x184D2204, kStored = uint64_t{1} << 31;
  if (size / kLz4MostGrowth > packed.size()) broken("too short for what it should become");
  std::string out;
  out.reserve(size);
  while (!packed.empty()) {
    if (take_number(packed, 4) != kMagic) broken("other first bytes");
    const uint64_t flags = take_number(packed, 1);
    if (flags >> 6 != 1) broken("an unknown version");
    if ((flags & 1) != 0) broken("it needs a dictionary");
    const bool block_checksums = (flags & 0x10) != 0, has_size = (flags & 8) != 0,
               has_checksum = (flags & 4) != 0;
    take(packed, 1 + (has_size ? 8 : 0) + 1);  // block size, content size, header checksum
    while (const uint64_t length = take_number(packed, 4)) {
      const std::string_view block = take(packed, length & ~kStored);
      if ((length & kStored) == 0) {
        append_lz4_block(block, size, out);
      } else if (block.size() <= size - out.size()) {
        out += block;
      } else {
        broken("more data than it should become");
      }
      if (block_checksums) take(packed, 4);
    }
    if (has_checksum) take(packed, 4);
  }
  expect_size(out, size);
  return out;
}

}  // namespace ponder
