#include "dash/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "dash/address.h"
#include "dash/site.h"
#include "net/http.h"
#include "net/listener.h"

namespace ponder::dash {
namespace {

constexpr std::chrono::milliseconds kWorkFor{10};  // so long a request waits behind it at most

net::Response page(Answer answer) {
  net::Response response;
  response.status = answer.status;
  response.fields.push_back({"Content-Type", answer.content_type});
  for (const auto& [name, value] : page_fields()) response.fields.push_back({name, value});
  if (!answer.file_name.empty()) {
    response.fields.push_back({"Content-Disposition", "attachment; filename*=UTF-8''" +
                                                          percent_encoded(answer.file_name)});
  }
  response.body = std::move(answer.body);
  return response;
}

net::Response plain(int status, const std::string& words) {
  return page({status, "text/plain; charset=utf-8", words + "\n"});
}

std::string cookie_of(const net::Request& request, const std::string& name) {
  const std::string all(request.field("cookie"));
  for (size_t at = 0; at < all.size();) {
    const size_t end = std::min(all.find(';', at), all.size());
    const size_t begin = std::min(all.find_first_not_of(' ', at), end);
    const std::string pair = all.substr(begin, end - begin);
    if (pair.starts_with(name + "=")) return pair.substr(name.size() + 1);
    at = end + 1;
  }
  return "";
}

// The same page without the key. Never another host's: "//name" would be one.
std::string without_key(const std::string& path, const Parameters& parameters) {
  std::string to;
  for (const char c : path.starts_with("//") ? std::string("/") : path)
    to += c == '/' ? std::string(1, c) : percent_encoded(std::string(1, c));
  return to + address({}, parameters.with("key", "")).substr(1);
}

// A line of an event: its field's value without what would end it.
std::string one_line(std::string any) {
  std::replace_if(
      any.begin(), any.end(), [](char c) { return c == '\n' || c == '\r' || c == '\0'; }, ' ');
  return any;
}

}  // namespace

std::string random_key() {
  std::random_device random;
  std::string key;
  for (int i = 0; i < 4; ++i) key += fmt::format("{:08x}", static_cast<uint32_t>(random()));
  return key;
}

class Server::Impl {
 public:
  Impl(const std::vector<std::filesystem::path>& places, const ServerOptions& options)
      : site_(places), runs_(site_.runs()), key_(options.key) {
    net::ListenerOptions listen;
    listen.address = options.address;
    listen.port = options.port;
    listen.host_names = options.host_names;
    listen.allow_no_key = true;  // it is asked for here: a browser cannot send it as a header
    listener_ = std::make_unique<net::Listener>(
        listen, [this](net::Request request, std::shared_ptr<net::Reply> reply) {
          const std::lock_guard lock(mutex_);
          waiting_.push_back({std::move(request), std::move(reply)});
          changed_.notify_one();
        });
    cookie_ = fmt::format("ponder_dash_{}", listener_->port());
    worker_ = std::thread([this] { work(); });  // it reads all of these
  }

  ~Impl() {
    stop();
    listener_.reset();
  }

  std::string url() const { return listener_->url() + "/?key=" + percent_encoded(key_); }
  uint16_t port() const { return listener_->port(); }
  const std::vector<std::string>& runs() const { return runs_; }

 private:
  struct Asked {
    net::Request request;
    std::shared_ptr<net::Reply> reply;
  };
  struct Follower {
    std::string run;
    std::shared_ptr<net::Reply> reply;
    std::string told;  // the last event
  };

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      changed_.notify_one();
    }
    if (worker_.joinable()) worker_.join();
  }

  void work() {
    using std::chrono::steady_clock;
    steady_clock::time_point next_look = steady_clock::now();
    bool more = true;  // work that pages left for later
    for (;;) {
      std::optional<Asked> asked;
      {
        std::unique_lock lock(mutex_);
        const auto something = [&] { return ended_ || !waiting_.empty(); };
        if (!more && followers_.empty())
          changed_.wait(lock, something);
        else if (!more)
          changed_.wait_until(lock, next_look, something);
        if (ended_) break;
        if (!waiting_.empty()) {
          asked = std::move(waiting_.front());
          waiting_.pop_front();
        }
      }
      if (asked) {
        if (!asked->reply->gone()) answer(*asked);
        more = true;
      } else if (more) {
        more = site_.work(kWorkFor);
      }
      if (steady_clock::now() >= next_look) {
        look();
        next_look = steady_clock::now() + std::chrono::seconds(1);
      }
    }
    for (const Follower& each : followers_) each.reply->end();
    followers_.clear();
  }

  void answer(Asked& asked) {
    const net::Request& request = asked.request;
    const auto query = net::query_parameters(request.query);
    if (request.method != "GET") return asked.reply->send(plain(405, "GET alone"));
    const Parameters parameters(query);
    net::Request shown;  // what was shown as a key, as a header
    const std::string given = parameters.text("key").empty()
                                  ? net::decode_percent(cookie_of(request, cookie_)).value_or("")
                                  : parameters.text("key");
    shown.fields = {{"x-api-key", given}};
    if (!net::carries_key(request, key_) && !net::carries_key(shown, key_)) {
      return asked.reply->send(
          plain(401, "The address that ponder dash prints carries a key: open that one."));
    }
    if (!parameters.text("key").empty()) {  // out of the address line and of what is sent around
      net::Response to = plain(303, "");
      to.fields.push_back({"Location", without_key(request.path, parameters)});
      to.fields.push_back({"Set-Cookie", cookie_ + "=" + percent_encoded(key_) +
                                             "; Path=/; HttpOnly; SameSite=Lax"});
      return asked.reply->send(std::move(to));
    }
    if (const std::string run = site_.events_of(request.path); !run.empty()) {
      net::Response head;
      head.fields = {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}};
      head.body = "retry: 3000\n\n";
      asked.reply->begin(std::move(head), ": still here\n\n");
      followers_.push_back({run, asked.reply, std::string(request.field("last-event-id"))});
      return;
    }
    asked.reply->send(page(site_.get(request.path, query)));
  }

  // What is new of the runs that are followed.
  void look() {
    std::erase_if(followers_, [](const Follower& each) { return each.reply->gone(); });
    std::map<std::string, std::string> events;
    for (Follower& each : followers_) {
      auto event = events.find(each.run);
      if (event == events.end()) {
        const Site::Event now = site_.event(each.run);
        event = events
                    .emplace(each.run, fmt::format("id: {}\ndata: {}\n\n", one_line(now.state),
                                                   one_line(now.now)))
                    .first;
      }
      if (each.told == event->second) continue;
      each.told = event->second;
      each.reply->write(event->second);
    }
  }

  Site site_;
  const std::vector<std::string> runs_;
  const std::string key_;
  std::string cookie_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Asked> waiting_;
  bool ended_ = false;
  std::vector<Follower> followers_;  // of the worker alone
  std::thread worker_;
  std::unique_ptr<net::Listener> listener_;
};

Server::Server(const std::vector<std::filesystem::path>& places, const ServerOptions& options)
    : impl_(std::make_unique<Impl>(places, options)) {}
Server::~Server() = default;
std::string Server::url() const { return impl_->url(); }
uint16_t Server::port() const { return impl_->port(); }
std::vector<std::string> Server::runs() const { return impl_->runs(); }

}  // namespace ponder::dash
