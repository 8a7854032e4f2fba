#include "net/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "base/version.h"
#include "net/url.h"

namespace ponder::net {

using HttpClock = std::chrono::steady_clock;

// One answer on its way.
struct HttpTransfer {
  uint64_t id = 0;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  std::string body, host;
  char error[CURL_ERROR_SIZE] = {};
  std::vector<HttpEvent>* events = nullptr;
  const HttpClock::time_point* now = nullptr;  // the client's
  TransferLimits limits;
  HttpHead head;
  size_t header_bytes = 0;
  int64_t body_bytes = 0, sent_bytes = 0;
  bool head_told = false, too_large = false;
  bool began = false;  // a byte of the body came
  bool may_lag = false;
  HttpTransfer** read = nullptr;                  // the client's: whose body came last
  HttpClock::time_point began_at = {};            // when its first byte did
  HttpClock::time_point last = HttpClock::now();  // the start, or when a byte last came

  HttpClock::time_point deadline() const {
    return last + (began ? limits.silence : limits.first_byte);
  }
};

namespace {

constexpr size_t kMostHeaderBytes = size_t{256} << 10;
constexpr size_t kLargeBody = size_t{1} << 20;  // longer on its way than a request for an answer

// How long a socket is left alone, as a share of the time since its answer began: HttpRequest::may_lag. Those of about
// the same time are read together.
constexpr int kNapShare = 100;
constexpr std::chrono::milliseconds kLeastNap{10}, kMostNap{250}, kNapTick{5};

// An Error for a call of libcurl that fails only where memory or our own use of it does.
void check_curl(CURLcode code) {
  if (code == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
  if (code != CURLE_OK) throw Error(ErrorKind::kInternal, "libcurl", curl_easy_strerror(code));
}
void check_multi(CURLMcode code) {
  if (code == CURLM_OUT_OF_MEMORY) throw std::bad_alloc();
  if (code != CURLM_OK) throw Error(ErrorKind::kInternal, "libcurl", curl_multi_strerror(code));
}

std::string key_of(const std::string& variable) {
  const char* value = std::getenv(variable.c_str());
  if (!value || !*value) {
    throw Error(ErrorKind::kUsage, variable, "the environment variable is not set",
                fmt::format("export {}=… in the shell that runs ponder", variable));
  }
  const std::string key = value;
  for (const char c : key) {
    if (c > ' ' && c < 0x7f) continue;
    throw Error(ErrorKind::kUsage, variable,
                "the environment variable holds no key: it has a blank or another "
                "character that no key has",
                "look for a line end or quotes in it");
  }
  return key;
}

TransferFailure::Kind kind_of(CURLcode code, bool head_told) {
  using Kind = TransferFailure::Kind;
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return Kind::kResolve;
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:  // only connecting has curl's own limit
    case CURLE_INTERFACE_FAILED:
    case CURLE_PROXY:
      return Kind::kConnect;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return Kind::kCertificate;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_USE_SSL_FAILED:
      return Kind::kTls;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      return Kind::kNotHttp;
    default:
      return head_told ? Kind::kCut : Kind::kNoAnswer;
  }
}

void take_status(HttpTransfer& transfer, std::string_view line) {
  transfer.head = {};
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return;
  transfer.head.status = std::atoi(std::string(line.substr(space + 1, 3)).c_str());
}

size_t on_header(char* data, size_t size, size_t count, void* user) {
  HttpTransfer& transfer = *static_cast<HttpTransfer*>(user);
  const std::string_view line(data, size * count);
  transfer.last = *transfer.now;
  transfer.header_bytes += line.size();
  transfer.too_large = transfer.header_bytes > kMostHeaderBytes;
  if (transfer.too_large) return 0;
  if (transfer.head_told) return line.size();  // a trailer
  const size_t colon = line.find(':');
  if (line.starts_with("HTTP/")) {
    take_status(transfer, line);
  } else if (trimmed(line).empty()) {
    if (transfer.head.status >= 200) {  // not "100 Continue"
      transfer.head_told = true;
      transfer.events->push_back({transfer.id, transfer.head});
    }
  } else if (colon != std::string_view::npos) {
    transfer.head.headers[lower_ascii(line.substr(0, colon))] = trimmed(line.substr(colon + 1));
  }
  return line.size();
}

size_t on_body(char* data, size_t size, size_t count, void* user) {
  HttpTransfer& transfer = *static_cast<HttpTransfer*>(user);
  const size_t bytes = size * count;
  if (!std::exchange(transfer.began, true)) transfer.began_at = *transfer.now;
  *transfer.read = &transfer;
  transfer.last = *transfer.now;
  transfer.body_bytes += static_cast<int64_t>(bytes);
  transfer.too_large = transfer.body_bytes > transfer.limits.most_body_bytes;
  if (transfer.too_large) return 0;
  // What comes at once is one event.
  auto& events = *transfer.events;
  if (!events.empty() && events.back().transfer == transfer.id) {
    if (auto* before = std::get_if<std::string>(&events.back().what)) {
      before->append(data, bytes);
      return bytes;
    }
  }
  events.push_back({transfer.id, std::string(data, bytes)});
  return bytes;
}

// Bytes of a large body left: the server has not been asked until the last of them has.
int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t sent) {
  HttpTransfer& transfer = *static_cast<HttpTransfer*>(user);
  if (sent > transfer.sent_bytes) transfer.last = HttpClock::now();
  transfer.sent_bytes = sent;
  return 0;
}

// `url` with its query.
std::string address_of(const HttpRequest& request) {
  std::string address = request.url;
  for (const auto& [name, value] : request.query) {
    const std::unique_ptr<char, decltype(&curl_free)> escaped(
        curl_easy_escape(nullptr, value.data(), static_cast<int>(value.size())), curl_free);
    if (!escaped) throw std::bad_alloc();
    address += fmt::format("{}{}={}", address.size() == request.url.size() ? '?' : '&', name,
                           escaped.get());
  }
  return address;
}

void append_header(HttpTransfer& transfer, const std::string& line) {
  curl_slist* list = curl_slist_append(transfer.headers, line.c_str());
  if (!list) throw std::bad_alloc();
  transfer.headers = list;
}

template <typename Value>
void set(const HttpTransfer& transfer, CURLoption option, Value value) {
  check_curl(curl_easy_setopt(transfer.easy, option, value));
}

void forbid_core_files() {
  const rlimit none = {0, 0};
  (void)setrlimit(RLIMIT_CORE, &none);  // a key would stand in one
}

}  // namespace

