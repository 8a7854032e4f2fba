#include "parquet/encodings.h"

#include <fmt/format.h>

#include <cstring>

namespace ponder::parquet {
namespace {

// A page has no more values; a few bytes could claim any number of equal ones.
constexpr uint64_t kMaxDeltaValues = 1 << 24;

uint64_t read_varint(std::string_view bytes, size_t& at) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (at >= bytes.size()) throw DecodeFault{"the values end inside a number"};
    const auto b = static_cast<uint8_t>(bytes[at++]);
    value |= static_cast<uint64_t>(b & 0x7F) << shift;
    if (!(b & 0x80)) return value;
  }
  throw DecodeFault{"a number of more than 64 bits"};
}

// `width` bits (at most 64) from bit `bit`, the lowest first.
uint64_t read_bits(std::string_view bytes, uint64_t bit, int width) {
  if (width == 0) return 0;
  const uint64_t first = bit / 8, last = (bit + static_cast<uint64_t>(width) - 1) / 8;
  if (last >= bytes.size()) throw DecodeFault{"the packed values end too early"};
  uint64_t value = 0;
  for (uint64_t i = last; i > first; --i) {
    value = (value << 8) | static_cast<uint8_t>(bytes[i]);
  }
  // The first byte may add its upper bits to 64 that are already there, of which the top ones fall
  // out: they are beyond `width`.
  const auto shift = static_cast<int>(bit % 8);
  value = (value << (8 - shift)) | (static_cast<uint8_t>(bytes[first]) >> shift);
  return width == 64 ? value : value & ((uint64_t{1} << width) - 1);
}

template <class T>
T load(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

size_t width_of(PhysicalType type) {
  return type == PhysicalType::kInt32 || type == PhysicalType::kFloat ? 4 : 8;
}

void set_fixed(PhysicalType type, std::string_view bytes, Value& value) {
  switch (type) {
    case PhysicalType::kInt32:
      value.integer = load<int32_t>(bytes);
      return;
    case PhysicalType::kInt64:
      value.integer = load<int64_t>(bytes);
      return;
    case PhysicalType::kFloat:
      value.real = static_cast<double>(load<float>(bytes));
      return;
    default:
      value.real = load<double>(bytes);
  }
}

}  // namespace

void RleDecoder::next_run() {
  size_t at = 0;
  const uint64_t head = read_varint(bytes_, at);
  bytes_.remove_prefix(at);
  packed_ = head & 1;
  left_ = head >> 1;
  if (packed_) {
    if (left_ > UINT64_MAX / 64) throw DecodeFault{"a run of impossible length"};
    left_ *= 8;
    bit_ = 0;
    return;
  }
  const auto width = static_cast<size_t>(bit_width_ + 7) / 8;
  if (bytes_.size() < width) throw DecodeFault{"the runs end too early"};
  repeated_ = 0;
  for (size_t i = 0; i < width; ++i) {
    repeated_ |= static_cast<uint32_t>(static_cast<uint8_t>(bytes_[i])) << (8 * i);
  }
  bytes_.remove_prefix(width);
}

uint32_t RleDecoder::next() {
  if (bit_width_ == 0) return 0;
  while (left_ == 0) {
    if (packed_) {
      // Writers may cut the padding of the last packed run.
      bytes_.remove_prefix(std::min<uint64_t>(bytes_.size(), (bit_ + 7) / 8));
      packed_ = false;
    }
    next_run();
  }
  --left_;
  if (!packed_) return repeated_;
  const auto value = static_cast<uint32_t>(read_bits(bytes_, bit_, bit_width_));
  bit_ += static_cast<uint64_t>(bit_width_);
  return value;
}

