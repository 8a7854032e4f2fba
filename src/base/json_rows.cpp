#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/byte_source.h"
#include "base/error.h"
#include "base/json_element.h"
#include "base/mended_json.h"

namespace ponder {
namespace {

// A row of more values than this is no row of text: its tree would take far more memory than its
// line.
constexpr size_t kMaxValues = 1 << 19;
// Rows above this size are worth giving memory back for.
constexpr size_t kLargeRow = 1 << 20;
// A row is there a second time while it is mended.
constexpr size_t kLargestMended = size_t{16} << 20;

// An upper bound of the JSON values in a text: what follows a bracket, a brace, a comma or a colon.
size_t count_values(std::string_view text) {
  size_t count = 1;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == ',' || c == '[' || c == '{' || c == ':') {
      ++count;
    }
  }
  return count;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Finds the end of one array element, piece by piece.
class ElementScanner {
 public:
  // Looks at text[at] and on, moving `at`; true once `at` stands behind the element.
  bool scan(std::string_view text, size_t& at) {
    for (; at < text.size(); ++at) {
      const char c = text[at];
      if (in_string_) {
        if (escaped_) {
          escaped_ = false;
        } else if (c == '\\') {
          escaped_ = true;
        } else if (c == '"') {
          in_string_ = false;
        }
        continue;
      }
      if (c == '"') {
        in_string_ = true;
      } else if (c == '{' || c == '[') {
        ++depth_;
      } else if (c == '}' || c == ']') {
        if (depth_ == 0) return true;
        --depth_;
      } else if (depth_ == 0 && c == ',') {
        return true;
      }
    }
    return false;
  }
  // Whether all that was opened is closed.
  bool closed() const { return depth_ == 0 && !in_string_; }

 private:
  uint64_t depth_ = 0;
  bool in_string_ = false, escaped_ = false;
};

}  // namespace

struct JsonRowReader::State {
  std::string name;
  std::unique_ptr<ByteSource> source;
  simdjson::dom::parser parser;
  std::string buffer;  // bytes read and not yet handed out begin at `begin`
  size_t begin = 0;
  uint64_t buffer_offset = 0;  // of buffer[0] in the unpacked file
  uint64_t line = 0;           // of the row handed out last; in an array the element's place
  bool at_end = false, started = false, is_array = false, array_closed = false;

  // One row's text, or that it was longer than the cap.
  struct Piece {
    std::string_view text;
    uint64_t offset = 0;
    bool too_long = false;
  };

  // Appends more bytes to the buffer; false at the end of the file. Drops what was handed out.
  bool fill() {
    if (at_end) return false;
    if (begin > 0) {
      buffer.erase(0, begin);
      buffer_offset += begin;
      begin = 0;
    }
    constexpr size_t kChunk = 1 << 18;
    constexpr size_t kWhole = kMaxLineBytes + 2 * kChunk + simdjson::SIMDJSON_PADDING;
    const size_t used = buffer.size();
    // Growing step by step would hold the row twice; what is reserved and not touched costs
    // nothing.
    if (used > kLargeRow && buffer.capacity() < kWhole) buffer.reserve(kWhole);
    // A small file needs no large buffer.
    const size_t chunk = std::clamp<size_t>(buffer_offset + used, 1 << 14, kChunk);
    buffer.resize(used + chunk);
    const size_t n = source->read(buffer.data() + used, chunk);
    buffer.resize(used + n);
    at_end = n == 0;
    return n > 0;
  }

  // The first byte at or behind `begin` that is no white space becomes `begin`; false at the end.
  bool skip_spaces() {
    for (;;) {
      while (begin < buffer.size() && is_space(buffer[begin])) ++begin;
      if (begin < buffer.size()) return true;
      if (!fill()) return false;
    }
  }

