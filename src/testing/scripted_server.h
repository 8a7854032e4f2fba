// A server for tests of clients that says exactly the bytes a test gives it, at the times it gives
// them: whole answers, halves, silence, resets.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <thread>

namespace ponder::testing {

// A client's connection. Its calls do nothing once the client is gone.
class ScriptedConnection {
 public:
  explicit ScriptedConnection(int socket) : socket_(socket) {}
  ~ScriptedConnection();
  ScriptedConnection(const ScriptedConnection&) = delete;
  ScriptedConnection& operator=(const ScriptedConnection&) = delete;

  // The next request, head and body; "" when the client closed. `pause`: before every 64 KiB of it.
  std::string read_request(std::chrono::milliseconds pause = {});
  void send(std::string_view bytes);
  // A whole answer, the connection kept.
  void answer(int status, std::string_view body, std::string_view more_headers = "");
  // The head of a chunked answer, a chunk of it, its end.
  void begin_stream(std::string_view content_type = "text/event-stream");
  void chunk(std::string_view bytes);
  void end_stream();
  void shut_sending();
  void reset();  // RST instead of an orderly end
  // Whether the client has gone within this time.
  bool gone_within(std::chrono::milliseconds time);

 private:
  int socket_;
  std::string unread_;
};

class ScriptedServer {
 public:
  // `serve` is called on a thread of its own for each connection, which is closed when it returns.
  explicit ScriptedServer(std::function<void(ScriptedConnection&)> serve);
  ~ScriptedServer();  // waits for what it serves
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  uint16_t port() const { return port_; }
  std::string url() const;                          // "http://127.0.0.1:PORT"
  int connections() const { return connections_; }  // so far

 private:
  void accept_all();

  std::function<void(ScriptedConnection&)> serve_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> connections_ = 0;
  std::list<std::thread> served_;
  std::thread accepting_;
};

}  // namespace ponder::testing
