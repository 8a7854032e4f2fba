#include "net/listener_connection.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/error.h"

namespace ponder::net {
namespace {

using boost::system::error_code;

constexpr size_t kMaxPipelinedBytes = 64 << 10;
constexpr std::chrono::seconds kLingerFor{2};

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
    case ErrorKind::kInput:
      return 400;
    case ErrorKind::kNotFound:
      return 404;
    case ErrorKind::kBusy:
      return 503;
    case ErrorKind::kInternal:
      return 500;
  }
  return 500;
}

}  // namespace

void ListenerState::count_reply(int change) {
  const std::lock_guard lock(replies_mutex);
  open_replies += change;
  replies_changed.notify_all();
}

Connection::Connection(ListenerState& state, boost::asio::ip::tcp::socket socket)
    : state_(state),
      socket_(std::move(socket)),
      reader_(state.options.limits),
      since_(Clock::now()),
      progress_(since_) {}

void Connection::start() {
  error_code ignored;
  socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  read();
}

void Connection::close() {
  if (std::exchange(closed_, true)) return;
  if (exchange_) {
    exchange_->leave();
    exchange_.reset();
    state_.count_reply(-1);
  }
  error_code ignored;
  socket_.close(ignored);
  if (state_.connections.erase(shared_from_this()) > 0) --state_.num_connections;
}

void Connection::tick(Clock::time_point now) {
  const ListenerOptions& options = state_.options;
  if (lingering_) {
    if (now - since_ > kLingerFor) close();
    return;
  }
  if (writing_) {
    if (now - progress_ > options.write_within) close();
    return;
  }
  if (exchange_) {
    if (now - progress_ < options.ping_after) return;
    const std::string ping = exchange_->ping();
    if (!ping.empty()) exchange_->write(ping);
    return;
  }
  if (!reader_.began()) {
    if (now - since_ > (first_ ? options.head_within : options.idle_for)) close();
    return;
  }
  const bool head = reader_.state() == RequestReader::State::kHead;
  if (now - since_ > (head ? options.head_within : options.body_within))
    refuse(408, head ? "the head of the request did not come in time"
                     : "the body of the request did not come in time");
}

// A read is always pending, also while an answer is made: it sees the client leave.
void Connection::read() {
  socket_.async_read_some(
      boost::asio::buffer(bytes_),
      [self = shared_from_this()](error_code error, size_t count) { self->on_read(error, count); });
}

void Connection::on_read(error_code error, size_t count) {
  if (closed_) return;
  if (lingering_) return error ? close() : read();
  if (error) {
    // An answer that is whole is still sent to who has closed only the sending half.
    left_ = error == boost::asio::error::eof && exchange_ && exchange_->finished();
    return left_ ? void() : close();
  }
  reader_.push({bytes_.data(), count});
  process();
  if (!closed_) read();
}

void Connection::process() {
  using State = RequestReader::State;
  while (!closed_ && !exchange_ && !lingering_) {
    const State state = reader_.state();
    if (state != seen_ || reader_.began() != seen_began_) since_ = Clock::now();
    seen_ = state;
    seen_began_ = reader_.began();
    if (state == State::kHead) return;
    if (state == State::kRefused) return refuse(reader_.status(), reader_.problem());
    if (!head_checked_) {
      if (!check_head()) return;
      head_checked_ = true;
    }
    if (state == State::kBody) {
      if (reader_.take_expectation() && !writing_) {
        out_ = "HTTP/1.1 100 Continue\r\n\r\n";
        last_ = abort_ = false;
        write_some();
      }
      return;
    }
    hand_over();
  }
  if (exchange_ && reader_.num_kept_bytes() > kMaxPipelinedBytes) close();
}

bool Connection::check_head() {
  const Request& request = reader_.request();
  const auto is_ours = [&](const std::optional<std::string>& host) {
    if (!host) return false;
    if (state_.hosts.contains(*host)) return true;
    // The address the connection came to, as a number: no name was asked that could lead here.
    error_code ignored;
    return socket_.local_endpoint(ignored).address().to_string(ignored) == *host;
  };
  if (!is_ours(host_of(request.field("host")))) {
    refuse(403, fmt::format("the host \"{}\" is not this server's; start it with --host-name to "
                            "have it answer to that name",
                            excerpt(request.field("host"))));
    return false;
  }
  const std::string_view origin = request.field("origin");
  if (!origin.empty() && !is_ours(host_of_origin(origin))) {
    refuse(403, fmt::format("pages of \"{}\" may not ask this server", excerpt(origin)));
    return false;
  }
  const ListenerOptions& options = state_.options;
  const bool preflight = request.method == "OPTIONS" && !origin.empty();
  bool open = options.api_key.empty() || preflight;
  for (const std::string& path : options.open_paths) open = open || path == request.path;
  if (open || carries_key(request, options.api_key)) return true;
  refuse(401, "the key is missing or wrong; it goes into the field \"Authorization: Bearer KEY\"");
  return false;
}

