#include "tensor/safetensors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <ctime>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/philox.h"
#include "testing/folders.h"
#include "testing/sanitizers.h"
#include "testing/temporary_folder.h"

namespace ponder::tensor {
namespace {

namespace fs = std::filesystem;

class Safetensors : public ::testing::Test {
 protected:
  static std::string little_endian(uint64_t value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
  }

  fs::path write(const std::string& bytes) {
    const fs::path path = folder_ / "test.safetensors";
    fs::remove(path);  // ext4 flushes a file that is truncated and written again
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  fs::path write_parts(const std::string& header, size_t data_bytes) {
    return write(little_endian(header.size()) + header + std::string(data_bytes, '\1'));
  }
  // The message it is refused with; fails when it is accepted, slow or hungry.
  std::string refusal(const fs::path& path) {
    struct rusage before {
    }, after{};
    ::getrusage(RUSAGE_SELF, &before);
    const std::clock_t start =
        std::clock();  // processor time: the machine may be busy with other tests
    std::string message;
    try {
      const SafetensorsFile file(path);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      message = error.what();
    }
    const double took_ms = 1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    ::getrusage(RUSAGE_SELF, &after);
    EXPECT_LT(took_ms, testing::kSlowdown * 1000.0) << message;  // seconds where it is not linear
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, testing::kSlowdown * 64 * 1024)
        << "KiB; " << message;
    EXPECT_NE(message.find(path.string()), std::string::npos) << message;
    return message;
  }
  testing::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

std::vector<float> numbers(size_t count, float scale = 1.0f) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = scale * std::sin(static_cast<float>(i) * 0.7f);
  return values;
}

TEST_F(Safetensors, ReadsWhatAnotherProgramWrote) {
  const SafetensorsFile file(testing::source_dir() / "tests/golden/safetensors/mixed.safetensors");
  const auto value = [](size_t i) {
    return static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 16.0f;
  };
  using Shape = std::vector<int64_t>;
  const std::vector<std::tuple<std::string, DType, Shape>> expected = {
      {"a.f32", DType::kF32, {3, 5}},      {"b.f16", DType::kF16, {7}},
      {"c.bf16", DType::kBF16, {2, 3, 3}}, {"d.scalar", DType::kF32, {}},
      {"e.empty", DType::kF16, {0, 4}},    {"f.ünïcode", DType::kBF16, {1}}};
  ASSERT_EQ(file.tensors().size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto& [name, dtype, shape] = expected[i];
    const TensorEntry* entry = file.find(name);
    ASSERT_NE(entry, nullptr) << name;
    EXPECT_EQ(entry->name, file.tensors()[i].name) << "file order";
    EXPECT_EQ(entry->dtype, dtype);
    EXPECT_EQ(entry->shape, shape);
    std::vector<float> values(static_cast<size_t>(entry->num_elements()));
    file.read_f32(*entry, values);
    for (size_t j = 0; j < values.size(); ++j) EXPECT_EQ(values[j], value(j)) << name << " " << j;
  }
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.find("absent"), nullptr);
  std::vector<float> short_by_one(14);
  EXPECT_THROW(file.read_f32(*file.find("a.f32"), short_by_one), Error);
}

TEST_F(Safetensors, WhatWeWriteReadsBackAndIsByteIdentical) {
  const std::vector<float> a = numbers(15), b = numbers(1200001, 1e3f), c = numbers(1);
  const std::vector<TensorToWrite> tensors = {
      {"a", {3, 5}, a}, {"b", {1200001}, b}, {"c", {}, c}, {"d", {0}, {}}};
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    const fs::path one = folder_ / "one", two = folder_ / "two";
    write_safetensors(one, tensors, dtype, {{"format", "pt"}});
    // The same piece by piece: every element is asked for once, in order.
    std::vector<TensorToWrite> streamed;
    std::vector<int64_t> next(tensors.size(), 0);
    for (size_t i = 0; i < tensors.size(); ++i) {
      streamed.push_back({tensors[i].name, tensors[i].shape});
      streamed.back().read = [&, i](int64_t begin, std::span<float> to) {
        EXPECT_EQ(begin, next[i]);
        next[i] += static_cast<int64_t>(to.size());
        std::copy_n(tensors[i].values.begin() + begin, to.size(), to.begin());
      };
    }
    write_safetensors(two, streamed, dtype, {{"format", "pt"}});
    EXPECT_EQ(next, (std::vector<int64_t>{15, 1200001, 1, 0}));
    EXPECT_EQ(read_file(one), read_file(two));

    const SafetensorsFile file(one);
    EXPECT_EQ(file.tensors().front().begin % 8, 0u);
    EXPECT_EQ(file.metadata().at("format"), "pt");
    for (const TensorToWrite& tensor : tensors) {
      const TensorEntry* entry = file.find(tensor.name);
      ASSERT_NE(entry, nullptr);
      EXPECT_EQ(entry->shape, tensor.shape);
      std::vector<float> back(tensor.values.size());
      file.read_f32(*entry, back);
      std::vector<char> rounded(back.size() * 4);
      std::vector<float> expected(back.size());
      from_f32(rounded.data(), tensor.values, dtype);
      to_f32(expected, rounded.data(), dtype);
      EXPECT_EQ(back, expected);
      if (dtype != DType::kF32) continue;
      EXPECT_TRUE(std::equal(back.begin(), back.end(), tensor.values.begin()));
    }
  }
}