  void start() {
    started = true;
    while (buffer.size() < 4 && fill()) {
    }
    // Where it lies open its reader takes it; here it would be a thousand broken rows.
    if (buffer.starts_with("PAR1")) {
      throw Error(name, "a Parquet file cannot be read packed, or from standard input",
                  "name the Parquet file itself");
    }
    if (buffer.compare(0, 3, "\xEF\xBB\xBF") == 0) begin = 3;
    // Empty lines in front count as lines, unless an array follows.
    size_t first = begin;
    for (;;) {
      while (first < buffer.size() && is_space(buffer[first])) ++first;
      if (first < buffer.size() || first > kLargeRow) break;
      const size_t ahead = first - begin;
      if (!fill()) break;
      first = begin + ahead;
    }
    if (first >= buffer.size() || buffer[first] != '[' || is_one_array_a_line(first)) return;
    is_array = true;
    begin = first + 1;
  }

  // Whether an array begins at `first` that ends on its line, and another on a line behind it: not the
  // rows of one array, but rows that are arrays. `first` moves as the buffer is filled. Not looked for
  // behind a megabyte.
  bool is_one_array_a_line(size_t& first) {
    const auto more = [&](size_t& at) {
      const size_t ahead = first - begin, further = at - first;
      if (at - first > kLargeRow || !fill()) return false;
      first = begin + ahead;
      at = first + further;
      return true;
    };
    size_t at = first;
    while (at == buffer.size() || buffer[at] != '\n') {
      if (at < buffer.size()) {
        ++at;
      } else if (!more(at)) {
        return false;
      }
    }
    ElementScanner scanner;
    size_t end = first;
    const bool beyond = scanner.scan(std::string_view(buffer).substr(0, at), end);
    if (beyond || !scanner.closed()) return false;
    do {
      while (at < buffer.size() && is_space(buffer[at])) ++at;
    } while (at == buffer.size() && more(at));
    return at < buffer.size() && buffer[at] == '[';
  }

  uint64_t offset() const { return buffer_offset + begin; }

  [[noreturn]] void broken_array(const std::string& expected) const {
    const bool end = begin >= buffer.size();
    throw Error(
        name,
        fmt::format("expected {} at byte {} of a JSON array, found {}", expected, offset(),
                    end ? "the end of the file"
                        : "\"" + excerpt(std::string_view(buffer).substr(begin, 40)) + "\""),
        array_closed && !end && buffer[begin] == '['
            ? "of arrays a line the first has to be shorter than a megabyte"
            : "the file may be cut");
  }

  bool next_element(Piece& piece) {
    if (array_closed) return false;
    if (!skip_spaces()) broken_array("an element or ]");
    if (buffer[begin] == ']') {
      ++begin;
      array_closed = true;
      if (skip_spaces()) broken_array("nothing after the ]");
      return false;
    }
    if (line > 0) {
      if (buffer[begin] != ',') broken_array("a comma or ]");
      ++begin;
      if (!skip_spaces()) broken_array("an element");
    }
    if (std::strchr(",]}", buffer[begin])) broken_array("an element");
    ++line;
    piece.offset = offset();
    ElementScanner scanner;
    size_t at = begin;
    while (!scanner.scan(buffer, at)) {
      if (at - begin > kMaxLineBytes) {
        piece.too_long = true;
        begin = at;
      }
      const size_t ahead = at - begin;
      if (!fill()) {
        begin = at;
        broken_array("the end of the element from byte " + std::to_string(piece.offset));
      }
      at = begin + ahead;
    }
    piece.text = std::string_view(buffer).substr(begin, at - begin);
    if (piece.text.size() > kMaxLineBytes) piece.too_long = true;
    begin = at;
    return true;
  }

  bool next_line(Piece& piece) {
    size_t scanned = begin, newline;
    piece.offset = offset();
    while ((newline = buffer.find('\n', scanned)) == std::string::npos) {
      scanned = buffer.size();
      if (scanned - begin > kMaxLineBytes) {
        piece.too_long = true;
        begin = scanned;  // drop what was read of this line
      }
      const size_t ahead = scanned - begin;
      if (!fill()) break;
      scanned = begin + ahead;
    }
    const size_t end = newline == std::string::npos ? buffer.size() : newline;
    if (newline == std::string::npos && end == begin && !piece.too_long) return false;
    piece.text = std::string_view(buffer).substr(begin, end - begin);
    if (piece.text.size() > kMaxLineBytes) piece.too_long = true;
    begin = newline == std::string::npos ? buffer.size() : newline + 1;
    ++line;
    return true;
  }

