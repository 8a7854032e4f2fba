#include "parquet/column_reader.h"

#include <fmt/format.h>
#include <snappy.h>
#include <zlib.h>

#include <bit>
#include <cstring>

#include "base/error.h"
#include "parquet/thrift.h"

namespace ponder::parquet {
namespace {

constexpr int64_t kMaxValuesPerPage = 1 << 24;
constexpr uint64_t kMaxHeaderBytes = uint64_t{16} << 20;
constexpr size_t kStepBytes = 1 << 18;

enum class PageType : int32_t { kData = 0, kIndex = 1, kDictionary = 2, kDataV2 = 3 };

struct PageHeader {
  int32_t type = -1, unpacked_bytes = -1, packed_bytes = -1;
  int32_t num_values = -1, encoding = -1;
  int32_t definition_encoding = 3, repetition_encoding = 3;  // version 1
  int32_t definition_bytes = -1, repetition_bytes = -1;      // version 2
  bool is_packed = true;
};

PageHeader read_page_header(ThriftReader& reader) {
  PageHeader header;
  reader.read_struct([&](int16_t id, ThriftType type) {
    switch (id) {
      case 1:
        header.type = reader.integer32(type);
        return true;
      case 2:
        header.unpacked_bytes = reader.integer32(type);
        return true;
      case 3:
        header.packed_bytes = reader.integer32(type);
        return true;
      case 5:  // version 1
      case 7:  // dictionary: the first two fields are the same
      case 8:  // version 2
        if (type != ThriftType::kStruct) return false;
        reader.read_struct([&](int16_t field, ThriftType each) {
          const bool v2 = id == 8;
          if (field == 1) {
            header.num_values = reader.integer32(each);
          } else if (field == (v2 ? 4 : 2)) {
            header.encoding = reader.integer32(each);
          } else if (id == 5 && field == 3) {
            header.definition_encoding = reader.integer32(each);
          } else if (id == 5 && field == 4) {
            header.repetition_encoding = reader.integer32(each);
          } else if (v2 && field == 5) {
            header.definition_bytes = reader.integer32(each);
          } else if (v2 && field == 6) {
            header.repetition_bytes = reader.integer32(each);
          } else if (v2 && field == 7) {
            header.is_packed = reader.boolean(each);
          } else {
            return false;
          }
          return true;
        });
        return true;
      default:
        return false;
    }
  });
  return header;
}

int bits_for(int max_level) { return std::bit_width(static_cast<unsigned>(max_level)); }

std::string unzip(std::string_view packed, uint64_t size) {
  z_stream stream{};
  if (::inflateInit2(&stream, MAX_WBITS + 32) != Z_OK) throw DecodeFault{"zlib cannot start"};
  struct End {
    z_stream& stream;
    ~End() { ::inflateEnd(&stream); }
  } end{stream};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  for (;;) {
    const size_t used = out.size();
    out.resize(std::min<uint64_t>(size + 1, used + kStepBytes));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + used);
    stream.avail_out = static_cast<uInt>(out.size() - used);
    const int code = ::inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (code == Z_STREAM_END) return out;
    if (code != Z_OK || out.size() > size || (stream.avail_in == 0 && stream.avail_out > 0)) {
      throw DecodeFault{"broken gzip data"};
    }
  }
}

// Hadoop's LZ4: blocks behind their sizes, unpacked and packed, big-endian.
std::string unlz4_hadoop(std::string_view packed, uint64_t size) {
  std::string out;
  const auto number = [&] {
    if (packed.size() < 4) throw DecodeFault{"the LZ4 data ends too early"};
    uint32_t value = 0;
    std::memcpy(&value, packed.data(), 4);
    packed.remove_prefix(4);
    return __builtin_bswap32(value);
  };
  while (!packed.empty()) {
    const uint64_t unpacked_bytes = number(), packed_bytes = number();
    if (packed_bytes > packed.size() || unpacked_bytes > size - out.size())
      throw DecodeFault{"the LZ4 data ends too early"};
    out += unpack_lz4_block(packed.substr(0, packed_bytes), unpacked_bytes);
    packed.remove_prefix(packed_bytes);
  }
  return out;
}

}  // namespace

std::string codec_name(int32_t codec) {
  if (codec == 3) return "LZO";
  return codec == 4 ? "BROTLI" : fmt::format("{}", codec);
}

