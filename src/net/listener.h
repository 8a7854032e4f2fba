// A server of HTTP/1.1: one thread for all connections (Boost.Asio), requests read by RequestReader, answers from any
// thread. It knows no paths: one handler gets every request that may be answered.
//
// Before the handler: requests that the reader refuses, a Host that is not the listener's own, an
// Origin that is not either (so no page of another site reaches it, nor by a name that leads here), a missing key. Each is
// answered with error_response. A preflight (OPTIONS with an Origin) is answered here.
//
// A client that closes its connection, or only its sending half, has left: its reply is gone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"
#include "net/http_reader.h"

namespace ponder::net {

// The answer to one request, for one writer at a time on any thread; nothing blocks. Once the client has left, or the
// listener has ended, calls do nothing. An unfinished one that is destroyed is aborted.
class Reply {
 public:
  virtual ~Reply() = default;

  virtual void send(Response response) = 0;  // all of it

  // Or piece by piece: head.body is the first piece. `ping` is sent whenever nothing has been for
  // ListenerOptions::ping_after; "" for never.
  virtual void begin(Response head, std::string ping = "") = 0;
  virtual void write(std::string_view bytes) = 0;  // what waits is sent as one chunk
  virtual void end() = 0;
  // Sends what was written, then breaks the connection off, so that no client takes it for an end.
  virtual void abort() = 0;

  virtual bool gone() const = 0;
  virtual size_t unsent_bytes() const = 0;  // a slow reader's; beyond max_unsent_bytes it is gone
  // Called once when the client has left before the end: on the listener's thread, or within a write
  // that finds it too slow; at once if it already has. Must not wait.
  virtual void on_gone(std::function<void()> call) = 0;
};

// Called on the listener's thread: whoever has to wait or compute gives `reply` to another. An Error
// becomes an answer by its kind (usage and input 400, not found 404, busy 503, internal 500).
using Handler = std::function<void(Request request, std::shared_ptr<Reply> reply)>;

struct ListenerOptions {
  std::string address = "127.0.0.1";  // an IP address, or "localhost"
  uint16_t port = 0;                  // 0: one that is free
  // Hosts that requests may name, and origins' hosts, beside localhost, 127.0.0.1, ::1, `address`,
  // the machine's name and the address that the connection came to.
  std::vector<std::string> host_names;
  // Asked for in every request but those for open_paths. Needed where `address` is not loopback, unless
  // allow_no_key.
  std::string api_key;
  std::vector<std::string> open_paths;
  bool allow_no_key = false;

  ReaderLimits limits;
  int max_connections = 512;  // beyond, the one that has been without a request longest is closed
  size_t max_unsent_bytes = 64 << 20;
  std::chrono::milliseconds head_within{10'000};  // from its first byte, or from connecting
  std::chrono::milliseconds body_within{60'000};
  std::chrono::milliseconds idle_for{120'000};     // between requests
  std::chrono::milliseconds write_within{60'000};  // some progress
  std::chrono::milliseconds ping_after{15'000};

  // Told of every answer that the handler did not make, on the listener's thread.
  std::function<void(int status)> on_refused;
};

class Listener {
 public:
  // Listens, and answers from a thread of its own, at once: `handler` may be called before the constructor
  // returns. Throws Error: kUsage for an address that is none or that needs a key, kBusy for a port
  // that is taken.
  Listener(ListenerOptions options, Handler handler);
  ~Listener();  // closes everything; open replies are gone
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  uint16_t port() const;
  std::string url() const;  // "http://127.0.0.1:8321"
  int num_connections() const;
  int num_open_replies() const;  // begun or not, and not sent to their end

  // Takes no more connections, closes those it has after their next answer, and waits until no reply is open. False if
  // that takes longer than `limit`.
  bool drain(std::chrono::milliseconds limit);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ponder::net
