// A TCP connection to this machine for tests of servers: any bytes, cut anywhere, closed in any way.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace ponder::testing {

class RawConnection {
 public:
  // Throws std::runtime_error where nobody listens.
  explicit RawConnection(uint16_t port);
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  bool send(std::string_view bytes);  // false: the other side has closed
  void shut_sending();
  void reset();  // closes with a reset

  // What has come until `text` is in it, the end, or the limit; it is taken out.
  std::string receive_until(std::string_view text,
                            std::chrono::milliseconds limit = std::chrono::seconds(20));
  // One whole answer by its Content-Length or chunks: head and body, chunks as they are.
  std::string receive_answer(std::chrono::milliseconds limit = std::chrono::seconds(20));
  std::string receive_all(std::chrono::milliseconds limit = std::chrono::seconds(20));
  // What comes next; "" at the end, or where nothing comes within the limit.
  std::string receive_some(std::chrono::milliseconds limit);
  bool ended() const { return ended_; }  // the other side has closed
  // Whether the other side closes within the limit; drops what comes before.
  bool closes_within(std::chrono::milliseconds limit);

 private:
  bool receive_more(std::chrono::steady_clock::time_point deadline);

  int socket_ = -1;
  std::string received_;
  bool ended_ = false;
};

// The body of an answer, chunks joined. `complete` (if not null): whether it came to its end.
std::string body_of_answer(const std::string& answer, bool* complete = nullptr);
int status_of_answer(const std::string& answer);  // 0 where there is none

}  // namespace ponder::testing