bool is_codec_read(int32_t codec) { return codec >= 0 && codec <= 7 && codec != 3 && codec != 4; }

std::string decompress(int32_t codec, std::string_view packed, uint64_t size) {
  std::string out;
  switch (codec) {
    case 0:
      out = std::string(packed);
      break;
    case 1: {
      size_t length = 0;
      if (!::snappy::GetUncompressedLength(packed.data(), packed.size(), &length) ||
          length != size || length / 64 > packed.size() ||
          !::snappy::Uncompress(packed.data(), packed.size(), &out)) {
        throw DecodeFault{"broken snappy data"};
      }
      break;
    }
    case 2:
      out = unzip(packed, size);
      break;
    case 5:
      out = unlz4_hadoop(packed, size);
      break;
    case 6:
      out = unpack_zstd(packed, size);
      break;
    case 7:
      out = unpack_lz4_block(packed, size);
      break;
    default:
      throw DecodeFault{fmt::format("codec {} is not read", codec_name(codec))};
  }
  if (out.size() != size) {
    throw DecodeFault{fmt::format("{} bytes where the page's header says {}", out.size(), size)};
  }
  return out;
}

ColumnReader::ColumnReader(const RandomAccess& file, const Leaf& leaf, const ColumnChunk& chunk,
                           const std::string& where)
    : file_(file),
      leaf_(leaf),
      chunk_(chunk),
      where_(where),
      at_(chunk.begin),
      page_begin_(chunk.begin),
      left_(chunk.num_values) {
  if (!is_codec_read(chunk.codec)) {
    throw Error(fmt::format("{}, column {}", where_, excerpt(leaf_.name)),
                fmt::format("codec {} is not read", codec_name(chunk.codec)),
                "write the file again, with zstd, snappy, gzip or lz4");
  }
}

void ColumnReader::fail(const std::string& problem) const {
  throw Error(fmt::format("{}, column {}", where_, excerpt(leaf_.name)),
              fmt::format("{} (page at byte {})", problem, page_begin_), "the file may be damaged");
}