DeltaDecoder::DeltaDecoder(std::string_view bytes) : bytes_(bytes) {
  const uint64_t block = read_varint(bytes_, at_);
  num_miniblocks_ = read_varint(bytes_, at_);
  total_ = read_varint(bytes_, at_);
  const uint64_t first = read_varint(bytes_, at_);
  if (total_ > kMaxDeltaValues) throw DecodeFault{fmt::format("{} delta values", total_)};
  if (block == 0 || block % 128 != 0 || block > (1 << 20) || num_miniblocks_ == 0 ||
      num_miniblocks_ > block / 32 || block % num_miniblocks_ != 0 ||
      (block / num_miniblocks_) % 32 != 0) {
    throw DecodeFault{fmt::format("delta blocks of {} values in {} parts", block, num_miniblocks_)};
  }
  per_miniblock_ = block / num_miniblocks_;
  value_ = (first >> 1) ^ (0 - (first & 1));
  miniblock_ = num_miniblocks_;
}

void DeltaDecoder::next_block() {
  const uint64_t delta = read_varint(bytes_, at_);
  min_delta_ = (delta >> 1) ^ (0 - (delta & 1));
  if (bytes_.size() - at_ < num_miniblocks_) throw DecodeFault{"a delta block ends too early"};
  widths_ = bytes_.substr(at_, num_miniblocks_);
  at_ += num_miniblocks_;
  miniblock_ = 0;
}

void DeltaDecoder::next_miniblock() {
  if (miniblock_ == num_miniblocks_) next_block();
  width_ = static_cast<uint8_t>(widths_[miniblock_++]);
  if (width_ > 64) throw DecodeFault{fmt::format("a delta of {} bits", width_)};
  left_in_miniblock_ = per_miniblock_;
  bit_ = static_cast<uint64_t>(at_) * 8;
  at_ += static_cast<size_t>(per_miniblock_ / 8) * static_cast<size_t>(width_);
}

int64_t DeltaDecoder::next() {
  if (taken_ == total_) throw DecodeFault{fmt::format("more than the {} delta values", total_)};
  if (taken_++ > 0) {
    if (left_in_miniblock_ == 0) next_miniblock();
    --left_in_miniblock_;
    value_ += min_delta_ + read_bits(bytes_, bit_, width_);
    bit_ += static_cast<uint64_t>(width_);
  }
  return static_cast<int64_t>(value_);
}

size_t DeltaDecoder::end() {
  while (taken_ < total_) next();
  return std::min(at_, bytes_.size());
}

ValueDecoder::ValueDecoder(std::string_view bytes, int32_t encoding, PhysicalType type,
                           const std::vector<Value>* dictionary)
    : type_(type), bytes_(bytes) {
  const bool text = type == PhysicalType::kByteArray, boolean = type == PhysicalType::kBoolean;
  const bool integer = type == PhysicalType::kInt32 || type == PhysicalType::kInt64;
  const auto wrong = [&] {
    return DecodeFault{fmt::format("encoding {} in a column of type {}", encoding_name(encoding),
                                   to_string(type))};
  };
  switch (encoding) {
    case 0:
      mode_ = boolean ? Mode::kPlainBits : Mode::kPlain;
      return;
    case 2:
    case 8: {
      if (!dictionary) throw DecodeFault{"dictionary indices without a dictionary"};
      if (bytes.empty()) throw DecodeFault{"dictionary indices without their width"};
      const auto width = static_cast<uint8_t>(bytes[0]);
      if (width > 32) throw DecodeFault{fmt::format("dictionary indices of {} bits", width)};
      mode_ = Mode::kDictionary;
      dictionary_ = dictionary;
      rle_ = RleDecoder(bytes.substr(1), width);
      return;
    }
    case 3: {
      if (!boolean) throw wrong();
      if (bytes.size() < 4 || load<uint32_t>(bytes) > bytes.size() - 4) {
        throw DecodeFault{"the runs end too early"};
      }
      mode_ = Mode::kRleBits;
      rle_ = RleDecoder(bytes.substr(4, load<uint32_t>(bytes)), 1);
      return;
    }
    case 5:
      if (!integer) throw wrong();
      mode_ = Mode::kDelta;
      deltas_ = DeltaDecoder(bytes);
      return;
    case 6:
    case 7: {
      if (!text) throw wrong();
      mode_ = encoding == 6 ? Mode::kLengths : Mode::kPrefixes;
      if (encoding == 7) {
        prefixes_ = DeltaDecoder(bytes_);
        bytes_.remove_prefix(DeltaDecoder(bytes_).end());
      }
      deltas_ = DeltaDecoder(bytes_);
      bytes_.remove_prefix(DeltaDecoder(bytes_).end());
      return;
    }
    case 9:
      if (text || boolean) throw wrong();
      if (bytes.size() % width_of(type) != 0) throw DecodeFault{"byte streams of unequal length"};
      mode_ = Mode::kSplit;
      return;
    default:
      throw wrong();
  }
}

