#include "testing/raw_connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace ponder::testing {
namespace {

// A field's value of the head, which ends with an empty line; "" where it is absent.
std::string field_of(std::string head, const std::string& name) {
  std::transform(head.begin(), head.end(), head.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const size_t at = head.find("\r\n" + name + ": ");
  if (at == head.npos) return "";
  const size_t begin = at + name.size() + 4;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

// The bytes of the first answer in `text`, or npos while it is not whole.
size_t length_of_answer(const std::string& text) {
  const size_t head_end = text.find("\r\n\r\n");
  if (head_end == text.npos) return text.npos;
  const std::string head = text.substr(0, head_end + 2);
  size_t at = head_end + 4;
  const std::string length = field_of(head, "content-length");
  if (!length.empty()) {
    at += std::strtoull(length.c_str(), nullptr, 10);
    return at <= text.size() ? at : text.npos;
  }
  if (field_of(head, "transfer-encoding") != "chunked") return at;
  while (true) {
    const size_t line_end = text.find("\r\n", at);
    if (line_end == text.npos) return text.npos;
    const size_t size = std::strtoull(text.c_str() + at, nullptr, 16);
    at = line_end + 2 + size + 2;
    if (at > text.size()) return text.npos;
    if (size == 0) return at;
  }
}

}  // namespace

RawConnection::RawConnection(uint16_t port)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (socket_ < 0 ||
      ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    if (socket_ >= 0) ::close(socket_);
    throw std::runtime_error("nobody listens on port " + std::to_string(port));
  }
}

RawConnection::~RawConnection() {
  if (socket_ >= 0) ::close(socket_);
}

bool RawConnection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void RawConnection::shut_sending() { ::shutdown(socket_, SHUT_WR); }

void RawConnection::reset() {
  const linger at_once{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  ::close(socket_);
  socket_ = -1;
}

bool RawConnection::receive_more(std::chrono::steady_clock::time_point deadline) {
  using std::chrono::milliseconds;
  const auto left =
      std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
  pollfd waiting{socket_, POLLIN, 0};
  if (ended_ || left.count() < 0 || ::poll(&waiting, 1, static_cast<int>(left.count()) + 1) != 1)
    return false;
  char bytes[16384];
  const ssize_t count = ::recv(socket_, bytes, sizeof(bytes), 0);
  ended_ = count <= 0;
  if (count > 0) received_.append(bytes, static_cast<size_t>(count));
  return !ended_;
}

std::string RawConnection::receive_until(std::string_view text, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (received_.find(text) == received_.npos && receive_more(deadline)) {
  }
  const size_t at = received_.find(text);
  const size_t end = at == received_.npos ? received_.size() : at + text.size();
  std::string taken = received_.substr(0, end);
  received_.erase(0, end);
  return taken;
}

std::string RawConnection::receive_answer(std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (length_of_answer(received_) == received_.npos && receive_more(deadline)) {
  }
  const size_t end = std::min(length_of_answer(received_), received_.size());
  std::string taken = received_.substr(0, end);
  received_.erase(0, end);
  return taken;
}

std::string RawConnection::receive_all(std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (receive_more(deadline)) {
  }
  return std::exchange(received_, "");
}

std::string RawConnection::receive_some(std::chrono::milliseconds limit) {
  if (received_.empty()) receive_more(std::chrono::steady_clock::now() + limit);
  return std::exchange(received_, "");
}

bool RawConnection::closes_within(std::chrono::milliseconds limit) {
  receive_all(limit);
  return ended_;
}

std::string body_of_answer(const std::string& answer, bool* complete) {
  const size_t head_end = answer.find("\r\n\r\n");
  if (complete) *complete = length_of_answer(answer) != answer.npos;
  if (head_end == answer.npos) return "";
  if (field_of(answer.substr(0, head_end + 2), "transfer-encoding") != "chunked")
    return answer.substr(head_end + 4);
  std::string body;
  size_t at = head_end + 4;
  while (at < answer.size()) {
    const size_t line_end = answer.find("\r\n", at);
    const size_t size = std::strtoull(answer.c_str() + at, nullptr, 16);
    if (line_end == answer.npos || size == 0) break;
    body += answer.substr(line_end + 2, size);
    at = line_end + 2 + size + 2;
  }
  return body;
}

int status_of_answer(const std::string& answer) {
  if (!answer.starts_with("HTTP/1.1 ")) return 0;
  return std::atoi(answer.c_str() + 9);
}

}  // namespace ponder::testing
