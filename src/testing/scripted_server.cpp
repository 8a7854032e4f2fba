#include "testing/scripted_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace ponder::testing {
namespace {

bool readable_within(int socket, std::chrono::milliseconds time) {
  pollfd wait = {socket, POLLIN, 0};
  return ::poll(&wait, 1, static_cast<int>(time.count())) > 0;
}

}  // namespace

ScriptedConnection::~ScriptedConnection() {
  if (socket_ >= 0) ::close(socket_);
}

std::string ScriptedConnection::read_request(std::chrono::milliseconds pause) {
  size_t wanted = std::string::npos;
  while (true) {
    const size_t head = unread_.find("\r\n\r\n");
    if (head != std::string::npos && wanted == std::string::npos) {
      wanted = head + 4;
      const size_t length = unread_.find("Content-Length: ");
      if (length < head) wanted += std::stoul(unread_.substr(length + 16));
    }
    if (unread_.size() >= wanted) break;
    if (pause.count() > 0) std::this_thread::sleep_for(pause);
    char bytes[65536];
    const ssize_t got = socket_ < 0 ? 0 : ::recv(socket_, bytes, sizeof bytes, 0);
    if (got <= 0) return "";
    unread_.append(bytes, static_cast<size_t>(got));
  }
  std::string request = unread_.substr(0, wanted);
  unread_.erase(0, wanted);
  return request;
}

void ScriptedConnection::send(std::string_view bytes) {
  while (!bytes.empty() && socket_ >= 0) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

void ScriptedConnection::answer(int status, std::string_view body, std::string_view more_headers) {
  send(fmt::format(
      "HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}\r\n{}", status,
      body.size(), more_headers, body));
}

void ScriptedConnection::begin_stream(std::string_view content_type) {
  send(fmt::format("HTTP/1.1 200 OK\r\nContent-Type: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
                   content_type));
}

void ScriptedConnection::chunk(std::string_view bytes) {
  send(fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes));
}

void ScriptedConnection::end_stream() { send("0\r\n\r\n"); }

void ScriptedConnection::shut_sending() { ::shutdown(socket_, SHUT_WR); }

void ScriptedConnection::reset() {
  const linger at_once = {1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(socket_);
  socket_ = -1;
}

bool ScriptedConnection::gone_within(std::chrono::milliseconds time) {
  char byte = 0;
  return readable_within(socket_, time) && ::recv(socket_, &byte, 1, MSG_PEEK) <= 0;
}

ScriptedServer::ScriptedServer(std::function<void(ScriptedConnection&)> serve)
    : serve_(std::move(serve)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || ::bind(listener_, generic, size) != 0 || ::listen(listener_, 1024) != 0 ||
      ::getsockname(listener_, generic, &size) != 0) {
    throw std::runtime_error("cannot listen");
  }
  port_ = ntohs(address.sin_port);
  accepting_ = std::thread([this] { accept_all(); });
}

ScriptedServer::~ScriptedServer() {
  stopping_ = true;
  accepting_.join();
  for (std::thread& thread : served_) thread.join();
  ::close(listener_);
}

std::string ScriptedServer::url() const { return fmt::format("http://127.0.0.1:{}", port_); }

void ScriptedServer::accept_all() {
  while (!stopping_) {
    if (!readable_within(listener_, std::chrono::milliseconds(20))) continue;
    // Not a child's: a socket that another process holds too is not closed by this one.
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    ++connections_;
    served_.emplace_back([this, socket] {
      ScriptedConnection connection(socket);
      serve_(connection);
    });
  }
}

}  // namespace ponder::testing
