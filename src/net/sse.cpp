#include "net/sse.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace ponder::net {

void SseParser::push(std::string_view bytes, const Take& take) {
  while (!bytes.empty()) {
    if (std::exchange(after_cr_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    size_t end = bytes.find('\n');
    end = std::min(end, bytes.substr(0, end).find('\r'));
    std::string_view line = bytes.substr(0, end);
    check_size(line_.size() + line.size());
    if (end == std::string_view::npos || !line_.empty()) line = line_.append(line);
    if (end == std::string_view::npos) break;
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    end_line(line, take);
    line_.clear();
  }
}

void SseParser::check_size(size_t line_bytes) const {
  if (line_bytes + event_.data.size() <= most_) return;
  throw Error("event stream", fmt::format("one event has more than {} bytes", most_));
}

void SseParser::end_line(std::string_view line, const Take& take) {
  if (std::exchange(at_start_, false) && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
  if (line.empty()) {
    if (std::exchange(has_data_, false)) take(event_);
    event_.name.clear();
    event_.data.clear();
    return;
  }
  const size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value;
  if (colon != std::string_view::npos) value = line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (std::exchange(has_data_, true)) event_.data += '\n';
    event_.data += value;
  } else if (field == "event") {
    event_.name = value;
  }
}

}  // namespace ponder::net
