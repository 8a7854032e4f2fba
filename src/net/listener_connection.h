// A connection of a listener: reads requests, has them answered one after another, closes. Everything
// here runs on the listener's thread. Internal to this folder.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "net/http_reader.h"
#include "net/listener.h"
#include "net/listener_exchange.h"

namespace ponder::net {

class Connection;

// What the connections of a listener have in common.
struct ListenerState {
  ListenerOptions options;
  Handler handler;
  std::set<std::string> hosts;  // that requests may name
  boost::asio::io_context io{1};
  std::set<std::shared_ptr<Connection>> connections;
  std::atomic<int> num_connections{0};
  std::atomic<bool> draining{false};

  std::mutex replies_mutex;
  std::condition_variable replies_changed;
  int open_replies = 0;
  void count_reply(int change);
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;

  Connection(ListenerState& state, boost::asio::ip::tcp::socket socket);
  void start();
  // Looks at the clock: closes what is late, pings.
  void tick(Clock::time_point now);
  void close();
  void refuse(int status, std::string_view problem);  // answers so, then closes
  bool idle() const { return !exchange_; }
  Clock::time_point since() const { return since_; }  // when it began to wait for a request

 private:
  void read();
  void on_read(boost::system::error_code error, size_t count);
  void process();
  bool check_head();  // false: it has been refused
  void hand_over();
  std::shared_ptr<Exchange> open_exchange(const Request& request);
  void flush();
  void write_some();
  void on_written(boost::system::error_code error, size_t count);
  void finish_exchange();
  void linger();

  ListenerState& state_;
  boost::asio::ip::tcp::socket socket_;
  RequestReader reader_;
  std::array<char, 16 << 10> bytes_;
  bool head_checked_ = false, closed_ = false, lingering_ = false, left_ = false;

  std::shared_ptr<Exchange> exchange_;
  std::string out_;  // being written, from out_begin_
  size_t out_begin_ = 0;
  bool writing_ = false, last_ = false, abort_ = false;

  Clock::time_point since_;     // of the reader's present state, or of lingering
  Clock::time_point progress_;  // of the last written bytes
  RequestReader::State seen_ = RequestReader::State::kHead;
  bool seen_began_ = false, first_ = true;
};

}  // namespace ponder::net
