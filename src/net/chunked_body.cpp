#include "net/chunked_body.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ponder::net {
namespace {

constexpr size_t kMaxDigits = 16;

std::optional<unsigned> hexadecimal(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

// Of a field's name: RFC 9110's token.
bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != kMarks.npos;
  });
}

}  // namespace

size_t ChunkedBody::read(std::string_view bytes, std::string& body) {
  size_t at = 0;
  while (!refusal_ && next_ != Next::kNothing) {
    if (next_ == Next::kData) {
      const size_t taken = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size() - at));
      body.append(bytes, at, taken);
      at += taken;
      left_ -= taken;
      if (left_ > 0) break;
      next_ = Next::kEndOfData;
    }
    const std::string_view rest = bytes.substr(at);
    const size_t line_feed = rest.find('\n');
    if (std::min(line_feed, rest.size()) > limits_.max_line_bytes) {
      refusal_ = {400, "a line of the chunked body has no end"};
    } else if (line_feed == rest.npos) {
      break;
    } else if (line_feed == 0 || rest[line_feed - 1] != '\r') {
      refusal_ = {400, "a line of the chunked body ends with a bare line feed"};
    } else {
      at += line_feed + 1;
      take_line(rest.substr(0, line_feed - 1), body);
    }
  }
  return at;
}

void ChunkedBody::take_line(std::string_view line, const std::string& body) {
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
      refusal_ = {400,
                  fmt::format("a line of the chunked body holds the control byte {:#04x}", byte)};
      return;
    }
  }
  if (next_ == Next::kSize) return take_size(line, body.size());
  if (next_ == Next::kTrailer) return take_trailer(line);
  if (line.empty()) {
    next_ = Next::kSize;
  } else {
    refusal_ = {400, "a chunk is longer than it says"};
  }
}

void ChunkedBody::take_size(std::string_view line, size_t body_bytes) {
  const std::string_view digits = line.substr(0, line.find(';'));
  uint64_t size = 0;
  bool is_size = !digits.empty() && digits.size() <= kMaxDigits;
  for (const char c : digits) {
    const std::optional<unsigned> digit = hexadecimal(c);
    is_size = is_size && digit;
    size = size << 4 | digit.value_or(0);
  }
  if (!is_size) {
    refusal_ = {
        400, fmt::format("the size of a chunk: expected 1 to {} hexadecimal digits, found \"{}\"",
                         kMaxDigits, excerpt(digits))};
  } else if (size > limits_.max_body_bytes - body_bytes) {
    refusal_ = {413, fmt::format("the body has more than {} bytes", limits_.max_body_bytes)};
  } else {
    left_ = size;
    next_ = size > 0 ? Next::kData : Next::kTrailer;
  }
}

void ChunkedBody::take_trailer(std::string_view line) {
  trailer_bytes_ += line.size() + 2;
  if (line.empty()) {
    next_ = Next::kNothing;
  } else if (trailer_bytes_ > limits_.max_trailer_bytes) {
    refusal_ = {431,
                fmt::format("the trailers have more than {} bytes", limits_.max_trailer_bytes)};
  } else if (!is_token(line.substr(0, line.find(':'))) || line.find(':') == line.npos) {
    refusal_ = {400, fmt::format("a trailer: expected NAME: VALUE, found \"{}\"", excerpt(line))};
  }
}

}  // namespace ponder::net
