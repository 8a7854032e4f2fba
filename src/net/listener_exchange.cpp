#include "net/listener_exchange.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <utility>

namespace ponder::net {
namespace {

// A line end in a field would be a second field.
std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  return line;
}

class ReplyOfExchange : public Reply {
 public:
  explicit ReplyOfExchange(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~ReplyOfExchange() override { exchange_->abort(); }
  ReplyOfExchange(const ReplyOfExchange&) = delete;
  ReplyOfExchange& operator=(const ReplyOfExchange&) = delete;

  void send(Response response) override { exchange_->send(std::move(response)); }
  void begin(Response head, std::string ping) override {
    exchange_->begin(std::move(head), std::move(ping));
  }
  void write(std::string_view bytes) override { exchange_->write(bytes); }
  void end() override { exchange_->end(); }
  void abort() override { exchange_->abort(); }
  bool gone() const override { return exchange_->gone(); }
  size_t unsent_bytes() const override { return exchange_->unsent_bytes(); }
  void on_gone(std::function<void()> call) override { exchange_->on_gone(std::move(call)); }

 private:
  std::shared_ptr<Exchange> exchange_;
};

}  // namespace

std::shared_ptr<Reply> reply_to(std::shared_ptr<Exchange> exchange) {
  return std::make_shared<ReplyOfExchange>(std::move(exchange));
}

void Exchange::start(Response&& response, Framing framing) {
  begun_ = true;
  framing_ = framing;
  if (framing == Framing::kUntilClose) settings_.keep_alive = false;
  head_ = fmt::format("HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S} GMT\r\n", response.status,
                      reason_phrase(response.status), fmt::gmtime(std::time(nullptr)));
  for (const std::vector<Field>* fields : {&response.fields, &settings_.extra_fields})
    for (const Field& field : *fields)
      head_ += fmt::format("{}: {}\r\n", one_line(field.name), one_line(field.value));
  const bool no_body = response.status == 204 || response.status == 304;
  if (framing == Framing::kChunked) head_ += "Transfer-Encoding: chunked\r\n";
  if (framing == Framing::kLength && !no_body)
    head_ += fmt::format("Content-Length: {}\r\n", response.body.size());
  head_ += settings_.keep_alive ? "\r\n" : "Connection: close\r\n\r\n";
  if (!no_body) waiting_ = std::move(response.body);
}

void Exchange::wake() {
  if (gone_ || woken_) return;
  woken_ = true;
  settings_.wake();
}

Exchange::Piece Exchange::take() {
  const std::lock_guard lock(mutex_);
  woken_ = false;
  Piece piece;
  piece.bytes = std::exchange(head_, "");
  if (settings_.head_only) {
    waiting_.clear();
  } else if (framing_ == Framing::kChunked) {
    if (!waiting_.empty()) piece.bytes += fmt::format("{:x}\r\n{}\r\n", waiting_.size(), waiting_);
    if (ended_ && !aborted_) piece.bytes += "0\r\n\r\n";
  } else {
    piece.bytes += waiting_;
  }
  waiting_.clear();
  in_flight_ = piece.bytes.size();
  piece.last = ended_;
  piece.abort = aborted_;
  return piece;
}

void Exchange::sent() {
  const std::lock_guard lock(mutex_);
  in_flight_ = 0;
}

bool Exchange::finished() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

bool Exchange::keep_alive() const {
  const std::lock_guard lock(mutex_);
  return settings_.keep_alive;
}

std::string Exchange::ping() const {
  const std::lock_guard lock(mutex_);
  return ended_ ? "" : ping_;
}

void Exchange::leave() {
  std::function<void()> call;
  {
    const std::lock_guard lock(mutex_);
    if (gone_) return;
    gone_ = true;
    if (!ended_) call = std::move(on_gone_);
    head_.clear();
    waiting_.clear();
  }
  if (call) call();
}

void Exchange::send(Response response) {
  const std::lock_guard lock(mutex_);
  if (gone_ || begun_) return;
  start(std::move(response), Framing::kLength);
  ended_ = true;
  wake();
}

void Exchange::begin(Response head, std::string ping) {
  const std::lock_guard lock(mutex_);
  if (gone_ || begun_) return;
  ping_ = std::move(ping);
  start(std::move(head), settings_.http_1_0 ? Framing::kUntilClose : Framing::kChunked);
  wake();
}

void Exchange::write(std::string_view bytes) {
  std::function<void()> call;
  {
    const std::lock_guard lock(mutex_);
    if (gone_ || !begun_ || ended_ || bytes.empty()) return;
    waiting_ += bytes;
    if (waiting_.size() <= settings_.max_unsent_bytes) return wake();
    ended_ = aborted_ = true;  // nobody reads
    waiting_.clear();
    wake();
    call = std::move(on_gone_);
  }
  if (call) call();
}

void Exchange::end() {
  const std::lock_guard lock(mutex_);
  if (gone_ || !begun_ || ended_) return;
  ended_ = true;
  wake();
}

void Exchange::abort() {
  const std::lock_guard lock(mutex_);
  if (gone_ || ended_) return;
  ended_ = aborted_ = true;
  settings_.keep_alive = false;
  wake();
}

bool Exchange::gone() const {
  const std::lock_guard lock(mutex_);
  return gone_ || aborted_;
}

size_t Exchange::unsent_bytes() const {
  const std::lock_guard lock(mutex_);
  return head_.size() + waiting_.size() + in_flight_;
}

void Exchange::on_gone(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    if (!gone_ && !aborted_) {
      on_gone_ = std::move(call);
      return;
    }
  }
  call();
}

}  // namespace ponder::net
