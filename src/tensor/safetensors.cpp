#include "tensor/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "base/json.h"

namespace ponder::tensor {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kLengthBytes = 8;
// A tensor takes some 120 bytes of header: room for 8,000 of them (Qwen2.5-32B has 771), and a
// bound on the work a hostile header can cause.
constexpr uint64_t kMaxHeaderBytes = uint64_t{1} << 20;
constexpr size_t kMaxRank = 8;

std::string tensor_in(const std::string& file, std::string_view name) {
  return fmt::format("{}, tensor \"{}\"", file, excerpt(name, 120));
}

std::string show(const Json& value) {
  if (value.is_structured() && value.size() > 16) return fmt::format("{} values", value.size());
  return excerpt(dump_json(value));
}

// A non-negative integer that fits in 63 bits, or -1.
int64_t as_size(const Json& value) {
  if (!value.is_number_integer()) return -1;
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
    return -1;
  return value.get<int64_t>() < 0 ? -1 : value.get<int64_t>();
}

// The entry under `name`, its data placed by the header; `data_begin` and `data_size` are of the
// file.
TensorEntry read_entry(const std::string& file, const std::string& name, const Json& fields,
                       uint64_t data_begin, uint64_t data_size) {
  const std::string where = tensor_in(file, name);
  if (!fields.is_object())
    throw Error(where, fmt::format("expected an object, found {}", show(fields)));
  for (const auto& [key, value] : fields.items()) {
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      throw Error(where, fmt::format("unknown key \"{}\" in its header", excerpt(key)));
    }
  }
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    if (!fields.contains(key)) throw Error(where, fmt::format("its header has no \"{}\"", key));
  }

  TensorEntry entry;
  entry.name = name;
  const Json& dtype = fields.at("dtype");
  bool known = false;
  for (const DType candidate : {DType::kF32, DType::kBF16, DType::kF16}) {
    if (dtype != std::string(safetensors_name(candidate))) continue;
    entry.dtype = candidate;
    known = true;
  }
  if (!known)
    throw Error(where, fmt::format("expected dtype F32, BF16 or F16, found {}", show(dtype)));

  const Json& shape = fields.at("shape");
  if (!shape.is_array() || shape.size() > kMaxRank) {
    throw Error(where, fmt::format("expected a shape of at most {} sizes, found {}", kMaxRank,
                                   show(shape)));
  }
  uint64_t num_bytes = static_cast<uint64_t>(size_bytes(entry.dtype));
  bool overflow = false;
  for (const Json& item : shape) {
    const int64_t n = as_size(item);
    if (n < 0) throw Error(where, fmt::format("expected a shape of sizes, found {}", show(shape)));
    entry.shape.push_back(n);
    uint64_t product = 0;
    overflow = __builtin_mul_overflow(num_bytes, static_cast<uint64_t>(n), &product) || overflow;
    num_bytes = product;
  }

  const Json& offsets = fields.at("data_offsets");
  const bool two = offsets.is_array() && offsets.size() == 2;
  const int64_t begin = two ? as_size(offsets[0]) : -1, end = two ? as_size(offsets[1]) : -1;
  if (begin < 0 || end < begin) {
    throw Error(where, fmt::format("expected data_offsets [begin, end], found {}", show(offsets)));
  }
  if (static_cast<uint64_t>(end) > data_size) {
    throw Error(where,
                fmt::format("its data ends at offset {}, but the file holds {} bytes of data", end,
                            data_size),
                "the file may be cut: fetch it again");
  }
  if (overflow || num_bytes != static_cast<uint64_t>(end - begin)) {
    throw Error(where, fmt::format("dtype {} and shape {} do not make the {} bytes at offset {}",
                                   safetensors_name(entry.dtype), show(shape), end - begin, begin));
  }
  entry.begin = data_begin + static_cast<uint64_t>(begin);
  entry.end = data_begin + static_cast<uint64_t>(end);
  return entry;
}

}  // namespace

int64_t TensorEntry::num_elements() const {
  return static_cast<int64_t>(end - begin) / size_bytes(dtype);
}

struct SafetensorsFile::State {
  std::string name;
  int fd = -1;
  uint64_t size = 0;
  std::vector<TensorEntry> tensors;
  std::unordered_map<std::string, size_t> index;
  std::map<std::string, std::string> metadata;

  ~State() {
    if (fd >= 0) ::close(fd);
  }

  void open(const fs::path& path) {
    name = path.string();
    // Non-blocking, so that a named pipe cannot hang the open; it changes nothing for a file.
    fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
      throw Error(name, fmt::format("cannot be opened: {}", std::strerror(errno)),
                  "check the path");
    struct stat info {};
    if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
      throw Error(name, "expected a safetensors file");
    size = static_cast<uint64_t>(info.st_size);
  }

  void read(void* to, uint64_t num_bytes, uint64_t offset) const {
    char* next = static_cast<char*>(to);
    while (num_bytes > 0) {
      const ssize_t n = ::pread(fd, next, num_bytes, static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0)
        throw Error(name,
                    fmt::format("cannot be read at byte {}: {}", offset, std::strerror(errno)));
      if (n == 0)
        throw Error(name, fmt::format("ends at byte {}, earlier than when it was opened", offset));
      next += n;
      offset += static_cast<uint64_t>(n);
      num_bytes -= static_cast<uint64_t>(n);
    }
  }

