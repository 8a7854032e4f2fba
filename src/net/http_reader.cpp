#include "net/http_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "base/error.h"
#include "net/chunked_body.h"
#include "net/refusal.h"

namespace ponder::net {
namespace {

namespace beast_http = boost::beast::http;

// Of a line's bytes: what no line of a head may hold. `line` is without its end.
std::optional<Refusal> check_line(std::string_view line, bool first) {
  if (line.empty()) return Refusal{400, "expected a request line, found an empty one"};
  if (line.front() == ' ' || line.front() == '\t')
    return Refusal{400, "a line of the head begins with a space: fields cannot be folded"};
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '\r') return Refusal{400, "the head holds a carriage return inside a line"};
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
      return Refusal{400, fmt::format("the head holds the control byte {:#04x}", byte)};
    if (first && (byte >= 0x80 || byte == '\t'))
      return Refusal{400, "the request line holds more than ASCII: escape it as %XX"};
  }
  return std::nullopt;
}

// METHOD SP /target SP HTTP/1.x
std::optional<Refusal> check_request_line(std::string_view line, const ReaderLimits& limits) {
  const size_t first = line.find(' '), last = line.rfind(' ');
  if (first == line.npos || last == first || line.find(' ', first + 1) != last)
    return Refusal{400,
                   fmt::format("expected \"METHOD /path HTTP/1.1\", found \"{}\"", excerpt(line))};
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (target.size() > limits.max_target_bytes)
    return Refusal{414, fmt::format("the path has {} bytes, {} are taken", target.size(),
                                    limits.max_target_bytes)};
  if (target.empty() || target.front() != '/' || target.find('#') != target.npos)
    return Refusal{
        400, fmt::format("expected a path that begins with /, found \"{}\"", excerpt(target))};
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    if (version.starts_with("HTTP/"))
      return Refusal{505, fmt::format("expected HTTP/1.1, found \"{}\"", excerpt(version))};
    return Refusal{400, fmt::format("expected HTTP/1.1, found \"{}\"", excerpt(version))};
  }
  return std::nullopt;
}

bool is_decimal(std::string_view text) {
  if (text.empty() || text.size() > 18) return false;
  for (const char c : text)
    if (c < '0' || c > '9') return false;
  return true;
}

std::string lower_case(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lowered;
}

std::string_view view_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

// The fields together, once the head is whole.
std::optional<Refusal> check_fields(const Request& request, const ReaderLimits& limits) {
  if (request.fields.size() > limits.max_fields)
    return Refusal{431, fmt::format("the head has {} fields, {} are taken", request.fields.size(),
                                    limits.max_fields)};
  for (const char* const single : {"host", "content-length", "transfer-encoding", "authorization",
                                   "x-api-key", "content-type", "expect"}) {
    size_t count = 0;
    for (const Field& field : request.fields) count += field.name == single ? 1 : 0;
    if (count > 1)
      return Refusal{400, fmt::format("the field {} stands there {} times", single, count)};
  }
  const auto has = [&](std::string_view name) {
    for (const Field& field : request.fields)
      if (field.name == name) return true;
    return false;
  };
  if (!has("host")) return Refusal{400, "the field host is missing"};
  const std::string_view length = request.field("content-length");
  if (has("content-length") && !is_decimal(length))
    return Refusal{
        400, fmt::format("content-length: expected decimal digits, found \"{}\"", excerpt(length))};
  // At most 18 digits are decimal here: a number of 64 bits.
  if (has("content-length") && std::stoull(std::string(length)) > limits.max_body_bytes)
    return Refusal{413, fmt::format("the body has more than {} bytes", limits.max_body_bytes)};
  if (has("transfer-encoding")) {
    const std::string_view coding = request.field("transfer-encoding");
    if (coding != "chunked")
      return Refusal{
          lower_case(coding).find("chunked") == std::string::npos ? 501 : 400,
          fmt::format("transfer-encoding: expected \"chunked\", found \"{}\"", excerpt(coding))};
    if (has("content-length"))
      return Refusal{400, "content-length and transfer-encoding exclude each other"};
    if (request.http_1_0) return Refusal{400, "HTTP/1.0 knows no transfer-encoding"};
  }
  if (request.http_1_0 && has("content-length") && length != "0")
    return Refusal{400, "a request with a body needs HTTP/1.1"};
  if (has("expect") && lower_case(request.field("expect")) != "100-continue")
    return Refusal{417, fmt::format("expect: expected \"100-continue\", found \"{}\"",
                                    excerpt(request.field("expect")))};
  return std::nullopt;
}

}  // namespace

struct RequestReader::Impl {
  explicit Impl(const ReaderLimits& l) : limits(l) { begin(); }

  void begin() {
    state = State::kHead;
    request = {};
    scanned = line_begin = 0;
    expectation = false;
    chunks.reset();
    left = 0;
  }

