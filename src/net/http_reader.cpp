#include "net/http_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>
#include <utility>

#include "base/error.h"

namespace ponder::net {
namespace {

namespace beast_http = boost::beast::http;

struct Refusal {
  int status = 400;
  std::string problem;
};

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
std::optional<Refusal> check_fields(const Request& request, size_t max_fields) {
  if (request.fields.size() > max_fields)
    return Refusal{431, fmt::format("the head has {} fields, {} are taken", request.fields.size(),
                                    max_fields)};
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
    head_taken = body_begun = expectation = false;
    parser.emplace();
    parser->header_limit(static_cast<std::uint32_t>(limits.max_head_bytes + 1));
    parser->body_limit(limits.max_body_bytes);
  }

  void refuse(Refusal refusal) {
    state = State::kRefused;
    status = refusal.status;
    problem = std::move(refusal.problem);
    buffer.clear();
  }

  void read() {
    if (state == State::kHead) read_head();
    if (state == State::kBody) parse();
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
      if (line.empty() && !first) return parse_head(scanned);
      std::optional<Refusal> refusal = check_line(line, first);
      if (!refusal && first) refusal = check_request_line(line, limits);
      if (refusal) return refuse(std::move(*refusal));
    }
  }

  void parse_head(size_t head_bytes) {
    state = State::kBody;
    parse();
    if (state == State::kRefused) return;
    if (!parser->is_header_done())  // the scan says it is
      return refuse({400, fmt::format("the head of {} bytes cannot be read", head_bytes)});
  }

  // Takes the head out of the parser: trailers will be merged into its fields.
  void take_head() {
    const auto& head = parser->get();
    request.method = view_of(head.method_string());
    for (const auto& field : head)
      request.fields.push_back(
          {lower_case(view_of(field.name_string())), std::string(view_of(field.value()))});
    request.http_1_0 = head.version() == 10;
    if (auto refusal = check_fields(request, limits.max_fields)) return refuse(std::move(*refusal));
    request.keep_alive = !request.http_1_0 && head.keep_alive();
    std::string_view target = view_of(head.target());
    const size_t mark = std::min(target.find('?'), target.size());
    request.query = target.substr(std::min(mark + 1, target.size()));
    const std::optional<std::string> path = decode_percent(target.substr(0, mark));
    if (!path)
      return refuse({400, fmt::format("the path holds a broken escape: \"{}\"", excerpt(target))});
    request.path = *path;
    expectation = request.field("expect") != "";
    head_taken = true;
  }

  void parse() {
    while (state == State::kBody) {
      // Beast 1.74 ends the program by an assertion where it has seen "0\r\n" of the first chunk
      // and is then shown less than five bytes. No chunked body is shorter.
      const bool first_chunk =
          head_taken && !body_begun && request.field("transfer-encoding") != "";
      const size_t least = first_chunk ? 5 : 1;
      boost::system::error_code error;
      size_t used = 0;
      // Without eager the parser stops behind the head, whose fields are looked at before any byte
      // of the body is read by them.
      const bool head_done = parser->is_header_done();
      parser->eager(head_done);
      if (!head_done || buffer.size() >= least) {
        used = parser->put(boost::asio::const_buffer(buffer.data(), buffer.size()), error);
        body_begun = body_begun || (head_done && used > 0);
        buffer.erase(0, used);
      }
      if (error && error != beast_http::error::need_more) return refuse_error(error);
      if (!head_taken && parser->is_header_done()) {
        take_head();
        if (state == State::kRefused) return;
      }
      if (head_taken && parser->is_done()) {
        request.body = std::move(parser->get().body());
        state = State::kDone;
        return;
      }
      if (head_done && (used == 0 || error == beast_http::error::need_more)) {
        // What is left is the beginning of a line of the chunked coding.
        const size_t line_feed = buffer.find('\n');
        if (line_feed == 0 || (line_feed != buffer.npos && buffer[line_feed - 1] != '\r'))
          refuse({400, "a line of the chunked body ends with a bare line feed"});
        else if (buffer.size() > limits.max_head_bytes)
          refuse({400, "a line of the chunked body has no end"});
        return;
      }
      if (!head_done && used == 0) return;
    }
  }

  void refuse_error(const boost::system::error_code& error) {
    if (error == beast_http::error::body_limit)
      return refuse({413, fmt::format("the body has more than {} bytes", limits.max_body_bytes)});
    if (error == beast_http::error::header_limit)
      return refuse({431, fmt::format("the head has more than {} bytes", limits.max_head_bytes)});
    refuse({400, fmt::format("the request cannot be read: {}", error.message())});
  }

  ReaderLimits limits;
  std::string buffer;  // not read yet
  State state = State::kHead;
  size_t scanned = 0, line_begin = 0;  // of the head, in `buffer`
  std::optional<beast_http::request_parser<beast_http::string_body>> parser;
  Request request;
  bool head_taken = false, body_begun = false, expectation = false;
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