std::string HttpHead::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

struct HttpClient::Impl {
  explicit Impl(HttpOptions o) : options(std::move(o)) {
    static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
    check_curl(once);
    epoll = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) throw Error(ErrorKind::kInternal, "epoll", std::strerror(errno));
    multi = curl_multi_init();
    if (!multi) {
      ::close(epoll);
      throw std::bad_alloc();
    }
    set_multi(CURLMOPT_MAXCONNECTS, 1024L);
    set_multi(CURLMOPT_SOCKETFUNCTION, on_socket);
    set_multi(CURLMOPT_SOCKETDATA, this);
    set_multi(CURLMOPT_TIMERFUNCTION, on_timer);
    set_multi(CURLMOPT_TIMERDATA, this);
  }
  ~Impl() {
    while (!open.empty()) remove(open.begin()->first);
    curl_multi_cleanup(multi);
    ::close(epoll);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  template <typename Value>
  void set_multi(CURLMoption option, Value value) {
    check_multi(curl_multi_setopt(multi, option, value));
  }

  // Which sockets curl waits for, and until when. So what happens on one costs nothing for the others.
  static int on_socket(CURL*, curl_socket_t socket, int what, void* user, void* known) {
    Impl& impl = *static_cast<Impl*>(user);
    impl.idle.erase(socket);
    impl.naps.erase(socket);
    if (what == CURL_POLL_REMOVE) {
      (void)::epoll_ctl(impl.epoll, EPOLL_CTL_DEL, socket, nullptr);
      return 0;
    }
    epoll_event event = {};
    if (what & CURL_POLL_IN) event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT) event.events |= EPOLLOUT;
    event.data.fd = socket;
    // It may be known, or be another one of that number.
    const int first = known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    const int second = known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (::epoll_ctl(impl.epoll, first, socket, &event) != 0 &&
        ::epoll_ctl(impl.epoll, second, socket, &event) != 0)
      return -1;
    (void)curl_multi_assign(impl.multi, socket, &impl);
    return 0;
  }
  // Reads what there is on a socket, and leaves it alone for a while where its answer may lag.
  void act(int socket, int what) {
    int running = 0;
    read = nullptr;
    check_multi(curl_multi_socket_action(multi, socket, what, &running));
    const auto nap = read ? nap_of(*read) : HttpClock::duration::zero();
    const bool naps_now = naps.contains(socket);
    if (nap >= kLeastNap) {
      if (!naps_now && !watch(socket, 0)) return;  // it is gone
      const auto tick = (now + nap).time_since_epoch() / kNapTick + 1;
      naps[socket] = HttpClock::time_point(tick * kNapTick);
      by_tick[naps[socket]].push_back(socket);
    } else if (naps_now) {
      naps.erase(socket);
      (void)watch(socket, EPOLLIN);
    }
  }
  bool watch(int socket, uint32_t what) const {
    epoll_event event = {};
    event.events = what;
    event.data.fd = socket;
    return ::epoll_ctl(epoll, EPOLL_CTL_MOD, socket, &event) == 0;
  }
  // Of a connection that is one answer's alone.
  HttpClock::duration nap_of(const HttpTransfer& transfer) const {
    long version = 0;
    if (!transfer.may_lag ||
        curl_easy_getinfo(transfer.easy, CURLINFO_HTTP_VERSION, &version) != CURLE_OK ||
        version > CURL_HTTP_VERSION_1_1)
      return HttpClock::duration::zero();
    return std::min<HttpClock::duration>((now - transfer.began_at) / kNapShare, kMostNap);
  }
  void end_naps() {
    while (!by_tick.empty() && by_tick.begin()->first <= now) {
      const auto [due, sockets] = std::move(*by_tick.begin());
      by_tick.erase(by_tick.begin());
      for (const int socket : sockets) {
        const auto nap = naps.find(socket);  // another may have its number now
        if (nap != naps.end() && nap->second == due) act(socket, CURL_CSELECT_IN);
      }
    }
  }

  // The connection of a transfer that has ended waits for another, and nothing may come on it: it would be taken for
  // that one's answer. (curl 7.88 uses such a connection.)
  void watch_idle(CURL* easy) {
    curl_socket_t socket = CURL_SOCKET_BAD;
    if (curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &socket) != CURLE_OK ||
        socket == CURL_SOCKET_BAD)
      return;
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLRDHUP;
    event.data.fd = socket;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) == 0) idle.insert(socket);
  }
  // Curl sees that it is dead, and closes it.
  bool end_idle(int socket) {
    if (idle.erase(socket) == 0) return false;
    (void)::epoll_ctl(epoll, EPOLL_CTL_DEL, socket, nullptr);
    (void)::shutdown(socket, SHUT_RDWR);
    return true;
  }
  static int on_timer(CURLM*, long milliseconds, void* user) {
    Impl& impl = *static_cast<Impl*>(user);
    impl.timer = milliseconds < 0 ? HttpClock::time_point::max()
                                  : HttpClock::now() + std::chrono::milliseconds(milliseconds);
    return 0;
  }

  void prepare(HttpTransfer& transfer, const HttpRequest& request, const Url& url) {
    transfer.easy = curl_easy_init();
    if (!transfer.easy) throw std::bad_alloc();
    transfer.limits = request.limits;
    transfer.body = request.body;
    transfer.host = fmt::format("{}:{}", url.host, url.port);
    transfer.events = &events;
    transfer.now = &now;
    transfer.read = &read;
    transfer.may_lag = request.may_lag;
    set(transfer, CURLOPT_URL, address_of(request).c_str());
    set(transfer, CURLOPT_PRIVATE, &transfer);
    set(transfer, CURLOPT_ERRORBUFFER, transfer.error);
    set(transfer, CURLOPT_NOSIGNAL, 1L);
    set(transfer, CURLOPT_PROTOCOLS_STR, "http,https");
    set(transfer, CURLOPT_FOLLOWLOCATION, 0L);
    set(transfer, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(transfer, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.limits.connect.count()));
    set(transfer, CURLOPT_MAXAGE_CONN, static_cast<long>(options.most_idle.count()));
    set(transfer, CURLOPT_TCP_KEEPALIVE, 1L);
    set(transfer, CURLOPT_HEADERFUNCTION, on_header);
    set(transfer, CURLOPT_HEADERDATA, &transfer);
    set(transfer, CURLOPT_WRITEFUNCTION, on_body);
    set(transfer, CURLOPT_WRITEDATA, &transfer);
    set(transfer, CURLOPT_USERAGENT, user_agent.c_str());
    if (!options.ca_file.empty()) set(transfer, CURLOPT_CAINFO, options.ca_file.c_str());
    if (request.sent_once) {
      set(transfer, CURLOPT_FRESH_CONNECT, 1L);
      set(transfer, CURLOPT_FORBID_REUSE, 1L);
    }
    if (url.is_loopback()) set(transfer, CURLOPT_NOPROXY, "*");
    if (request.method == "POST") {
      set(transfer, CURLOPT_POST, 1L);
      set(transfer, CURLOPT_POSTFIELDS, transfer.body.data());
      set(transfer, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(transfer.body.size()));
      append_header(transfer, "Content-Type: " + request.content_type);
      append_header(transfer, "Expect:");  // no waiting for "100 Continue"
      if (transfer.body.size() > kLargeBody) {
        set(transfer, CURLOPT_NOPROGRESS, 0L);
        set(transfer, CURLOPT_XFERINFOFUNCTION, on_progress);
        set(transfer, CURLOPT_XFERINFODATA, &transfer);
      }
    }
    for (const auto& [name, value] : request.headers) append_header(transfer, name + ": " + value);
    if (!request.api_key_env.empty()) {
      if (url.scheme == "http" && !url.is_loopback() && !options.insecure_key) {
        throw Error(
            ErrorKind::kUsage, url.text(), "a key would go over plain http to another machine",
            "use https, a tunnel (ssh -L), or --insecure-key (a recipe: insecure_key = true) if "
            "the network is your own");
      }
      const std::string key = key_of(request.api_key_env);
      static const bool once = (forbid_core_files(), true);
      (void)once;
      append_header(transfer, "Authorization: Bearer " + key);
    }
    set(transfer, CURLOPT_HTTPHEADER, transfer.headers);
  }

  void remove(uint64_t id) {
    const auto found = open.find(id);
    if (found == open.end()) return;
    HttpTransfer& transfer = *found->second;
    curl_multi_remove_handle(multi, transfer.easy);
    free_handles(transfer);
    open.erase(found);
  }
  static void free_handles(HttpTransfer& transfer) {
    curl_easy_cleanup(transfer.easy);
    curl_slist_free_all(transfer.headers);
  }

  void fail(const HttpTransfer& transfer, TransferFailure::Kind kind, const std::string& problem) {
    events.push_back(
        {transfer.id, TransferFailure{kind, fmt::format("{}: {}", transfer.host, problem)}});
  }

  void end(const HttpTransfer& transfer, CURLcode code) {
    using Kind = TransferFailure::Kind;
    if (code == CURLE_OK && transfer.head_told) {
      events.push_back({transfer.id, HttpEnd{}});
    } else if (transfer.too_large) {
      fail(transfer, Kind::kTooLarge,
           fmt::format("its answer is larger than {}",
                       bytes_text(transfer.head_told ? transfer.limits.most_body_bytes
                                                     : static_cast<int64_t>(kMostHeaderBytes))));
    } else if (code == CURLE_OK) {
      fail(transfer, Kind::kNotHttp, "no answer in HTTP");
    } else {
      const std::string_view said = transfer.error;
      fail(transfer, kind_of(code, transfer.head_told),
           excerpt(said.empty() ? curl_easy_strerror(code) : said, 200));
    }
  }

  // Waits for so long and runs what can run then.
  void wait_and_run(std::chrono::milliseconds timeout) {
    std::array<epoll_event, 256> ready = {};
    const int num_ready = ::epoll_wait(epoll, ready.data(), static_cast<int>(ready.size()),
                                       static_cast<int>(timeout.count()));
    if (num_ready < 0 && errno != EINTR)
      throw Error(ErrorKind::kInternal, "epoll", std::strerror(errno));
    now = HttpClock::now();
    for (int i = 0; i < num_ready; ++i) {
      const epoll_event& event = ready[static_cast<size_t>(i)];
      if (end_idle(event.data.fd)) continue;
      const bool broke = event.events & (EPOLLERR | EPOLLHUP);  // reading says how
      const int what = (event.events & EPOLLIN || broke ? CURL_CSELECT_IN : 0) |
                       (event.events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                       (broke ? CURL_CSELECT_ERR : 0);
      act(event.data.fd, what);
    }
    end_naps();
    if (timer <= now) {
      int running = 0;
      timer = HttpClock::time_point::max();
      check_multi(curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running));
      // We are not told again of a time that it has already named.
      long left = -1;
      check_multi(curl_multi_timeout(multi, &left));
      if (left >= 0) timer = std::min(timer, now + std::chrono::milliseconds(std::max(1L, left)));
    }
    end_transfers();
    end_late();
  }

  void end_transfers() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      HttpTransfer* transfer = nullptr;
      check_curl(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer));
      end(*transfer, message->data.result);
      watch_idle(transfer->easy);
      remove(transfer->id);
    }
  }

  void end_late() {
    if (now < next_deadline) return;
    next_deadline = HttpClock::time_point::max();
    std::vector<uint64_t> late;
    for (const auto& [id, transfer] : open) {
      if (transfer->deadline() <= now)
        late.push_back(id);
      else
        next_deadline = std::min(next_deadline, transfer->deadline());
    }
    for (const uint64_t id : late) {
      const HttpTransfer& transfer = *open.at(id);
      const auto limit = transfer.began ? transfer.limits.silence : transfer.limits.first_byte;
      fail(transfer,
           transfer.began ? TransferFailure::Kind::kSilence : TransferFailure::Kind::kNoAnswer,
           fmt::format("nothing came for {} s", std::chrono::duration<double>(limit).count()));
      remove(id);
    }
  }

  HttpOptions options;
  CURLM* multi = nullptr;
  int epoll = -1;
  std::unordered_set<int> idle;  // sockets that watch_idle watches
  // Sockets that are read by the clock, and when; and by that time, with what has changed since.
  std::unordered_map<int, HttpClock::time_point> naps;
  std::map<HttpClock::time_point, std::vector<int>> by_tick;
  HttpTransfer* read = nullptr;                                // whose body came last
  HttpClock::time_point now = HttpClock::now();                // of the last wait's end
  HttpClock::time_point timer = HttpClock::time_point::max();  // when curl wants to be called
  std::string user_agent = fmt::format("ponder/{}", version());
  std::unordered_map<uint64_t, std::unique_ptr<HttpTransfer>> open;
  std::vector<HttpEvent> events;
  uint64_t next_id = 1;
  // No transfer is late before it. Deadlines move back while bytes come, so it may be early.
  HttpClock::time_point next_deadline = HttpClock::time_point::max();
};

