#include "testing/fault_proxy.h"

#include <stdexcept>

#include "base/philox.h"
#include "testing/raw_connection.h"

namespace ponder::testing {
namespace {

constexpr uint64_t kStream = 0xfa17;
constexpr std::chrono::seconds kLongest{60};

std::string asked_of(uint16_t port, const std::string& request) {
  RawConnection server(port);
  server.send(request);
  return server.receive_answer(kLongest);
}

// The events of a stream up to the one that says how it ended.
std::string before_finish(const std::string& body) {
  size_t begin = 0;
  while (true) {
    const size_t end = body.find("\n\n", begin);
    if (end == std::string::npos) return body.substr(0, begin);
    const size_t finish = body.find("\"finish_reason\":\"", begin);
    if (finish < end) return body.substr(0, begin);
    begin = end + 2;
  }
}

}  // namespace

const std::vector<Fault>& all_faults() {
  static const std::vector<Fault> all = {
      Fault::kTooMany,     Fault::kTooManyForMs, Fault::kUnavailable, Fault::kServerError,
      Fault::kHtml,        Fault::kEmpty,        Fault::kClosed,      Fault::kReset,
      Fault::kResetInBody, Fault::kSilence,      Fault::kTornEvent,   Fault::kNoEnd,
      Fault::kErrorEvent};
  return all;
}

std::string to_string(Fault fault) {
  switch (fault) {
    case Fault::kTooMany:
      return "429";
    case Fault::kTooManyForMs:
      return "429 for ms";
    case Fault::kUnavailable:
      return "503";
    case Fault::kServerError:
      return "500";
    case Fault::kHtml:
      return "html";
    case Fault::kEmpty:
      return "empty";
    case Fault::kClosed:
      return "closed";
    case Fault::kReset:
      return "reset";
    case Fault::kResetInBody:
      return "reset in body";
    case Fault::kSilence:
      return "silence";
    case Fault::kTornEvent:
      return "torn event";
    case Fault::kNoEnd:
      return "no end";
    case Fault::kErrorEvent:
      return "error event";
  }
  return "";
}

FaultProxy::FaultProxy(uint16_t server_port, Options options)
    : server_port_(server_port),
      options_(std::move(options)),
      proxy_([this](ScriptedConnection& client) { serve(client); }) {}

std::map<std::string, int> FaultProxy::happened() const {
  const std::lock_guard lock(mutex_);
  return happened_;
}

std::map<std::string, int> FaultProxy::answered() const {
  const std::lock_guard lock(mutex_);
  return answered_;
}

int FaultProxy::num_exchanges() const {
  const std::lock_guard lock(mutex_);
  return num_exchanges_;
}

void FaultProxy::serve(ScriptedConnection& client) {
  for (std::string request; !(request = client.read_request()).empty();) {
    try {
      if (!exchange(client, request)) return;
    } catch (const std::runtime_error&) {  // the server is gone
      return;
    }
  }
}

bool FaultProxy::exchange(ScriptedConnection& client, const std::string& request) {
  const std::string body = request.substr(request.find("\r\n\r\n") + 4);
  if (body.empty()) {
    client.send(asked_of(server_port_, request));
    return true;
  }
  bool breaks = false;
  Fault fault = Fault::kReset;
  {
    const std::lock_guard lock(mutex_);
    const auto number = static_cast<uint64_t>(num_exchanges_++);
    breaks = Random(options_.seed, kStream).uniform(number) < options_.share;
    if (breaks) {
      fault = options_.faults[num_faults_++ % options_.faults.size()];
      ++happened_[to_string(fault)];
    }
  }
  if (breaks) return break_off(client, request, fault);
  const std::string answer = asked_of(server_port_, request);
  client.send(answer);
  bool whole = false;
  (void)body_of_answer(answer, &whole);
  if (!whole || status_of_answer(answer) != 200) return whole;
  const std::lock_guard lock(mutex_);
  ++answered_[body];
  return true;
}

bool FaultProxy::break_off(ScriptedConnection& client, const std::string& request, Fault fault) {
  const auto says = [&](int status, const char* headers = "") {
    client.answer(status, R"({"error":{"message":"not now"}})", headers);
    return true;
  };
  switch (fault) {
    case Fault::kTooMany:
      return says(429, "Retry-After: 0\r\n");
    case Fault::kTooManyForMs:
      return says(429, "retry-after-ms: 20\r\n");
    case Fault::kUnavailable:
      return says(503);
    case Fault::kServerError:
      return says(500);
    case Fault::kHtml:
      client.answer(200, "<!DOCTYPE html><title>Sign in</title>");
      return true;
    case Fault::kEmpty:
      client.answer(200, "");
      return true;
    case Fault::kClosed:
      return false;
    case Fault::kReset:
      client.reset();
      return false;
    default:
      break;
  }
  const std::string answer = asked_of(server_port_, request), body = body_of_answer(answer);
  client.begin_stream();
  if (fault == Fault::kSilence) {
    client.chunk(": waiting\n\n");
    client.gone_within(kLongest);
    return false;
  }
  client.chunk(fault == Fault::kNoEnd ? before_finish(body) : body.substr(0, body.size() / 2));
  if (fault == Fault::kResetInBody) {
    client.reset();
    return false;
  }
  if (fault == Fault::kErrorEvent)
    client.chunk("\n\ndata: {\"error\":{\"message\":\"lost its way\",\"code\":500}}\n\n");
  client.end_stream();
  return true;
}

}  // namespace ponder::testing