std::shared_ptr<Exchange> Connection::open_exchange(const Request& request) {
  Exchange::Settings settings;
  settings.http_1_0 = request.http_1_0;
  settings.head_only = request.method == "HEAD";
  settings.keep_alive = request.keep_alive && !state_.draining;
  settings.max_unsent_bytes = state_.options.max_unsent_bytes;
  settings.extra_fields = {{"X-Content-Type-Options", "nosniff"}};
  if (const std::string_view origin = request.field("origin"); !origin.empty()) {
    settings.extra_fields.push_back({"Access-Control-Allow-Origin", std::string(origin)});
    settings.extra_fields.push_back({"Vary", "Origin"});
  }
  settings.wake = [&io = state_.io, weak = weak_from_this()] {
    boost::asio::post(io, [weak] {
      if (const auto alive = weak.lock()) alive->flush();
    });
  };
  return std::make_shared<Exchange>(std::move(settings));
}

void Connection::hand_over() {
  Request request = reader_.take();
  head_checked_ = false;
  first_ = false;
  progress_ = Clock::now();
  exchange_ = open_exchange(request);
  state_.count_reply(+1);
  const std::shared_ptr<Reply> reply = reply_to(exchange_);
  if (request.method == "OPTIONS" && request.field("origin") != "") {
    const std::string_view asked = request.field("access-control-request-headers");
    reply->send({204,
                 {{"Access-Control-Allow-Methods", "GET, POST, OPTIONS"},
                  {"Access-Control-Allow-Headers", std::string(asked)},
                  {"Access-Control-Max-Age", "600"}},
                 ""});
    return;
  }
  try {
    state_.handler(std::move(request), reply);
  } catch (const Error& error) {
    reply->send(error_response(status_of(error.kind()), error.what()));
  } catch (const std::exception& error) {
    reply->send(error_response(500, "the server failed at this request"));
  }
}

void Connection::refuse(int status, std::string_view problem) {
  if (state_.options.on_refused) state_.options.on_refused(status);
  Request request;
  request.keep_alive = false;
  exchange_ = open_exchange(request);
  state_.count_reply(+1);
  Response response = error_response(status, problem);
  if (status == 401) response.fields.push_back({"WWW-Authenticate", "Bearer"});
  if (status == 503) response.fields.push_back({"Retry-After", "1"});
  exchange_->send(std::move(response));
}

void Connection::flush() {
  if (closed_ || writing_ || !exchange_) return;
  Exchange::Piece piece = exchange_->take();
  last_ = piece.last;
  abort_ = piece.abort;
  out_ = std::move(piece.bytes);
  if (!out_.empty()) return write_some();
  if (last_) finish_exchange();
}

void Connection::write_some() {
  if (!std::exchange(writing_, true)) {
    out_begin_ = 0;
    progress_ = Clock::now();
  }
  socket_.async_write_some(boost::asio::buffer(out_) + out_begin_,
                           [self = shared_from_this()](error_code error, size_t count) {
                             self->on_written(error, count);
                           });
}

void Connection::on_written(error_code error, size_t count) {
  if (closed_) return;
  if (error) return close();
  progress_ = Clock::now();
  out_begin_ += count;
  if (out_begin_ < out_.size()) return write_some();
  writing_ = false;
  out_.clear();
  if (exchange_) exchange_->sent();
  if (last_) return finish_exchange();
  flush();
}

void Connection::finish_exchange() {
  if (abort_ || left_) return close();
  const bool keep_alive = exchange_->keep_alive() && !state_.draining;
  exchange_->leave();
  exchange_.reset();
  state_.count_reply(-1);
  last_ = false;
  since_ = Clock::now();
  if (!keep_alive) return linger();
  process();
}

// Closing over bytes that have not been read would reset the connection, and the client might lose
// the answer: its remaining ones are read and dropped for a moment.
void Connection::linger() {
  lingering_ = true;
  error_code ignored;
  socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
}

}  // namespace ponder::net