void ColumnReader::next_page() {
  PageHeader header;
  page_begin_ = at_;
  if (at_ >= chunk_.end) fail(fmt::format("the pages end {} values too early", left_));
  for (uint64_t window = 1 << 10;; window *= 8) {
    const uint64_t length = std::min({window, chunk_.end - at_, kMaxHeaderBytes});
    const std::string bytes = file_.read(at_, length);
    ThriftReader reader(bytes);
    try {
      header = read_page_header(reader);
      at_ += reader.position();
      break;
    } catch (const ThriftEnd&) {
      if (length < window) fail("the page's header ends too early");
    } catch (const ThriftFault& fault) {
      fail("the page's header is broken: " + fault.what);
    }
  }
  if (header.packed_bytes < 0 || static_cast<uint64_t>(header.packed_bytes) > chunk_.end - at_) {
    fail(
        fmt::format("a page of {} bytes where {} are left", header.packed_bytes, chunk_.end - at_));
  }
  const auto packed_bytes = static_cast<uint64_t>(header.packed_bytes);
  const auto type = static_cast<PageType>(header.type);
  if (type == PageType::kIndex) {
    at_ += packed_bytes;
    return;
  }
  if (type != PageType::kData && type != PageType::kDataV2 && type != PageType::kDictionary) {
    fail(fmt::format("a page of unknown type {}", header.type));
  }
  if (header.num_values < 0 || header.num_values > kMaxValuesPerPage) {
    fail(fmt::format("a page of {} values", header.num_values));
  }
  if (header.unpacked_bytes < 0 || static_cast<uint64_t>(header.unpacked_bytes) > kMaxPageBytes ||
      packed_bytes > kMaxPageBytes) {
    fail(fmt::format("a page of {} bytes, at most {} are read",
                     std::max(header.unpacked_bytes, header.packed_bytes), kMaxPageBytes));
  }
  const auto unpacked_bytes = static_cast<uint64_t>(header.unpacked_bytes);
  const std::string packed = file_.read(at_, packed_bytes);
  at_ += packed_bytes;
  try {
    if (type == PageType::kDictionary) {
      dictionary_bytes_ = decompress(chunk_.codec, packed, unpacked_bytes);
      read_dictionary(header.num_values, header.encoding);
      return;
    }
    std::string_view repetition, definition, values;
    const int repetition_bits = bits_for(leaf_.max_repetition_level),
              definition_bits = bits_for(leaf_.max_definition_level);
    if (type == PageType::kData) {
      page_ = decompress(chunk_.codec, packed, unpacked_bytes);
      values = page_;
      const auto levels = [&](int bits, int32_t encoding) {
        if (bits == 0) return std::string_view();
        if (encoding != 3) throw DecodeFault{"levels in encoding " + encoding_name(encoding)};
        uint32_t length = 0;
        if (values.size() < 4) throw DecodeFault{"the levels end too early"};
        std::memcpy(&length, values.data(), 4);
        if (length > values.size() - 4) throw DecodeFault{"the levels end too early"};
        const std::string_view bytes = values.substr(4, length);
        values.remove_prefix(4 + size_t{length});
        return bytes;
      };
      repetition = levels(repetition_bits, header.repetition_encoding);
      definition = levels(definition_bits, header.definition_encoding);
    } else {
      if (header.repetition_bytes < 0 || header.definition_bytes < 0) {
        throw DecodeFault{"levels without a length"};
      }
      const uint64_t first = static_cast<uint64_t>(header.repetition_bytes),
                     levels = first + static_cast<uint64_t>(header.definition_bytes);
      if (levels > packed.size() || levels > unpacked_bytes) {
        throw DecodeFault{"levels longer than the page"};
      }
      page_ = packed.substr(0, levels);
      const std::string_view rest = std::string_view(packed).substr(levels);
      // A page of nulls alone may have no values at all, packed or not.
      if (unpacked_bytes > levels) {
        page_ += decompress(header.is_packed ? chunk_.codec : 0, rest, unpacked_bytes - levels);
      }
      repetition = std::string_view(page_).substr(0, first);
      definition = std::string_view(page_).substr(first, levels - first);
      values = std::string_view(page_).substr(levels);
    }
    repetition_levels_ = RleDecoder(repetition, repetition_bits);
    definition_levels_ = RleDecoder(definition, definition_bits);
    // Without values there may be no header of an encoding either.
    values_ = values.empty() ? ValueDecoder()
                             : ValueDecoder(values, header.encoding, leaf_.type,
                                            has_dictionary_ ? &dictionary_ : nullptr);
  } catch (const DecodeFault& fault) {
    fail(fault.what);
  }
  if (header.num_values > left_) {
    fail(fmt::format("a page of {} values where {} are left", header.num_values, left_));
  }
  left_in_page_ = header.num_values;
}

void ColumnReader::read_dictionary(int32_t num_values, int32_t encoding) {
  if (has_dictionary_) throw DecodeFault{"a second dictionary"};
  if (encoding != 0 && encoding != 2) {
    throw DecodeFault{"a dictionary in encoding " + encoding_name(encoding)};
  }
  has_dictionary_ = true;
  ValueDecoder decoder(dictionary_bytes_, 0, leaf_.type, nullptr);
  for (int32_t i = 0; i < num_values; ++i) {
    Value value;
    decoder.next(value);
    dictionary_.push_back(value);
  }
}

void ColumnReader::need_levels() {
  if (have_levels_) return;
  while (left_in_page_ == 0) next_page();
  try {
    repetition_ = static_cast<int>(repetition_levels_.next());
    definition_ = static_cast<int>(definition_levels_.next());
  } catch (const DecodeFault& fault) {
    fail(fault.what);
  }
  if (repetition_ > leaf_.max_repetition_level || definition_ > leaf_.max_definition_level) {
    fail(fmt::format("levels {} and {} beyond {} and {}", repetition_, definition_,
                     leaf_.max_repetition_level, leaf_.max_definition_level));
  }
  have_levels_ = true;
}

int ColumnReader::repetition_level() {
  need_levels();
  return repetition_;
}

int ColumnReader::definition_level() {
  need_levels();
  return definition_;
}

void ColumnReader::next(Value& value, int& definition) {
  need_levels();
  definition = definition_;
  if (definition_ == leaf_.max_definition_level) {
    try {
      values_.next(value);
    } catch (const DecodeFault& fault) {
      fail(fault.what);
    }
  }
  have_levels_ = false;
  --left_;
  --left_in_page_;
}

}  // namespace ponder::parquet