TEST_F(Safetensors, WritingRefusesNonsense) {
  const std::vector<float> values = numbers(6);
  const auto write_all = [&](std::vector<TensorToWrite> tensors) {
    write_safetensors(folder_ / "x", tensors, DType::kF32);
  };
  EXPECT_THROW(write_all({{"a", {5}, values}}), Error);
  EXPECT_THROW(write_all({{"a", {6}, values}, {"a", {2, 3}, values}}), Error);
  EXPECT_THROW(write_all({{"__metadata__", {6}, values}}), Error);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(Safetensors, DamagedLengths) {
  const std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  EXPECT_NO_THROW(SafetensorsFile(write_parts(header, 8)));
  refusal(write(""));
  refusal(write("1234567"));
  EXPECT_NE(refusal(write(little_endian(0) + header)).find("offset 0"), std::string::npos);
  refusal(write(little_endian(header.size() + 9) + header + std::string(8, 'x')));
  refusal(write(little_endian(uint64_t{1} << 63) + header));
  refusal(write(little_endian(~uint64_t{0}) + header));
  refusal(write(little_endian(~uint64_t{0} - 7) + header));
  refusal(write(little_endian(1) + header));
  EXPECT_NE(
      refusal(write_parts(header, 7))  // cut short
          .find("tensor \"a\": its data ends at offset 8, but the file holds 7 bytes of data"),
      std::string::npos);
  refusal(write_parts(header, 9));  // bytes of no tensor
  refusal(folder_ / "absent");
  refusal(folder_);
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  refusal(folder_ / "pipe");
}

TEST_F(Safetensors, LyingHeaders) {
  const auto entry = [](const std::string& dtype, const std::string& shape,
                        const std::string& offsets) {
    return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
           "}";
  };
  const auto one = [&](const std::string& dtype, const std::string& shape,
                       const std::string& offsets) {
    return R"({"bad":)" + entry(dtype, shape, offsets) + "}";
  };
  const std::vector<std::string> named = {
      one("F32", "[2]", "[0,4]"),
      one("BF16", "[2]", "[0,8]"),
      one("I64", "[1]", "[0,8]"),
      one("f32", "[2]", "[0,8]"),
      one("F32", "[-2]", "[0,8]"),
      one("F32", "[2.0]", "[0,8]"),
      one("F32", "[4611686018427387906]", "[0,8]"),    // 2^64 + 8 bytes
      one("F32", "[4294967296,1073741824]", "[0,0]"),  // 2^64 bytes
      one("F32", "[18446744073709551615]", "[0,8]"),
      one("F32", "[9223372036854775807]", "[0,8]"),
      one("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]"),
      one("F32", "2", "[0,8]"),
      one("F32", "[2]", "[8,0]"),
      one("F32", "[2]", "[-8,0]"),
      one("F32", "[2]", "[0]"),
      one("F32", "[2]", "[0,8,8]"),
      one("F32", "[2]", "\"0,8\""),
      one("F32", "[2]", "[0,9223372036854775807]"),
      one("F32", "[2]", "[18446744073709551608,18446744073709551615]"),
      one("F32", "[2]", "[0.0,8.0]"),
      one("F32", "[1]", "[4,8]"),  // gap at the front
      R"({"bad":7})",
      R"({"bad":{"dtype":"F32","shape":[2]}})",
      R"({"bad":{"shape":[2],"data_offsets":[0,8]}})",
      R"({"bad":{"dtype":"F32","data_offsets":[0,8]}})",
      R"({"bad":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"offset":0}})",
      R"({"a":)" + entry("F32", "[1]", "[0,4]") + R"(,"bad":)" + entry("F32", "[2]", "[0,8]") +
          "}",  // overlap
      R"({"bad":)" + entry("BF16", "[1]", "[6,8]") + R"(,"a":)" + entry("F32", "[1]", "[0,4]") +
          "}",  // gap
      R"({"bad":)" + entry("F32", "[2]", "[0,8]") + R"(,"bad":)" + entry("F32", "[2]", "[0,8]") +
          "}",
      R"({"bad":)" + entry("F32", "[2]", "[0,8]") + R"(,"\u0062ad":)" +
          entry("F32", "[2]", "[0,8]") + "}",
  };
  for (const std::string& header : named) {
    EXPECT_NE(refusal(write_parts(header, 8)).find("bad\""), std::string::npos) << header;
  }
  const std::vector<std::string> others = {
      "[]",
      "{",
      "{}",
      "{}}",
      "null",
      "{\"a\":",
      " {}",
      "{\"__metadata__\":7}",
      "{\"__metadata__\":{\"a\":1}}",
      "{\"a\xff\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
      std::string("{\"a\0\":1}", 9),
      "{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}",
      std::string(100, '{'),
  };
  for (const std::string& header : others) refusal(write_parts(header, 8));
}

TEST_F(Safetensors, TheLargestHeadersStayFast) {
  std::string values = "{\"a\":[";
  while (values.size() < (size_t{1} << 20) - 16) values += "[],";
  refusal(write_parts(values + "0]}", 8));
  std::string entries = "{";
  for (int i = 0; entries.size() < (size_t{1} << 20) - 100; ++i) {
    entries += "\"" + std::to_string(i) + R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)";
  }
  refusal(write_parts(entries + "\"x\":0}", 8));
  refusal(write_parts("{" + std::string(size_t{2} << 20, ' ') + "}", 8));
}