  void refuse(Refusal refusal) {
    state = State::kRefused;
    status = refusal.status;
    problem = std::move(refusal.problem);
    buffer.clear();
  }

  void read() {
    if (state == State::kHead) read_head();
    if (state == State::kBody) read_body();
  }

  // Looks at each line as soon as it is whole, so that no more of a bad head is awaited.
  void read_head() {
    while (state == State::kHead) {
      const size_t line_feed = buffer.find('\n', scanned);
      if (line_feed == buffer.npos || line_feed >= limits.max_head_bytes) {
        scanned = buffer.size();
        if (buffer.size() > limits.max_head_bytes)
          refuse({431, fmt::format("the head has more than {} bytes", limits.max_head_bytes)});
        return;
      }
      if (line_feed == line_begin || buffer[line_feed - 1] != '\r')
        return refuse({400, "a line of the head ends with a bare line feed"});
      const std::string_view line(buffer.data() + line_begin, line_feed - 1 - line_begin);
      const bool first = line_begin == 0;
      scanned = line_begin = line_feed + 1;
      if (line.empty() && !first) return take_head();
      std::optional<Refusal> refusal = check_line(line, first);
      if (!refusal && first) refusal = check_request_line(line, limits);
      if (refusal) return refuse(std::move(*refusal));
    }
  }

  // The whole head, `scanned` bytes, by Beast's parser. Of the body it sees nothing.
  void take_head() {
    beast_http::request_parser<beast_http::empty_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(limits.max_head_bytes + 1));
    parser.skip(true);
    boost::system::error_code error;
    parser.put(boost::asio::const_buffer(buffer.data(), scanned), error);
    buffer.erase(0, scanned);
    if (error) return refuse({400, fmt::format("the head cannot be read: {}", error.message())});
    if (!parser.is_header_done())  // the scan says it is
      return refuse({400, "the head cannot be read"});
    const auto& head = parser.get();
    request.method = view_of(head.method_string());
    for (const auto& field : head)
      request.fields.push_back(
          {lower_case(view_of(field.name_string())), std::string(view_of(field.value()))});
    request.http_1_0 = head.version() == 10;
    if (auto refusal = check_fields(request, limits)) return refuse(std::move(*refusal));
    request.keep_alive = !request.http_1_0 && head.keep_alive();
    std::string_view target = view_of(head.target());
    const size_t mark = std::min(target.find('?'), target.size());
    request.query = target.substr(std::min(mark + 1, target.size()));
    const std::optional<std::string> path = decode_percent(target.substr(0, mark));
    if (!path)
      return refuse({400, fmt::format("the path holds a broken escape: \"{}\"", excerpt(target))});
    request.path = *path;
    expectation = request.field("expect") != "";
    if (request.field("transfer-encoding") != "")
      chunks.emplace(ChunkedBody::Limits{.max_body_bytes = limits.max_body_bytes,
                                         .max_line_bytes = limits.max_head_bytes,
                                         .max_trailer_bytes = limits.max_head_bytes});
    else if (const std::string_view length = request.field("content-length"); length != "")
      std::from_chars(length.data(), length.data() + length.size(), left);
    request.body.reserve(left);  // within its limit
    state = State::kBody;
  }

  void read_body() {
    if (chunks) {
      buffer.erase(0, chunks->read(buffer, request.body));
      if (chunks->refusal()) return refuse(*chunks->refusal());
      if (chunks->done()) state = State::kDone;
      return;
    }
    const size_t taken = std::min(left, buffer.size());
    request.body.append(buffer, 0, taken);
    buffer.erase(0, taken);
    left -= taken;
    if (left == 0) state = State::kDone;
  }

  ReaderLimits limits;
  std::string buffer;  // not read yet
  State state = State::kHead;
  size_t scanned = 0, line_begin = 0;  // of the head, in `buffer`
  std::optional<ChunkedBody> chunks;   // of a body in that coding
  size_t left = 0;                     // of a body of known length
  Request request;
  bool expectation = false;
  int status = 400;
  std::string problem;
};

RequestReader::RequestReader(const ReaderLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
RequestReader::~RequestReader() = default;

RequestReader::State RequestReader::push(std::string_view bytes) {
  if (impl_->state == State::kRefused) return State::kRefused;
  impl_->buffer += bytes;
  impl_->read();
  return impl_->state;
}

RequestReader::State RequestReader::state() const { return impl_->state; }

bool RequestReader::began() const { return impl_->state != State::kHead || !impl_->buffer.empty(); }

size_t RequestReader::num_kept_bytes() const { return impl_->buffer.size(); }

bool RequestReader::take_expectation() { return std::exchange(impl_->expectation, false); }

const Request& RequestReader::request() const { return impl_->request; }

int RequestReader::status() const { return impl_->status; }
const std::string& RequestReader::problem() const { return impl_->problem; }

Request RequestReader::take() {
  Request request = std::move(impl_->request);
  impl_->begin();
  impl_->read();
  return request;
}

}  // namespace ponder::net