std::string_view ValueDecoder::take(uint64_t num_bytes) {
  if (num_bytes > bytes_.size() - at_) throw DecodeFault{"the values end too early"};
  const std::string_view bytes = bytes_.substr(at_, num_bytes);
  at_ += num_bytes;
  return bytes;
}

void ValueDecoder::plain(Value& value) {
  if (type_ == PhysicalType::kByteArray) {
    value.text = take(load<uint32_t>(take(4)));
  } else {
    set_fixed(type_, take(width_of(type_)), value);
  }
}

void ValueDecoder::next(Value& value) {
  switch (mode_) {
    case Mode::kPlain:
      plain(value);
      return;
    case Mode::kPlainBits:
      value.integer = static_cast<int64_t>(read_bits(bytes_, bit_++, 1));
      return;
    case Mode::kRleBits:
      value.integer = rle_.next();
      return;
    case Mode::kDictionary: {
      const uint32_t index = rle_.next();
      if (index >= dictionary_->size()) {
        throw DecodeFault{
            fmt::format("index {} into a dictionary of {}", index, dictionary_->size())};
      }
      value = (*dictionary_)[index];
      return;
    }
    case Mode::kDelta:
      value.integer = deltas_.next();
      if (type_ == PhysicalType::kInt32) value.integer = static_cast<int32_t>(value.integer);
      return;
    case Mode::kLengths:
    case Mode::kPrefixes: {
      const int64_t length = deltas_.next();
      if (length < 0) throw DecodeFault{"a negative length"};
      const std::string_view suffix = take(static_cast<uint64_t>(length));
      if (mode_ == Mode::kLengths) {
        value.text = suffix;
        return;
      }
      const int64_t prefix = prefixes_.next();
      if (prefix < 0 || static_cast<uint64_t>(prefix) > previous_.size()) {
        throw DecodeFault{"a prefix longer than the value before"};
      }
      previous_.resize(static_cast<size_t>(prefix));
      previous_ += suffix;
      value.text = previous_;
      return;
    }
    case Mode::kSplit: {
      const size_t width = width_of(type_), count = bytes_.size() / width;
      if (at_ >= count) throw DecodeFault{"the values end too early"};
      char bytes[8];
      for (size_t i = 0; i < width; ++i) bytes[i] = bytes_[i * count + at_];
      ++at_;
      set_fixed(type_, {bytes, width}, value);
      return;
    }
  }
}

std::string encoding_name(int32_t encoding) {
  constexpr std::string_view kNames[] = {"PLAIN",
                                         "1",
                                         "PLAIN_DICTIONARY",
                                         "RLE",
                                         "BIT_PACKED",
                                         "DELTA_BINARY_PACKED",
                                         "DELTA_LENGTH_BYTE_ARRAY",
                                         "DELTA_BYTE_ARRAY",
                                         "RLE_DICTIONARY",
                                         "BYTE_STREAM_SPLIT"};
  if (encoding >= 0 && encoding < 10) return std::string(kNames[encoding]);
  return fmt::format("{}", encoding);
}

}  // namespace ponder::parquet