// Whatever is changed in a good file, it is refused by an Error or is a good file whose tensors can
// be read.
TEST_F(Safetensors, RandomDamageNeverCrashes) {
  const std::string good =
      read_file(testing::source_dir() / "tests/golden/safetensors/mixed.safetensors");
  RandomSequence random(1, stable_hash64("safetensors damage"));
  const std::string interesting = "0123456789-.,:[]{}\"\\FB eE\x80\xff\n";
  int accepted = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = good;
    for (uint64_t edits = 1 + random.below(3); edits > 0; --edits) {
      const size_t at = random.below(bytes.size());
      const char byte = interesting[random.below(interesting.size())];
      switch (random.below(4)) {
        case 0:
          bytes[at] = byte;
          break;
        case 1:
          bytes.insert(at, 1, byte);
          break;
        case 2:
          bytes.erase(at, 1 + random.below(8));
          break;
        default:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
      }
    }
    try {
      const SafetensorsFile file(write(bytes));
      for (const TensorEntry& entry : file.tensors()) {
        std::vector<float> values(static_cast<size_t>(entry.num_elements()));
        file.read_f32(entry, values);
      }
      ++accepted;
    } catch (const Error& error) {
      EXPECT_FALSE(error.problem().empty());
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, 2500);
}

}  // namespace
}  // namespace ponder::tensor