  Json parse(const Piece& piece, const std::string& where) {
    if (piece.too_long) {
      throw Error(where, fmt::format("a row of more than {} bytes, from byte {}", kMaxLineBytes,
                                     piece.offset));
    }
    const bool large = piece.text.size() > kLargeRow;
    if (large && count_values(piece.text) > kMaxValues) {
      throw Error(where, fmt::format("more than {} JSON values in one row", kMaxValues));
    }
    if (parser.max_depth() != kMaxJsonDepth || parser.capacity() < piece.text.size()) {
      if (parser.allocate(std::max<size_t>(piece.text.size(), 1 << 16), kMaxJsonDepth) !=
          simdjson::SUCCESS) {
        throw Error(where, "out of memory for a row of JSON");
      }
    }
    const bool padded = static_cast<size_t>(piece.text.data() - buffer.data()) + piece.text.size() +
                            simdjson::SIMDJSON_PADDING <=
                        buffer.capacity();
    struct GiveBack {  // the parser's memory is several times the row's
      simdjson::dom::parser& parser;
      bool large;
      ~GiveBack() {
        if (large) parser = simdjson::dom::parser();
      }
    } give_back{parser, large};
    const simdjson::dom::element element = element_of(piece.text, padded, where);
    if (large) {
      // The parser has its own copy of every string: three at once would be too many.
      std::string rest = buffer.substr(begin);
      buffer.swap(rest);  // an assignment would keep the memory of a short rest
      buffer_offset += begin;
      begin = 0;
    }
    return to_json_value(element, where);
  }

  // A row that is no JSON may be one but for values that JSON does not have.
  simdjson::dom::element element_of(std::string_view text, bool padded, const std::string& where) {
    try {
      return parse_element(parser, text, padded, where);
    } catch (const Error&) {
      const std::string mended = text.size() <= kLargestMended ? mended_json(text) : "";
      const bool room =
          !mended.empty() && parser.allocate(mended.size(), kMaxJsonDepth) == simdjson::SUCCESS;
      if (!room) throw;
      try {
        return parse_element(parser, mended, false, where);
      } catch (const Error&) {  // what is wrong with the row itself is what is told
      }
      throw;
    }
  }
};

JsonRowReader::JsonRowReader(const std::filesystem::path& path)
    : state_(std::make_unique<State>()) {
  state_->name = path == "-" ? "standard input" : path.string();
  state_->source = ByteSource::open(path);
}

JsonRowReader::~JsonRowReader() = default;

const std::string& JsonRowReader::name() const { return state_->name; }

bool JsonRowReader::next(JsonRow& row, const OnBad& on_bad) {
  State& s = *state_;
  row.value = nullptr;  // before the next one is made: two large rows need not be there at once
  if (!s.started) s.start();
  for (;;) {
    State::Piece piece;
    if (!(s.is_array ? s.next_element(piece) : s.next_line(piece))) return false;
    if (!s.is_array && !piece.too_long &&
        piece.text.find_first_not_of(" \t\r") == std::string_view::npos) {
      continue;
    }
    const std::string where = fmt::format("{}:{}", s.name, s.line);
    const uint64_t line = s.line;
    try {
      row.value = s.parse(piece, where);
      row.line = line;
      row.byte_offset = piece.offset;
      return true;
    } catch (const Error& error) {
      if (!on_bad) {
        throw Error(where,
                    fmt::format("{} (the row begins at byte {})", error.problem(), piece.offset),
                    error.advice());
      }
      on_bad(line, piece.offset, error.problem());
    }
  }
}

}  // namespace ponder
