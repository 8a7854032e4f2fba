// Server-sent events, read from bytes as they come:
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace ponder::net {

struct SseEvent {
  std::string name;  // "" where the server gave none
  std::string data;  // its lines, joined by line feeds
};

// A pure state machine: the same events however the bytes are cut into pieces. Lines end in CR, LF
// or CRLF; comments (": ping"), blank lines, `id`, `retry` and unknown fields make no event.
class SseParser {
 public:
  static constexpr size_t kMostEventBytes = size_t{8} << 20;

  explicit SseParser(size_t most_event_bytes = kMostEventBytes) : most_(most_event_bytes) {}

  // Called for each event that is whole now; the event is the parser's own until the call returns.
  using Take = std::function<void(const SseEvent&)>;
  // Throws Error for an event of more than the bytes allowed.
  void push(std::string_view bytes, const Take& take);
  // Whether there is an event that its blank line has not ended, or a line that is not whole: the
  // stream was cut.
  bool in_event() const { return !line_.empty() || has_data_; }

 private:
  void end_line(std::string_view line, const Take& take);
  void check_size(size_t line_bytes) const;

  size_t most_;
  std::string line_;  // not ended yet
  SseEvent event_;
  bool has_data_ = false;
  bool after_cr_ = false;  // a line feed that follows belongs to it
  bool at_start_ = true;   // a byte order mark may still come
};

}  // namespace ponder::net
