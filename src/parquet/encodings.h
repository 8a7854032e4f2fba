// The encodings of levels and values, decoded one at a time, each read checked against the bytes
// that are there. Internal to this folder. Source: parquet-format, Encodings.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/unpack.h"
#include "parquet/metadata.h"

namespace ponder::parquet {

// The bytes are not what their encoding or codec says; `what` says why.
using DecodeFault = UnpackFault;

// RLE / bit-packed hybrid: levels, dictionary indices, booleans.
class RleDecoder {
 public:
  RleDecoder() = default;
  RleDecoder(std::string_view bytes, int bit_width) : bytes_(bytes), bit_width_(bit_width) {}
  uint32_t next();

 private:
  void next_run();

  std::string_view bytes_;
  int bit_width_ = 0;
  uint64_t left_ = 0;  // of the run
  bool packed_ = false;
  uint32_t repeated_ = 0;
  uint64_t bit_ = 0;  // position in bytes_ within a packed run
};

// DELTA_BINARY_PACKED.
class DeltaDecoder {
 public:
  DeltaDecoder() = default;
  explicit DeltaDecoder(std::string_view bytes);
  uint64_t num_values() const { return total_; }
  int64_t next();
  // Where the values end; reads through all that are left.
  size_t end();

 private:
  void next_block();
  void next_miniblock();

  std::string_view bytes_;
  size_t at_ = 0;
  uint64_t total_ = 0, taken_ = 0;
  uint64_t per_miniblock_ = 0, num_miniblocks_ = 0;
  std::string_view widths_;
  size_t miniblock_ = 0;
  uint64_t left_in_miniblock_ = 0;
  int width_ = 0;
  uint64_t bit_ = 0;
  uint64_t value_ = 0, min_delta_ = 0;
};

struct Value {
  int64_t integer = 0;  // booleans and integers, as their 64 bits
  double real = 0;
  std::string_view text;  // until the next value is read
};

// The values of one page, or of a dictionary.
class ValueDecoder {
 public:
  ValueDecoder() = default;
  // `dictionary`: of the column chunk, or null. Throws DecodeFault for an encoding that does not
  // go with the type or is not read.
  ValueDecoder(std::string_view bytes, int32_t encoding, PhysicalType type,
               const std::vector<Value>* dictionary);
  void next(Value& value);

 private:
  void plain(Value& value);
  std::string_view take(uint64_t num_bytes);

  enum class Mode {
    kPlain,
    kPlainBits,
    kRleBits,
    kDictionary,
    kDelta,
    kLengths,
    kPrefixes,
    kSplit
  };
  Mode mode_ = Mode::kPlain;
  PhysicalType type_ = PhysicalType::kByteArray;
  std::string_view bytes_;
  size_t at_ = 0;
  uint64_t bit_ = 0;
  RleDecoder rle_;
  DeltaDecoder deltas_, prefixes_;
  const std::vector<Value>* dictionary_ = nullptr;
  std::string previous_;
};

std::string encoding_name(int32_t encoding);

}  // namespace ponder::parquet
