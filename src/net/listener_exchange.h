// One answer, between the thread that writes it and the connection that sends it. Internal to this folder.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/listener.h"

namespace ponder::net {

class Exchange {
 public:
  struct Settings {
    bool http_1_0 = false, head_only = false, keep_alive = true;  // of the request
    std::vector<Field> extra_fields;                              // of every answer to it
    size_t max_unsent_bytes = 0;
    // Has the connection call take(), on its own thread, soon. Never called once it is gone.
    std::function<void()> wake;
  };
  explicit Exchange(Settings settings) : settings_(std::move(settings)) {}

  // The connection's side. What is to be sent now:
  struct Piece {
    std::string bytes;
    bool last = false;   // nothing follows
    bool abort = false;  // and the connection breaks off behind it
  };
  Piece take();
  void sent();            // the last piece has left
  bool finished() const;  // the writer has ended it: only sending is left
  bool keep_alive() const;
  std::string ping() const;
  void leave();  // the client has left, or the listener ends

  // The writer's side, as Reply says.
  void send(Response response);
  void begin(Response head, std::string ping);
  void write(std::string_view bytes);
  void end();
  void abort();
  bool gone() const;
  size_t unsent_bytes() const;
  void on_gone(std::function<void()> call);

 private:
  enum class Framing { kLength, kChunked, kUntilClose };
  void start(Response&& response, Framing framing);
  void wake();

  Settings settings_;
  mutable std::mutex mutex_;  // of everything below
  Framing framing_ = Framing::kLength;
  std::string head_, waiting_, ping_;
  size_t in_flight_ = 0;
  bool begun_ = false, ended_ = false, aborted_ = false, gone_ = false, woken_ = false;
  std::function<void()> on_gone_;
};

// Aborts the exchange when its writer drops it unfinished.
std::shared_ptr<Reply> reply_to(std::shared_ptr<Exchange> exchange);

}  // namespace ponder::net
