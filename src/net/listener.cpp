#include "net/listener.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "base/error.h"
#include "net/listener_connection.h"

namespace ponder::net {
namespace {

using Tcp = boost::asio::ip::tcp;
using boost::system::error_code;

boost::asio::ip::address parse_address(const std::string& text) {
  if (text == "localhost") return boost::asio::ip::address_v4::loopback();
  error_code error;
  const auto address = boost::asio::ip::make_address(text, error);
  if (error)
    throw Error(ErrorKind::kUsage, fmt::format("address \"{}\"", text), "expected an IP address",
                "use 127.0.0.1, or 0.0.0.0 for every address");
  return address;
}

}  // namespace

class Listener::Impl {
 public:
  Impl(ListenerOptions options, Handler handler) {
    state_.options = std::move(options);
    state_.handler = std::move(handler);
    bind();
    const ListenerOptions& o = state_.options;
    const auto shortest = std::min({o.head_within, o.body_within, o.idle_for, o.write_within,
                                    o.ping_after, std::chrono::milliseconds(1000)});
    tick_length_ = std::max(shortest / 4, std::chrono::milliseconds(5));
    accept();
    tick();
    thread_ = std::thread([this] { state_.io.run(); });
  }

  ~Impl() {
    boost::asio::post(state_.io, [this] {
      ending_ = true;
      stop_accepting();
      ticks_.cancel();
      // close() takes each out of the set.
      while (!state_.connections.empty()) (*state_.connections.begin())->close();
    });
    thread_.join();
  }

  bool drain(std::chrono::milliseconds limit) {
    state_.draining = true;
    boost::asio::post(state_.io, [this] { stop_accepting(); });
    std::unique_lock lock(state_.replies_mutex);
    return state_.replies_changed.wait_for(lock, limit, [&] { return state_.open_replies == 0; });
  }

  ListenerState state_;
  uint16_t port_ = 0;

 private:
  void bind() {
    const ListenerOptions& o = state_.options;
    const auto address = parse_address(o.address);
    if (!address.is_loopback() && o.api_key.empty() && !o.allow_no_key)
      throw Error(ErrorKind::kUsage, fmt::format("address {}", o.address),
                  "other machines could ask this server without a key",
                  "give it a key, or have it listen on 127.0.0.1");
    const Tcp::endpoint endpoint(address, o.port);
    error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(Tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(boost::asio::socket_base::max_listen_connections, error);
    if (error) {
      const bool taken = error == boost::asio::error::address_in_use;
      throw Error(taken ? ErrorKind::kBusy : ErrorKind::kInput,
                  fmt::format("{} port {}", o.address, o.port),
                  fmt::format("cannot listen: {}", error.message()),
                  taken ? "another program listens there: choose another port, or 0 for any" : "");
    }
    port_ = acceptor_.local_endpoint().port();
    state_.hosts = {"localhost", "127.0.0.1", "::1", address.to_string()};
    for (const std::string& name : o.host_names)
      if (const auto host = host_of(name)) state_.hosts.insert(*host);
    std::array<char, 256> name{};
    if (gethostname(name.data(), name.size() - 1) == 0)
      if (const auto host = host_of(name.data())) state_.hosts.insert(*host);
  }

  void accept() {
    acceptor_.async_accept([this](error_code error, Tcp::socket socket) {
      if (ending_ || !acceptor_.is_open()) return;
      if (!error) {
        add(std::move(socket));
        return accept();
      }
      // Out of files, say: what is open goes on, and frees some.
      accept_again_.expires_after(std::chrono::milliseconds(100));
      accept_again_.async_wait([this](error_code cancelled) {
        if (!cancelled && acceptor_.is_open()) accept();
      });
    });
  }

  void add(Tcp::socket socket) {
    auto connection = std::make_shared<Connection>(state_, std::move(socket));
    const bool full = state_.num_connections >= state_.options.max_connections;
    std::shared_ptr<Connection> oldest;
    for (const auto& other : state_.connections)
      if (full && other->idle() && (!oldest || other->since() < oldest->since())) oldest = other;
    if (oldest) oldest->close();
    state_.connections.insert(connection);
    ++state_.num_connections;
    connection->start();
    if (full && !oldest) connection->refuse(503, "too many connections");
  }

  void tick() {
    ticks_.expires_after(tick_length_);
    ticks_.async_wait([this](error_code cancelled) {
      if (cancelled || ending_) return;
      const std::vector<std::shared_ptr<Connection>> all(state_.connections.begin(),
                                                         state_.connections.end());
      const auto now = Connection::Clock::now();
      for (const auto& connection : all) connection->tick(now);
      tick();
    });
  }

  void stop_accepting() {
    error_code ignored;
    acceptor_.close(ignored);
    accept_again_.cancel();
  }

  Tcp::acceptor acceptor_{state_.io};
  boost::asio::steady_timer ticks_{state_.io}, accept_again_{state_.io};
  std::chrono::milliseconds tick_length_{};
  bool ending_ = false;
  std::thread thread_;
};

Listener::Listener(ListenerOptions options, Handler handler)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(handler))) {}
Listener::~Listener() = default;

uint16_t Listener::port() const { return impl_->port_; }

std::string Listener::url() const {
  const std::string& address = impl_->state_.options.address;
  const bool v6 = address.find(':') != address.npos;
  return fmt::format("http://{}:{}", v6 ? "[" + address + "]" : address, impl_->port_);
}

int Listener::num_connections() const { return impl_->state_.num_connections; }

int Listener::num_open_replies() const {
  const std::lock_guard lock(impl_->state_.replies_mutex);
  return impl_->state_.open_replies;
}

bool Listener::drain(std::chrono::milliseconds limit) { return impl_->drain(limit); }

}  // namespace ponder::net
