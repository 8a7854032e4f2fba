#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tensor/safetensors.h"

namespace ponder::tensor {
namespace {

// The length field and the header, padded.
std::string make_header(const std::string& file, std::span<const TensorToWrite> tensors,
                        DType dtype, const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::unordered_set<std::string_view> seen = {"__metadata__"};
  // Built as a list: look-ups in an ordered Json object are linear.
  auto& fields = header.get_ref<Json::object_t&>();
  uint64_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    const std::string where = fmt::format("{}, tensor \"{}\"", file, excerpt(tensor.name, 120));
    if (!seen.insert(tensor.name).second) throw Error(where, "its name is taken");
    const auto elements = static_cast<uint64_t>(tensor.num_elements());
    if (!tensor.read && elements != tensor.values.size()) {
      throw Error(where, fmt::format("its shape holds {} elements, found {}", elements,
                                     tensor.values.size()));
    }
    const uint64_t end = offset + elements * static_cast<uint64_t>(size_bytes(dtype));
    Json entry = Json::object();
    entry["dtype"] = safetensors_name(dtype);
    entry["shape"] = tensor.shape;
    entry["data_offsets"] = {offset, end};
    static_cast<std::vector<std::pair<const std::string, Json>>&>(fields).emplace_back(
        tensor.name, std::move(entry));
    offset = end;
  }
  std::string text = dump_json(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + text;
}

}  // namespace

int64_t TensorToWrite::num_elements() const {
  int64_t elements = 1;
  for (const int64_t n : shape) elements *= n;
  return elements;
}

void write_safetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors,
                       DType dtype, const std::map<std::string, std::string>& metadata) {
  const std::string header = make_header(path.string(), tensors, dtype, metadata);
  write_file_atomic(path, [&](FileWriter& writer) {
    writer.write(header.data(), header.size());
    constexpr int64_t kChunk = int64_t{1} << 19;  // elements
    std::vector<char> bytes;
    std::vector<float> own;
    for (const TensorToWrite& tensor : tensors) {
      const int64_t size = tensor.num_elements();
      for (int64_t done = 0; done < size; done += kChunk) {
        const auto count = static_cast<size_t>(std::min(kChunk, size - done));
        std::span<const float> piece;
        if (tensor.read) {
          own.resize(count);
          tensor.read(done, own);
          piece = own;
        } else {
          piece = tensor.values.subspan(static_cast<size_t>(done), count);
        }
        if (dtype == DType::kF32) {
          writer.write(piece.data(), piece.size_bytes());
          continue;
        }
        bytes.resize(count * static_cast<size_t>(size_bytes(dtype)));
        from_f32(bytes.data(), piece, dtype);
        writer.write(bytes.data(), bytes.size());
      }
    }
  });
}

}  // namespace ponder::tensor
