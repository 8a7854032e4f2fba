// The dashboard behind a listener: answers GET alone, to who carries the key, and follows runs for
// browsers by server-sent events, once a second. Requests are worked on one by one by a thread of its
// own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace ponder::dash {

struct ServerOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 0;                    // 0: one that is free
  std::vector<std::string> host_names;  // that requests may name, beside the machine's own
  // Asked for in every request: as "?key=…", which a browser then keeps as a cookie, or as a header
  // (net::carries_key).
  std::string key;
};

class Server {
 public:
  // Throws Error for places that are no runs, and for what net::Listener refuses.
  Server(const std::vector<std::filesystem::path>& places, const ServerOptions& options);
  ~Server();
  std::string url() const;  // with the key
  uint16_t port() const;
  std::vector<std::string> runs() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// 128 bits of the system's random numbers, in hex.
std::string random_key();

}  // namespace ponder::dash