HttpClient::HttpClient(HttpOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

HttpClient::~HttpClient() = default;

uint64_t HttpClient::start(const HttpRequest& request) {
  const Url url = parse_url(request.url, "address");
  auto transfer = std::make_unique<HttpTransfer>();
  transfer->id = impl_->next_id++;
  try {
    impl_->prepare(*transfer, request, url);
    check_multi(curl_multi_add_handle(impl_->multi, transfer->easy));
  } catch (...) {
    Impl::free_handles(*transfer);
    throw;
  }
  impl_->next_deadline = std::min(impl_->next_deadline, transfer->deadline());
  const uint64_t id = transfer->id;
  impl_->open.emplace(id, std::move(transfer));
  return id;
}

void HttpClient::cancel(uint64_t transfer) {
  impl_->remove(transfer);
  std::erase_if(impl_->events, [&](const HttpEvent& event) { return event.transfer == transfer; });
}

std::vector<HttpEvent> HttpClient::poll(std::chrono::milliseconds timeout) {
  if (!impl_->events.empty()) timeout = std::chrono::milliseconds(0);
  auto until = std::min(impl_->next_deadline, impl_->timer);
  if (!impl_->by_tick.empty()) until = std::min(until, impl_->by_tick.begin()->first);
  if (until != HttpClock::time_point::max()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        std::max(HttpClock::duration::zero(), until - HttpClock::now()));
    timeout = std::min(timeout, left);
  }
  impl_->wait_and_run(std::max(timeout, std::chrono::milliseconds(0)));
  return std::exchange(impl_->events, {});
}

