// Each encoding against a plain writer of what the specification says: values at the edges, every
// type it goes with and no other, and pages that end anywhere.
#include "parquet/encodings.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <functional>
#include <limits>

#include "base/philox.h"

namespace ponder::parquet {
namespace {

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

std::string zigzag(int64_t value) {
  return varint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
}

template <class T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

// `width` bits each, the lowest first.
std::string packed_bits(const std::vector<uint64_t>& values, int width) {
  std::string bytes((values.size() * static_cast<size_t>(width) + 7) / 8, '\0');
  size_t at = 0;
  for (const uint64_t value : values) {
    for (int bit = 0; bit < width; ++bit, ++at) {
      if (value >> bit & 1) bytes[at / 8] = static_cast<char>(bytes[at / 8] | 1 << at % 8);
    }
  }
  return bytes;
}

// DELTA_BINARY_PACKED with blocks of 128 values in four parts.
std::string deltas(const std::vector<int64_t>& values) {
  std::string bytes =
      varint(128) + varint(4) + varint(values.size()) + zigzag(values.empty() ? 0 : values[0]);
  for (size_t begin = 1; begin < values.size(); begin += 128) {
    std::vector<uint64_t> block;
    for (size_t i = begin; i < std::min(values.size(), begin + 128); ++i)
      block.push_back(static_cast<uint64_t>(values[i]) - static_cast<uint64_t>(values[i - 1]));
    int64_t smallest = std::numeric_limits<int64_t>::max();
    for (const uint64_t delta : block) smallest = std::min(smallest, static_cast<int64_t>(delta));
    for (uint64_t& delta : block) delta -= static_cast<uint64_t>(smallest);
    std::string widths, parts;
    for (size_t part = 0; part < 4; ++part) {
      std::vector<uint64_t> mine(32);
      uint64_t all = 0;
      bool any = false;
      for (size_t i = 0; i < 32 && part * 32 + i < block.size(); ++i) {
        all |= mine[i] = block[part * 32 + i];
        any = true;
      }
      const auto width = static_cast<int>(std::bit_width(all));
      widths += static_cast<char>(width);
      if (any) parts += packed_bits(mine, width);
    }
    bytes += zigzag(smallest) + widths + parts;
  }
  return bytes;
}

std::vector<int64_t> integers(ValueDecoder decoder, size_t count) {
  std::vector<int64_t> values(count);
  for (int64_t& each : values) {
    Value value;
    decoder.next(value);
    each = value.integer;
  }
  return values;
}

std::vector<std::string> texts(ValueDecoder decoder, size_t count) {
  std::vector<std::string> values;
  for (size_t i = 0; i < count; ++i) {
    Value value;
    decoder.next(value);
    values.emplace_back(value.text);
  }
  return values;
}

// Whatever is cut off, what is read before the complaint is right, and there is a complaint.
template <class T>
void expect_safe_when_cut(const std::string& bytes, const std::vector<T>& values,
                          const std::function<T(ValueDecoder&)>& next, int32_t encoding,
                          PhysicalType type) {
  for (size_t length = 0; length < bytes.size(); ++length) {
    const std::string cut = bytes.substr(0, length);  // a copy: a read beyond it is seen
    size_t read = 0;
    try {
      ValueDecoder decoder(cut, encoding, type, nullptr);
      for (; read < values.size(); ++read) ASSERT_EQ(next(decoder), values[read]) << length;
      ADD_FAILURE() << "cut at " << length << " of " << bytes.size() << ", encoding " << encoding;
    } catch (const DecodeFault& fault) {
      EXPECT_FALSE(fault.what.empty());
    }
  }
}

const std::function<int64_t(ValueDecoder&)> kNextInteger = [](ValueDecoder& decoder) {
  Value value;
  decoder.next(value);
  return value.integer;
};
const std::function<std::string(ValueDecoder&)> kNextText = [](ValueDecoder& decoder) {
  Value value;
  decoder.next(value);
  return std::string(value.text);
};

TEST(Encodings, PlainNumbersAtTheirEdges) {
  const std::vector<int64_t> small = {0, -1, INT32_MIN, INT32_MAX}, large = {INT64_MIN, INT64_MAX};
  std::string four, eight;
  for (const int64_t value : small) four += raw(static_cast<int32_t>(value));
  for (const int64_t value : large) eight += raw(value);
  EXPECT_EQ(integers(ValueDecoder(four, 0, PhysicalType::kInt32, nullptr), 4), small);
  EXPECT_EQ(integers(ValueDecoder(eight, 0, PhysicalType::kInt64, nullptr), 2), large);
  expect_safe_when_cut(four, small, kNextInteger, 0, PhysicalType::kInt32);
  expect_safe_when_cut(eight, large, kNextInteger, 0, PhysicalType::kInt64);
}

TEST(Encodings, RealNumbersWholeAndByTheirBytes) {
  const std::vector<double> numbers = {0.0,    -0.0,   0.1,
                                       -1e300, 5e-324, std::numeric_limits<double>::infinity()};
  std::string plain, plain_float;
  for (const double x : numbers) plain += raw(x);
  for (const double x : numbers) plain_float += raw(static_cast<float>(x));
  const auto split = [](const std::string& whole, size_t width) {
    std::string bytes;
    for (size_t i = 0; i < width; ++i) {
      for (size_t at = i; at < whole.size(); at += width) bytes += whole[at];
    }
    return bytes;
  };
  const auto expect = [&](const std::string& bytes, int32_t encoding, PhysicalType type) {
    ValueDecoder decoder(bytes, encoding, type, nullptr);
    for (const double x : numbers) {
      Value value;
      decoder.next(value);
      const double expected = type == PhysicalType::kFloat ? static_cast<float>(x) : x;
      EXPECT_EQ(std::bit_cast<uint64_t>(value.real), std::bit_cast<uint64_t>(expected)) << x;
    }
    Value beyond;
    EXPECT_THROW(decoder.next(beyond), DecodeFault);
  };
  expect(plain, 0, PhysicalType::kDouble);
  expect(plain_float, 0, PhysicalType::kFloat);
  expect(split(plain, 8), 9, PhysicalType::kDouble);
  expect(split(plain_float, 4), 9, PhysicalType::kFloat);
  EXPECT_THROW(ValueDecoder(plain.substr(1), 9, PhysicalType::kDouble, nullptr), DecodeFault);
}

TEST(Encodings, BooleansAsBitsAndAsRuns) {
  std::vector<int64_t> values;
  std::vector<uint64_t> bits;
  for (int i = 0; i < 19; ++i) values.push_back(i % 3 == 0);
  for (const int64_t value : values) bits.push_back(static_cast<uint64_t>(value));
  const std::string packed = packed_bits(bits, 1);
  EXPECT_EQ(integers(ValueDecoder(packed, 0, PhysicalType::kBoolean, nullptr), 19), values);
  expect_safe_when_cut(packed, values, kNextInteger, 0, PhysicalType::kBoolean);

  // A packed run of 24, of which 19 count, and a run of three true after it.
  const std::string runs = varint(3 << 1 | 1) + packed_bits(bits, 1) + varint(3 << 1) + '\x01';
  const std::string sized = raw(static_cast<uint32_t>(runs.size())) + runs;
  ValueDecoder decoder(sized, 3, PhysicalType::kBoolean, nullptr);
  for (const int64_t value : values) EXPECT_EQ(kNextInteger(decoder), value);
  for (int i = 19; i < 24; ++i) EXPECT_EQ(kNextInteger(decoder), 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(kNextInteger(decoder), 1);
  EXPECT_THROW(kNextInteger(decoder), DecodeFault);
  expect_safe_when_cut(sized,
                       {1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1},
                       kNextInteger, 3, PhysicalType::kBoolean);
}

TEST(Encodings, DeltasOfEveryShape) {
  RandomSequence random(3, 3);
  std::vector<std::vector<int64_t>> columns = {
      {7}, {INT64_MIN, INT64_MAX, 0, -1, INT64_MIN}, std::vector<int64_t>(300, -5)};
  for (const size_t count : {2, 32, 33, 128, 129, 130, 257, 1000}) {
    std::vector<int64_t> near, far;
    for (size_t i = 0; i < count; ++i) {
      near.push_back(static_cast<int64_t>(i) * 3 + random.between(-2, 2));
      far.push_back(random.between(INT64_MIN / 2, INT64_MAX / 2));
    }
    columns.push_back(near);
    columns.push_back(far);
  }
  for (const std::vector<int64_t>& column : columns) {
    const std::string bytes = deltas(column);
    EXPECT_EQ(integers(ValueDecoder(bytes, 5, PhysicalType::kInt64, nullptr), column.size()),
              column);
    DeltaDecoder decoder(bytes);
    EXPECT_EQ(decoder.end(), bytes.size()) << column.size();
    // At other sizes the last bytes only pad a part of 32 values.
    if (column.size() % 32 == 1 && column.size() < 200)
      expect_safe_when_cut(bytes, column, kNextInteger, 5, PhysicalType::kInt64);
  }
}

TEST(Encodings, TextPlainByLengthAndByPrefix) {
  const std::vector<std::string> values = {"",      "a",     "apple", std::string("ap\0x", 4),
                                           "apply", "apply", "",      "\xE2\x88\x9A"};
  std::string plain, suffixes, joined;
  std::vector<int64_t> lengths, prefixes, suffix_lengths;
  std::string before;
  for (const std::string& value : values) {
    plain += raw(static_cast<uint32_t>(value.size())) + value;
    lengths.push_back(static_cast<int64_t>(value.size()));
    joined += value;
    size_t same = 0;
    while (same < value.size() && same < before.size() && value[same] == before[same]) ++same;
    prefixes.push_back(static_cast<int64_t>(same));
    suffix_lengths.push_back(static_cast<int64_t>(value.size() - same));
    suffixes += value.substr(same);
    before = value;
  }
  const auto expect = [&](const std::string& bytes, int32_t encoding) {
    EXPECT_EQ(
        texts(ValueDecoder(bytes, encoding, PhysicalType::kByteArray, nullptr), values.size()),
        values);
    expect_safe_when_cut(bytes, values, kNextText, encoding, PhysicalType::kByteArray);
  };
  expect(plain, 0);
  expect(deltas(lengths) + joined, 6);
  expect(deltas(prefixes) + deltas(suffix_lengths) + suffixes, 7);

  const auto fault = [](const std::string& bytes, int32_t encoding) {
    try {
      texts(ValueDecoder(bytes, encoding, PhysicalType::kByteArray, nullptr), 2);
    } catch (const DecodeFault& found) {
      return found.what;
    }
    return std::string();
  };
  EXPECT_EQ(fault(deltas({1, -1}) + "ab", 6), "a negative length");
  EXPECT_EQ(fault(deltas({0, 2}) + deltas({1, 1}) + "ab", 7),
            "a prefix longer than the value before");
  EXPECT_EQ(fault(deltas({0, -1}) + deltas({1, 1}) + "ab", 7),
            "a prefix longer than the value before");
}

TEST(Encodings, GoWithTheirTypesAndNoOthers) {
  using enum PhysicalType;
  // Good for as many values as are asked for, whatever the type.
  const std::string zeros(64, '\0'), delta = deltas({0, 0}) + deltas({0, 0});
  const std::vector<Value> dictionary(1);
  const std::vector<std::pair<int32_t, std::vector<PhysicalType>>> table = {
      {0, {kBoolean, kInt32, kInt64, kFloat, kDouble, kByteArray}},
      {2, {kBoolean, kInt32, kInt64, kFloat, kDouble, kByteArray}},
      {3, {kBoolean}},
      {4, {}},
      {5, {kInt32, kInt64}},
      {6, {kByteArray}},
      {7, {kByteArray}},
      {8, {kBoolean, kInt32, kInt64, kFloat, kDouble, kByteArray}},
      {9, {kInt32, kInt64, kFloat, kDouble}},
      {10, {}},
      {-1, {}}};
  for (const auto& [encoding, types] : table) {
    for (const PhysicalType type : {kBoolean, kInt32, kInt64, kFloat, kDouble, kByteArray}) {
      const bool goes = std::find(types.begin(), types.end(), type) != types.end();
      const std::string& bytes = encoding >= 5 && encoding <= 7 ? delta : zeros;
      bool went = true;
      try {
        ValueDecoder decoder(bytes, encoding, type, &dictionary);
      } catch (const DecodeFault& fault) {
        went = false;
        EXPECT_NE(fault.what.find(encoding_name(encoding)), std::string::npos) << fault.what;
      }
      EXPECT_EQ(went, goes) << encoding_name(encoding) << " " << to_string(type);
    }
  }
  EXPECT_THROW(ValueDecoder(zeros, 8, kInt32, nullptr), DecodeFault);  // no dictionary
  EXPECT_THROW(ValueDecoder("", 8, kInt32, &dictionary), DecodeFault);
  EXPECT_THROW(ValueDecoder("\x21", 8, kInt32, &dictionary), DecodeFault);  // 33 bits
}

}  // namespace
}  // namespace ponder::parquet