  void read_header() {
    const char* const advice = "it may be cut, or not a safetensors file";
    if (size < kLengthBytes) {
      throw Error(name, fmt::format("expected at least 8 bytes, found {}", size), advice);
    }
    uint64_t length = 0;
    read(&length, kLengthBytes, 0);
    if (length == 0) throw Error(name, "the header length at offset 0 is 0", advice);
    if (length > size - kLengthBytes) {
      throw Error(name,
                  fmt::format("the header length at offset 0 is {}, but the file has {} bytes",
                              length, size),
                  advice);
    }
    if (length > kMaxHeaderBytes) {
      throw Error(
          name,
          fmt::format("expected a header of at most {} bytes, found {}", kMaxHeaderBytes, length),
          advice);
    }
    std::string text(length, '\0');
    read(text.data(), length, kLengthBytes);
    if (text[0] != '{') {
      throw Error(name, fmt::format("expected '{{' at offset 8, found \"{}\"", excerpt(text, 16)),
                  advice);
    }
    read_entries(parse_json(text, name + ", header (from offset 8)"), kLengthBytes + length);
  }

  void read_entries(const Json& header, uint64_t data_begin) {
    tensors.reserve(header.size());
    for (const auto& [key, value] : header.items()) {
      if (key == "__metadata__") {
        read_metadata(value);
      } else {
        tensors.push_back(read_entry(name, key, value, data_begin, size - data_begin));
      }
    }
    std::sort(tensors.begin(), tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
      return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
    });
    uint64_t covered = data_begin;
    for (size_t i = 0; i < tensors.size(); ++i) {
      const TensorEntry& tensor = tensors[i];
      if (tensor.begin < covered) {
        throw Error(tensor_in(name, tensor.name),
                    fmt::format("its data at offset {} overlaps that of \"{}\", which ends at {}",
                                tensor.begin - data_begin, excerpt(tensors[i - 1].name, 120),
                                covered - data_begin));
      }
      if (tensor.begin > covered) {
        throw Error(tensor_in(name, tensor.name),
                    fmt::format("bytes {} to {} of the data, before it, belong to no tensor",
                                covered - data_begin, tensor.begin - data_begin));
      }
      covered = tensor.end;
      index.emplace(tensor.name, i);
    }
    if (covered != size) {
      throw Error(name, fmt::format("{} bytes from offset {} of the data on belong to no tensor",
                                    size - covered, covered - data_begin));
    }
  }

  void read_metadata(const Json& value) {
    if (!value.is_object())
      throw Error(name,
                  fmt::format("expected __metadata__ to be an object, found {}", show(value)));
    for (const auto& [key, item] : value.items()) {
      if (!item.is_string()) {
        throw Error(name, fmt::format("expected a string under __metadata__ \"{}\", found {}",
                                      excerpt(key), show(item)));
      }
      metadata.emplace(key, item.get<std::string>());
    }
  }
};

SafetensorsFile::SafetensorsFile(const fs::path& path) : state_(std::make_unique<State>()) {
  state_->open(path);
  state_->read_header();
}

SafetensorsFile::~SafetensorsFile() = default;
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;

const std::vector<TensorEntry>& SafetensorsFile::tensors() const { return state_->tensors; }

const TensorEntry* SafetensorsFile::find(const std::string& name) const {
  const auto found = state_->index.find(name);
  return found == state_->index.end() ? nullptr : &state_->tensors[found->second];
}

const std::map<std::string, std::string>& SafetensorsFile::metadata() const {
  return state_->metadata;
}

void SafetensorsFile::read_f32(const TensorEntry& tensor, std::span<float> to) const {
  if (static_cast<int64_t>(to.size()) != tensor.num_elements()) {
    throw Error(tensor_in(state_->name, tensor.name),
                fmt::format("expected {} elements, found {}", to.size(), tensor.num_elements()));
  }
  if (tensor.dtype == DType::kF32) {
    state_->read(to.data(), to.size_bytes(), tensor.begin);
    return;
  }
  constexpr size_t kChunk = size_t{1} << 19;  // elements: 1 MiB of 16-bit values
  const auto width = static_cast<uint64_t>(size_bytes(tensor.dtype));
  std::vector<char> bytes(std::min(kChunk, to.size()) * width);
  for (size_t done = 0; done < to.size(); done += kChunk) {
    const std::span<float> part = to.subspan(done, std::min(kChunk, to.size() - done));
    state_->read(bytes.data(), part.size() * width, tensor.begin + done * width);
    to_f32(part, bytes.data(), tensor.dtype);
  }
}

void SafetensorsFile::read_bytes(const TensorEntry& tensor, uint64_t offset,
                                 std::span<char> to) const {
  const uint64_t size = tensor.end - tensor.begin;
  if (offset > size || to.size() > size - offset) {
    throw Error(tensor_in(state_->name, tensor.name),
                fmt::format("expected {} bytes from {}, found {} in all", to.size(), offset, size));
  }
  state_->read(to.data(), to.size(), tensor.begin + offset);
}

}  // namespace ponder::tensor