size_t HttpClient::num_open() const { return impl_->open.size(); }

HttpAnswer HttpClient::fetch(const HttpRequest& request) {
  const uint64_t id = start(request);
  std::vector<HttpEvent> others;
  HttpAnswer answer;
  for (bool ended = false; !ended;) {
    for (HttpEvent& event : poll(std::chrono::milliseconds(1000))) {
      if (event.transfer != id) {
        others.push_back(std::move(event));
      } else if (auto* head = std::get_if<HttpHead>(&event.what)) {
        answer.head = std::move(*head);
      } else if (const auto* bytes = std::get_if<std::string>(&event.what)) {
        answer.body += *bytes;
      } else {
        ended = true;
        if (auto* failure = std::get_if<TransferFailure>(&event.what))
          answer.failure = std::move(*failure);
      }
    }
  }
  impl_->events.insert(impl_->events.begin(), std::make_move_iterator(others.begin()),
                       std::make_move_iterator(others.end()));
  return answer;
}

std::string without_key(std::string text, const std::string& api_key_env) {
  if (api_key_env.empty()) return text;
  const char* value = std::getenv(api_key_env.c_str());
  if (!value || !*value) return text;
  const std::string_view key = value;
  constexpr std::string_view kMask = "***";
  for (size_t at = text.find(key); at != std::string::npos; at = text.find(key, at + kMask.size()))
    text.replace(at, key.size(), kMask);
  return text;
}

}  // namespace ponder::net
