#include "testing/fault_proxy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <stdexcept>
#include <thread>

#include "base/json.h"
#include "base/philox.h"
#include "base/text.h"
#include "testing/raw_connection.h"

namespace ponder::testing {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kShares = 0xfa17, kPlaces = 0xfa18;
constexpr int kLatestEvent = 3;  // at which a fault in the middle comes
constexpr std::chrono::seconds kLongest{60};

// The events that a fault waits for.
enum class Place {
  kHead,    // none: the server is not asked
  kFirst,   // the first
  kMiddle,  // one of the first, or that with the finish reason
  kFinish,
  kUsage,
  kDone,
  kEvery,
  kAny,  // the first that can carry it
};

struct Row {
  Fault fault;
  const char* name;
  FaultKind kind;
  Place place;
};
constexpr auto kHarmless = FaultKind::kHarmless, kPassing = FaultKind::kPassing,
               kOfTokens = FaultKind::kOfTokens, kLie = FaultKind::kLie;
constexpr std::array kRows = {
    Row{Fault::kTooMany, "429", kPassing, Place::kHead},
    Row{Fault::kTooManyForMs, "429 for ms", kPassing, Place::kHead},
    Row{Fault::kTooManyForSecond, "429 for a second", kPassing, Place::kHead},
    Row{Fault::kTooManyUntilDate, "429 until a date", kPassing, Place::kHead},
    Row{Fault::kServerError, "500", kPassing, Place::kHead},
    Row{Fault::kBadGateway, "502", kPassing, Place::kHead},
    Row{Fault::kUnavailable, "503", kPassing, Place::kHead},
    Row{Fault::kOverloaded, "529", kPassing, Place::kHead},
    Row{Fault::kHtml, "html", kPassing, Place::kHead},
    Row{Fault::kEmpty, "empty", kPassing, Place::kHead},
    Row{Fault::kClosed, "closed", kPassing, Place::kHead},
    Row{Fault::kReset, "reset", kPassing, Place::kHead},
    Row{Fault::kLongHeader, "long header", kPassing, Place::kHead},
    Row{Fault::kLengthTooLong, "length too long", kPassing, Place::kHead},
    Row{Fault::kLengthTooShort, "length too short", kPassing, Place::kHead},
    Row{Fault::kEndless, "endless", kPassing, Place::kHead},
    Row{Fault::kSilence, "silence", kPassing, Place::kFirst},
    Row{Fault::kNothing, "nothing", kPassing, Place::kFirst},
    Row{Fault::kResetInBody, "reset in body", kPassing, Place::kMiddle},
    Row{Fault::kHalfClose, "half close", kPassing, Place::kMiddle},
    Row{Fault::kErrorEvent, "error event", kPassing, Place::kMiddle},
    Row{Fault::kTornEvent, "torn event", kPassing, Place::kMiddle},
    Row{Fault::kTornJson, "torn JSON", kPassing, Place::kMiddle},
    Row{Fault::kBrokenText, "broken text", kPassing, Place::kMiddle},
    Row{Fault::kBetweenEvents, "between events", kPassing, Place::kMiddle},
    Row{Fault::kNoFinish, "no finish", kPassing, Place::kFinish},
    Row{Fault::kUnknownFinish, "unknown finish", kPassing, Place::kFinish},
    Row{Fault::kAnotherId, "another id", kPassing, Place::kMiddle},
    Row{Fault::kDrip, "drip", kHarmless, Place::kMiddle},
    Row{Fault::kComments, "comments", kHarmless, Place::kMiddle},
    Row{Fault::kNoDone, "no done", kHarmless, Place::kDone},
    Row{Fault::kClosedIdle, "closed idle", kHarmless, Place::kDone},
    Row{Fault::kUnasked, "unasked", kHarmless, Place::kDone},
    Row{Fault::kTwice, "twice", kOfTokens, Place::kMiddle},
    Row{Fault::kLost, "lost", kOfTokens, Place::kMiddle},
    Row{Fault::kSwapped, "swapped", kOfTokens, Place::kMiddle},
    Row{Fault::kNotANumber, "NaN", kOfTokens, Place::kMiddle},
    Row{Fault::kNoEndToken, "no end token", kOfTokens, Place::kFinish},
    Row{Fault::kEarlyLength, "early length", kOfTokens, Place::kMiddle},
    Row{Fault::kNoUsage, "no usage", kOfTokens, Place::kUsage},
    Row{Fault::kCountOff, "count off", kOfTokens, Place::kUsage},
    Row{Fault::kZeroUsage, "zero usage", kOfTokens, Place::kUsage},
    Row{Fault::kAbsurdUsage, "absurd usage", kOfTokens, Place::kUsage},
    Row{Fault::kOneId, "one id", kLie, Place::kAny},
    Row{Fault::kAnotherPrompt, "another prompt", kLie, Place::kFirst},
    Row{Fault::kAnotherModel, "another model", kLie, Place::kEvery},
    Row{Fault::kAnotherArithmetic, "another arithmetic", kLie, Place::kEvery},
};
const Row& row_of(Fault fault) { return *std::ranges::find(kRows, fault, &Row::fault); }

std::string event_of(const Json& json) { return "data: " + dump_json(json) + "\n\n"; }

// Null for [DONE] and comments.
Json json_of(const std::string& event) {
  if (!event.starts_with("data: {")) return nullptr;
  return parse_json(std::string_view(event).substr(6, event.size() - 8), "event");
}

bool has_choice(const Json& json) {
  return json.is_object() && json.contains("choices") && !json["choices"].empty();
}
bool ends(const Json& json) {
  return has_choice(json) && json["choices"][0].value("finish_reason", Json()).is_string();
}
size_t num_ids(const Json& json) {
  return has_choice(json) ? json["choices"][0].value("token_ids", Json::array()).size() : 0;
}

// `number` of the event, from 0.
bool meets(Place place, const Json& json, const std::string& event, int number, int middle) {
  switch (place) {
    case Place::kHead:
      return false;
    case Place::kFirst:
      return number == 0;
    case Place::kMiddle:
      return has_choice(json) && (number >= middle || ends(json));
    case Place::kFinish:
      return ends(json);
    case Place::kUsage:
      return json.is_object() && json.contains("usage") && json["usage"].is_object();
    case Place::kDone:
      return event == "data: [DONE]\n\n";
    case Place::kEvery:
    case Place::kAny:
      return json.is_object();
  }
  return false;
}

enum class Then { kGoOn, kDrip, kBehindNext, kEnd, kHold, kReset, kHalfClose, kClose, kAnswerMore };
// What the client is given in an event's place.
struct Instead {
  std::string bytes;
  Then then = Then::kGoOn;
};

std::string with_not_a_number(const std::string& event) {
  const std::string before = "\"token_logprobs\":[";
  const size_t begin = event.find(before);
  if (begin == event.npos || event[begin + before.size()] == ']') return "";
  const size_t number = begin + before.size(), end = event.find_first_of(",]", number);
  return event.substr(0, number) + "NaN" + event.substr(end);
}

// The same event with one field that is not as it was; "" where it has no such field.
std::string changed(Fault fault, Json json) {
  Json none = Json::object();
  Json& choice = json["choices"].empty() ? none : json["choices"][0];
  const bool has_ids = choice.contains("token_ids") && !choice["token_ids"].empty();
  const auto remove_last = [](Json& list) { list.erase(list.size() - 1); };
  switch (fault) {
    case Fault::kUnknownFinish:
      choice["finish_reason"] = "gone";
      break;
    case Fault::kAnotherId:
      json["id"] = "cmpl-of-another";
      break;
    case Fault::kNoEndToken:
      if (!has_ids) return "";
      remove_last(choice["token_ids"]);
      if (choice["logprobs"].is_object()) remove_last(choice["logprobs"]["token_logprobs"]);
      break;
    case Fault::kOneId:
      if (!has_ids || choice["text"] == "") return "";
      choice["token_ids"][0] = choice["token_ids"][0] == 'a' ? 'b' : 'a';
      break;
    case Fault::kAnotherPrompt:
      if (!choice.contains("prompt_token_ids")) return "";
      choice["prompt_token_ids"].insert(choice["prompt_token_ids"].begin(), 1);
      break;
    case Fault::kCountOff:
      json["usage"]["completion_tokens"] = json["usage"]["completion_tokens"].get<int64_t>() + 1;
      break;
    case Fault::kZeroUsage:
      json["usage"]["completion_tokens"] = 0;
      break;
    case Fault::kAbsurdUsage:
      json["usage"]["completion_tokens"] = int64_t{1} << 60;
      break;
    case Fault::kAnotherModel:
      json["model"] = "ponder-of-last-round";
      break;
    default:  // kAnotherArithmetic
      json["system_fingerprint"] = json["system_fingerprint"].get<std::string>() + "-rounded";
  }
  return event_of(json);
}

// The answer ends here as if it had been asked for no more tokens.
std::string early_end(Json json, size_t num_prompt, size_t num_tokens) {
  json["choices"][0]["finish_reason"] = "length";
  std::string events = event_of(json);
  json["choices"] = Json::array();
  json["usage"] = {{"prompt_tokens", num_prompt}, {"completion_tokens", num_tokens}};
  return events + event_of(json) + "data: [DONE]\n\n";
}

// Nothing where this event cannot carry the fault.
std::optional<Instead> instead_of(const std::string& event, Fault fault, const Json& json) {
  const std::string half = event.substr(0, event.size() / 2);
  switch (fault) {
    case Fault::kSilence:
      return Instead{": waiting\n\n", Then::kHold};
    case Fault::kNothing:
    case Fault::kBetweenEvents:
    case Fault::kNoFinish:
    case Fault::kNoUsage:
    case Fault::kNoDone:
      return Instead{"", Then::kEnd};
    case Fault::kResetInBody:
      return Instead{"", Then::kReset};
    case Fault::kHalfClose:
      return Instead{"", Then::kHalfClose};
    case Fault::kErrorEvent:
      return Instead{"data: {\"error\":{\"message\":\"lost its way\",\"code\":500}}\n\n",
                     Then::kEnd};
    case Fault::kTornEvent:
      return Instead{half, Then::kEnd};
    case Fault::kTornJson:
      return Instead{half + "\n\n"};
    case Fault::kBrokenText:
      return Instead{half + "\xff" + event.substr(half.size())};
    case Fault::kDrip:
      return Instead{event, Then::kDrip};
    case Fault::kComments:
      return Instead{"\n\n: still there\r\n\r\n\n: and still\n\n" + event + "\n"};
    case Fault::kClosedIdle:
      return Instead{event, Then::kClose};
    case Fault::kUnasked:
      return Instead{event, Then::kAnswerMore};
    case Fault::kTwice:
      return Instead{event + event};
    case Fault::kLost:
      return Instead{""};
    case Fault::kSwapped:
      return Instead{event, Then::kBehindNext};
    default:
      break;
  }
  const std::string other =
      fault == Fault::kNotANumber ? with_not_a_number(event) : changed(fault, json);
  if (other.empty()) return std::nullopt;
  return Instead{other};
}

std::deque<Fault> in_turn(std::vector<Fault> faults, size_t first) {
  std::rotate(faults.begin(), faults.begin() + static_cast<std::ptrdiff_t>(first), faults.end());
  return {faults.begin(), faults.end()};
}

std::string date_in_a_second() {
  const std::time_t then = std::time(nullptr) + 1;
  std::tm parts = {};
  gmtime_r(&then, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

}  // namespace

// An answer of the server, as it comes. Given up where the client has left.
class ServerAnswer {
 public:
  ServerAnswer(uint16_t port, ScriptedConnection& client) : server_(port), client_(client) {}

  void ask(const std::string& request) { server_.send(request); }
  bool read_head() {
    size_t end = 0;
    while ((end = raw_.find("\r\n\r\n")) == raw_.npos)
      if (!more()) return false;
    head_ = raw_.substr(0, end + 4);
    raw_.erase(0, end + 4);
    return true;
  }
  const std::string& head() const { return head_; }
  bool is_stream() const { return lower_ascii(head_).find("text/event-stream") != head_.npos; }

  // With its blank line; nothing where no more comes.
  std::optional<std::string> next_event() {
    while (true) {
      if (const size_t end = body_.find("\n\n"); end != body_.npos) {
        std::string event = body_.substr(0, end + 2);
        body_.erase(0, end + 2);
        return event;
      }
      if (whole_ || !take_chunk()) return std::nullopt;
    }
  }
  // A body of known length.
  std::string rest() {
    const size_t at = lower_ascii(head_).find("content-length: ");
    const size_t length = at == head_.npos ? 0 : std::strtoull(&head_[at + 16], nullptr, 10);
    while (raw_.size() < length)
      if (!more()) return "";
    whole_ = true;
    return raw_;
  }
  bool whole() const { return whole_; }

 private:
  bool more() {
    while (!client_.gone_within(milliseconds(0))) {
      const std::string got = server_.receive_some(milliseconds(50));
      raw_ += got;
      if (!got.empty()) return true;
      if (server_.ended()) return false;
    }
    return false;
  }
  bool take_chunk() {
    while (true) {
      const size_t line = raw_.find("\r\n");
      const size_t size = std::strtoull(raw_.c_str(), nullptr, 16);
      if (line != raw_.npos && raw_.size() >= line + 2 + size + 2) {
        body_ += raw_.substr(line + 2, size);
        raw_.erase(0, line + 2 + size + 2);
        whole_ = size == 0;
        return true;
      }
      if (!more()) return false;
    }
  }

  RawConnection server_;
  ScriptedConnection& client_;
  std::string raw_, head_, body_;
  bool whole_ = false;
};

std::vector<Fault> faults_of(const std::vector<FaultKind>& kinds) {
  std::vector<Fault> faults;
  for (const Row& row : kRows)
    if (std::ranges::find(kinds, row.kind) != kinds.end()) faults.push_back(row.fault);
  return faults;
}

std::string to_string(Fault fault) { return row_of(fault).name; }

FaultProxy::FaultProxy(std::function<uint16_t()> server, Options options)
    : server_(std::move(server)),
      options_(std::move(options)),
      turns_(in_turn(options_.faults, options_.first)),
      proxy_([this](ScriptedConnection& client) { serve(client); }) {}

std::map<std::string, int> FaultProxy::happened() const {
  const std::lock_guard lock(mutex_);
  return happened_;
}
std::map<std::string, int> FaultProxy::broken() const {
  const std::lock_guard lock(mutex_);
  return broken_;
}
std::map<std::string, int> FaultProxy::answered() const {
  const std::lock_guard lock(mutex_);
  return answered_;
}
int FaultProxy::num_exchanges() const {
  const std::lock_guard lock(mutex_);
  return num_exchanges_;
}
int FaultProxy::num_left() const {
  const std::lock_guard lock(mutex_);
  return num_left_;
}
int FaultProxy::num_lost() const {
  const std::lock_guard lock(mutex_);
  return num_lost_;
}

void FaultProxy::serve(ScriptedConnection& client) {
  for (std::string request; !(request = client.read_request()).empty();) {
    try {
      if (!exchange(client, request)) return;
    } catch (const std::exception&) {  // nobody listens
      const std::lock_guard lock(mutex_);
      num_lost_ += !request.ends_with("\r\n\r\n");
      return;
    }
  }
}

std::optional<Fault> FaultProxy::choose(int number) {
  if (options_.choose) return options_.choose(number);
  const double drawn = Random(options_.seed, kShares).uniform(static_cast<uint64_t>(number));
  if (drawn >= options_.share) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (turns_.empty()) return std::nullopt;
  const Fault fault = turns_.front();
  turns_.pop_front();
  return fault;
}

void FaultProxy::wait_for_next(Fault fault) {
  const std::lock_guard lock(mutex_);
  if (!options_.choose) turns_.push_front(fault);
}

void FaultProxy::count(Fault fault) {
  const std::lock_guard lock(mutex_);
  ++happened_[to_string(fault)];
  if (!options_.choose) turns_.push_back(fault);
  if (row_of(fault).kind != FaultKind::kHarmless) ++broken_[to_string(fault)];
}

bool FaultProxy::unfinished(ScriptedConnection& client) {
  const bool left = client.gone_within(milliseconds(0));
  const std::lock_guard lock(mutex_);
  ++(left ? num_left_ : num_lost_);
  return false;
}

bool FaultProxy::exchange(ScriptedConnection& client, const std::string& request) {
  const std::string body = request.substr(request.find("\r\n\r\n") + 4);
  const bool looks = body.empty();
  int number = 0;
  if (!looks) {
    const std::lock_guard lock(mutex_);
    number = num_exchanges_++;
  }
  ServerAnswer server(server_(), client);
  const std::optional<Fault> fault = looks ? std::nullopt : choose(number);
  if (fault && row_of(*fault).place == Place::kHead) {
    count(*fault);
    return refuse(client, *fault);
  }
  server.ask(request);
  const bool any = server.read_head();
  if (any) client.send(server.head());
  if (any && server.is_stream()) return stream(client, server, body, number, fault);
  if (fault) wait_for_next(*fault);
  if (!any) return looks ? false : unfinished(client);
  client.send(server.rest());
  if (looks) return server.whole();
  if (!server.whole()) return unfinished(client);
  const std::lock_guard lock(mutex_);
  ++answered_[body];
  return true;
}

bool FaultProxy::refuse(ScriptedConnection& client, Fault fault) {
  const auto says = [&](int status, const std::string& headers = "") {
    client.answer(status, R"({"error":{"message":"not now"}})", headers);
    return true;
  };
  const auto begins = [&](const std::string& headers) {
    client.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + headers + "\r\n");
  };
  const std::string event = "data: {\"id\":\"x\",\"choices\":[]}\n\n";
  switch (fault) {
    case Fault::kTooMany:
      return says(429);
    case Fault::kTooManyForMs:
      return says(429, "retry-after-ms: 20\r\n");
    case Fault::kTooManyForSecond:
      return says(429, "Retry-After: 1\r\n");
    case Fault::kTooManyUntilDate:
      return says(429, "Retry-After: " + date_in_a_second() + "\r\n");
    case Fault::kServerError:
      return says(500);
    case Fault::kBadGateway:
      return says(502);
    case Fault::kUnavailable:
      return says(503);
    case Fault::kOverloaded:
      return says(529);
    case Fault::kHtml:
      client.answer(200, "<!DOCTYPE html><title>Sign in</title>");
      return true;
    case Fault::kEmpty:
      client.answer(200, "");
      return true;
    case Fault::kReset:
      client.reset();
      return false;
    case Fault::kLongHeader:
      begins("X-Long: " + std::string(size_t{1} << 20, 'x') + "\r\n");
      return false;
    case Fault::kLengthTooLong:
      begins(fmt::format("Content-Length: {}\r\n", event.size() + 100));
      client.send(event);
      return false;
    case Fault::kLengthTooShort:
      begins(fmt::format("Content-Length: {}\r\n", event.size() - 10));
      client.send(event);
      return true;  // the rest stands before the next answer
    case Fault::kEndless: {
      client.begin_stream();
      const std::string comment = ": " + std::string(size_t{1} << 18, '.') + "\n\n";
      while (!client.gone_within(milliseconds(0))) client.chunk(comment);
      return false;
    }
    default:  // kClosed
      return false;
  }
}

bool FaultProxy::stream(ScriptedConnection& client, ServerAnswer& server, const std::string& body,
                        int number, std::optional<Fault> fault) {
  const Place place = fault ? row_of(*fault).place : Place::kHead;
  const int middle = options_.middle.value_or(static_cast<int>(
      Random(options_.seed, kPlaces).below(static_cast<uint64_t>(number), kLatestEvent)));
  bool happened = false, closes = false, more = false, ended = false;
  std::string held;  // goes behind the next event
  size_t num_tokens = 0;
  int at = -1;
  for (std::optional<std::string> event; (event = server.next_event());) {
    std::optional<Instead> instead;
    if (event->starts_with("data: ")) {
      ++at;
      if (options_.on_event) options_.on_event(number, at);
      if (fault && (!happened || place == Place::kEvery)) {
        const Json json = json_of(*event);
        const size_t fresh = num_ids(json);
        num_tokens += fresh;
        if (meets(place, json, *event, at, middle)) {
          if (*fault != Fault::kEarlyLength)
            instead = instead_of(*event, *fault, json);
          else if (fresh > 0 && !ends(json))
            instead = {early_end(json, parse_json(body, "request")["prompt"].size(), num_tokens),
                       Then::kEnd};
        }
      }
    }
    if (!instead) {
      client.chunk(*event + std::exchange(held, ""));
      continue;
    }
    if (!std::exchange(happened, true)) count(*fault);
    const Then then = instead->then;
    if (then == Then::kBehindNext) {
      held = instead->bytes;
      continue;
    }
    for (size_t i = 0; then == Then::kDrip && i < instead->bytes.size(); ++i) {
      client.chunk(std::string_view(instead->bytes).substr(i, 1));
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    if (then != Then::kDrip && !instead->bytes.empty()) client.chunk(instead->bytes);
    if (then == Then::kReset) client.reset();
    if (then == Then::kHalfClose) client.shut_sending();
    if (then == Then::kHold || then == Then::kHalfClose) client.gone_within(kLongest);
    if (then == Then::kHold || then == Then::kHalfClose || then == Then::kReset) return false;
    closes = then == Then::kClose;
    more = then == Then::kAnswerMore;
    ended = then == Then::kEnd;
    if (ended) break;
  }
  if (fault && !happened) wait_for_next(*fault);
  const bool broken = happened && row_of(*fault).kind != FaultKind::kHarmless;
  if (!ended && !server.whole()) return !broken && unfinished(client);
  if (more)
    client.send("0\r\n\r\nHTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}");
  else
    client.end_stream();
  if (broken) return true;
  const std::lock_guard lock(mutex_);
  ++answered_[body];
  return !closes;
}

}  // namespace ponder::testing
