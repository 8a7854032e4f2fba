#include "base/json.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace ponder {
namespace {

constexpr size_t kMaxDepth = 64;

Json convert(const simdjson::dom::element& element, const std::string& where) {
  using simdjson::dom::element_type;
  switch (element.type()) {
    case element_type::ARRAY: {
      Json array = Json::array();
      for (const auto item : simdjson::dom::array(element)) array.push_back(convert(item, where));
      return array;
    }
    case element_type::OBJECT: {
      Json object = Json::object();
      // nlohmann's ordered map is a vector: build it directly and keep key look-ups out of O(n^2).
      auto& fields = object.get_ref<Json::object_t&>();
      const simdjson::dom::object source(element);
      fields.reserve(source.size());
      std::unordered_set<std::string_view> seen;
      const bool hash = source.size() > 16;
      for (const auto field : source) {
        bool duplicate = false;
        if (hash) {
          duplicate = !seen.insert(field.key).second;
        } else {
          for (const auto& [key, value] : fields) duplicate = duplicate || key == field.key;
        }
        if (duplicate) {
          throw Error(where,
                      fmt::format("the key \"{}\" stands twice in one object", excerpt(field.key)),
                      "remove one of them");
        }
        static_cast<std::vector<std::pair<const std::string, Json>>&>(fields).emplace_back(
            std::string(field.key), convert(field.value, where));
      }
      return object;
    }
    case element_type::INT64:
      return int64_t(element);
    case element_type::UINT64:
      return uint64_t(element);
    case element_type::DOUBLE:
      return double(element);
    case element_type::STRING:
      return std::string(std::string_view(element));
    case element_type::BOOL:
      return bool(element);
    case element_type::NULL_VALUE:
      return nullptr;
  }
  return nullptr;
}

// The byte offset of the first byte that is not valid UTF-8.
size_t first_bad_utf8(std::string_view text) {
  size_t low = 0,
         high = text.size();  // validity of a prefix is monotone up to 3 bytes of a cut character
  while (low < high) {
    const size_t middle = (low + high) / 2;
    size_t end = middle + 1;
    while (end < text.size() && end < middle + 4 &&
           (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
      ++end;
    }
    if (simdjson::validate_utf8(text.data(), end)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

Json parse_with(simdjson::dom::parser& parser, std::string_view text, const std::string& where) {
  if (text.find('\0') != std::string_view::npos) {
    throw Error(where, fmt::format("NUL byte at byte {}", text.find('\0')),
                "the file may be binary");
  }
  simdjson::dom::element element;
  const auto code = parser.parse(text.data(), text.size()).get(element);
  if (code == simdjson::UTF8_ERROR) {
    throw Error(where, fmt::format("invalid UTF-8 at byte {}", first_bad_utf8(text)),
                "save the file as UTF-8");
  }
  if (code == simdjson::DEPTH_ERROR) {
    throw Error(where, fmt::format("JSON nested deeper than {} levels", kMaxDepth));
  }
  if (code != simdjson::SUCCESS) {
    throw Error(where, fmt::format("expected a JSON value, found \"{}\" ({})", excerpt(text, 40),
                                   simdjson::error_message(code)));
  }
  return convert(element, where);
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  simdjson::dom::parser parser;
  if (parser.allocate(text.size() + 1, kMaxDepth) != simdjson::SUCCESS) {
    throw Error(where, fmt::format("{} bytes are too many for one JSON value", text.size()));
  }
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  return parse_with(parser, text, where);
}

Json read_json_file(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

struct JsonRowReader::State {
  std::string name;
  gzFile file = nullptr;
  simdjson::dom::parser parser;
  std::string buffer;  // bytes read and not yet handed out begin at `begin`
  size_t begin = 0;
  uint64_t buffer_offset = 0;  // of buffer[0] in the unpacked file
  uint64_t line = 0;
  bool at_end = false;
  bool started = false;
  Json array;  // of a .json file whose top is an array
  size_t next_element = 0;
  bool is_array = false;

  ~State() {
    if (file) ::gzclose(file);
  }

  // Appends more bytes to the buffer; false at the end of the file.
  bool fill() {
    if (at_end) return false;
    if (begin > 0) {
      buffer.erase(0, begin);
      buffer_offset += begin;
      begin = 0;
    }
    constexpr size_t kChunk = 1 << 18;
    const size_t used = buffer.size();
    buffer.resize(used + kChunk);
    const int n = ::gzread(file, buffer.data() + used, kChunk);
    if (n < 0) {
      int code = 0;
      throw Error(name,
                  fmt::format("reading failed near byte {}: {}", buffer_offset + used,
                              ::gzerror(file, &code)),
                  "the file may be cut or damaged");
    }
    buffer.resize(used + static_cast<size_t>(n));
    if (n == 0) {
      int code = 0;
      ::gzerror(file, &code);
      if (code == Z_BUF_ERROR) throw Error(name, "the gzip data ends too early", "fetch it again");
      at_end = true;
    }
    return n > 0;
  }

  void start() {
    started = true;
    while (buffer.size() < 3 && fill()) {
    }
    if (buffer.compare(0, 3, "\xEF\xBB\xBF") == 0) begin = 3;
    size_t first = begin;
    for (;;) {
      while (first < buffer.size() && std::strchr(" \t\r\n", buffer[first])) ++first;
      if (first < buffer.size() || at_end || first > (1 << 20)) break;
      const size_t ahead = first - begin;
      if (!fill()) break;
      first = begin + ahead;
    }
    if (first >= buffer.size() || buffer[first] != '[') return;
    is_array = true;
    while (fill()) {
      if (buffer.size() > uint64_t{1} << 32)
        throw Error(name, "a JSON array of more than 4 GiB", "use .jsonl");
    }
    array = parse_json(std::string_view(buffer).substr(begin), name);
    buffer.clear();
    buffer.shrink_to_fit();
  }
};

JsonRowReader::JsonRowReader(const std::filesystem::path& path)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.name = path == "-" ? "standard input" : path.string();
  if (path != "-" && std::filesystem::is_directory(path)) {
    throw Error(s.name, "expected a file of JSON rows, found a folder");
  }
  const int fd = path == "-" ? ::dup(0) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    throw Error(s.name, fmt::format("cannot be read: {}", std::strerror(errno)), "check the path");
  s.file = ::gzdopen(fd, "rb");
  if (!s.file) throw Error(s.name, "zlib cannot open it");
  ::gzbuffer(s.file, 1 << 18);
}

JsonRowReader::~JsonRowReader() = default;

const std::string& JsonRowReader::name() const { return state_->name; }

bool JsonRowReader::next(JsonRow& row, const OnBad& on_bad) {
  State& s = *state_;
  if (!s.started) s.start();
  if (s.is_array) {
    if (s.next_element >= s.array.size()) return false;
    row.value = std::move(s.array[s.next_element]);
    row.line = ++s.next_element;
    row.byte_offset = 0;
    return true;
  }
  for (;;) {
    size_t scanned = s.begin, newline;
    bool too_long = false;
    uint64_t line_offset = s.buffer_offset + s.begin;
    while ((newline = s.buffer.find('\n', scanned)) == std::string::npos) {
      scanned = s.buffer.size();
      if (s.buffer.size() - s.begin > kMaxLineBytes) {
        too_long = true;
        s.begin = scanned;  // drop what was read of this line
      }
      const size_t ahead = scanned - s.begin;
      if (!s.fill()) break;
      scanned = s.begin + ahead;
    }
    const size_t end = newline == std::string::npos ? s.buffer.size() : newline;
    if (newline == std::string::npos && end == s.begin && !too_long) return false;
    std::string_view text(s.buffer.data() + s.begin, end - s.begin);
    s.begin = newline == std::string::npos ? s.buffer.size() : newline + 1;
    ++s.line;
    if (!too_long && text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = fmt::format("{}:{}", s.name, s.line);
    try {
      if (too_long) {
        throw Error(where, fmt::format("a line of more than {} bytes, from byte {}", kMaxLineBytes,
                                       line_offset));
      }
      if (s.parser.max_depth() != kMaxDepth || s.parser.capacity() < text.size()) {
        if (s.parser.allocate(std::max<size_t>(text.size(), 1 << 16), kMaxDepth) !=
            simdjson::SUCCESS) {
          throw Error(where, "out of memory for a line of JSON");
        }
      }
      row.value = parse_with(s.parser, text, where);
      row.line = s.line;
      row.byte_offset = line_offset;
      return true;
    } catch (const Error& error) {
      if (!on_bad) {
        throw Error(where,
                    fmt::format("{} (the line begins at byte {})", error.problem(), line_offset),
                    error.advice());
      }
      on_bad(s.line, line_offset, error.problem());
    }
  }
}

std::string dump_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ponder
