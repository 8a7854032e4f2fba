// A body in the chunked coding (RFC 9112, section 7.1) as its bytes come. Each line is looked at once it is whole, so what
// is refused, and with which status, does not depend on where the bytes were cut (Beast 1.74's parser does: it reads the
// digits of a size before it has seen how their line ends).
//
// Taken: sizes of 1 to 16 hexadecimal digits, extensions (;NAME=VALUE) and trailers, neither of which is kept. Refused:
// bare line feeds and carriage returns, control bytes, white space around a size, trailers that are no fields.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/refusal.h"

namespace ponder::net {

class ChunkedBody {
 public:
  struct Limits {
    size_t max_body_bytes = 0, max_line_bytes = 0, max_trailer_bytes = 0;
  };
  explicit ChunkedBody(const Limits& limits) : limits_(limits) {}

  // Takes what it can of the front of `bytes`, data into `body`, and returns how many bytes that is: all but the beginning
  // of a line, or up to its end once done(). See refusal() behind it.
  size_t read(std::string_view bytes, std::string& body);
  bool done() const { return next_ == Next::kNothing; }
  const std::optional<Refusal>& refusal() const { return refusal_; }

 private:
  enum class Next { kSize, kData, kEndOfData, kTrailer, kNothing };

  void take_line(std::string_view line, const std::string& body);
  void take_size(std::string_view line, size_t body_bytes);
  void take_trailer(std::string_view line);

  Limits limits_;
  Next next_ = Next::kSize;
  uint64_t left_ = 0;  // of the chunk
  size_t trailer_bytes_ = 0;
  std::optional<Refusal> refusal_;
};

}  // namespace ponder::net
