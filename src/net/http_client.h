// An HTTP client for many answers at once, over libcurl's multi interface: hundreds of streams on the
// thread that calls poll. It has no limit on the whole time of an answer, only on silence; follows no
// redirects, speaks http and https only, always checks certificates, and takes proxies from the
// usual variables (http_proxy, https_proxy, all_proxy, no_proxy; never for this machine itself).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ponder::net {

struct TransferLimits {
  std::chrono::milliseconds connect{10'000};
  // To the first byte of the body: some servers send the head at once and are silent while the
  // request waits. Counts from the last byte of the request that left.
  std::chrono::milliseconds first_byte{900'000};
  std::chrono::milliseconds silence{120'000};   // without a byte, once it began
  int64_t most_body_bytes = int64_t{64} << 20;  // of the answer
};

struct HttpRequest {
  std::string method = "GET";  // a body goes with POST
  std::string url;
  std::vector<std::pair<std::string, std::string>> query;  // escaped here
  std::string body, content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;  // nothing secret
  // The environment variable that holds the key, sent as a bearer token; "" for none. Read when the
  // request starts and kept nowhere.
  std::string api_key_env;
  // On a connection of its own, closed behind it. On one that was used before libcurl sends a request again by itself where the
  // connection ends before a byte of the answer, whatever the server did with the first.
  bool sent_once = false;
  TransferLimits limits;
  // Nobody watches: a piece of the answer may come later than it could, by up to a hundredth of the time since the
  // first one and never by more than a quarter of a second. Of hundreds of streams several pieces then come at
  // once, which costs less.
  bool may_lag = false;
};

struct HttpHead {
  int status = 0;
  std::map<std::string, std::string> headers;         // names in lower case; of several the last
  std::string header(const std::string& name) const;  // "" where there is none
};

struct HttpEnd {};  // the answer came whole

// Why no whole answer came.
struct TransferFailure {
  enum class Kind {
    kResolve,      // the name is not known
    kConnect,      // refused, not reachable, not in time
    kCertificate,  // not the one of that name, or nobody known vouches for it
    kTls,
    kNoAnswer,  // limits.first_byte passed, or the connection ended before the head
    kSilence,   // limits.silence passed
    kCut,       // the connection ended or was reset within the answer
    kNotHttp,
    kTooLarge,  // limits.most_body_bytes, or headers of more than 256 KiB
  };
  Kind kind = Kind::kCut;
  std::string message;  // a sentence without a stop, for people
};

struct HttpEvent {
  uint64_t transfer = 0;
  std::variant<HttpHead, std::string, HttpEnd, TransferFailure> what;  // the last two end it
};

struct HttpAnswer {
  HttpHead head;
  std::string body;
  std::optional<TransferFailure> failure;  // head and body are what came until then
};

struct HttpOptions {
  std::filesystem::path ca_file;  // certificates of one's own, instead of the system's
  // A connection idle for longer is not used again: some servers close theirs after five seconds.
  std::chrono::seconds most_idle{4};
  bool insecure_key = false;  // a key may go over plain http to another machine
};

// Belongs to one thread.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Begins a transfer and returns its number. Throws Error (usage) for an address that is none, a
  // variable that is not set or holds no key, and a key that would go over plain http to another
  // machine.
  uint64_t start(const HttpRequest& request);
  // Gives the transfer up: its connection is closed and no event of it comes. One that has ended is
  // no error.
  void cancel(uint64_t transfer);
  // Waits until something happened or the time is over, and returns what happened, in order.
  std::vector<HttpEvent> poll(std::chrono::milliseconds timeout);
  size_t num_open() const;

  // One whole answer, waited for; other transfers go on and keep their events for poll.
  HttpAnswer fetch(const HttpRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// `text` with the value of the environment variable masked, for whatever is shown of an answer.
std::string without_key(std::string text, const std::string& api_key_env);

}  // namespace ponder::net
