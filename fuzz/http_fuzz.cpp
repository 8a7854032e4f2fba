// The bytes of a connection. Refused with a status and a reason, or requests whose parts keep what
// the policy promises; and where the bytes are cut changes nothing. The first byte says how they are
// cut.
#include <algorithm>

#include "fuzz.h"
#include "net/http_reader.h"

namespace {

using ponder::fuzz::require;
using ponder::net::Request;
using ponder::net::RequestReader;
using State = RequestReader::State;

struct Outcome {
  std::string requests;  // every part of each
  int status = 0;        // of the refusal
  State state = State::kHead;
};

void check(const Request& request) {
  require(request.path.starts_with("/"), "a path begins with /");
  require(request.path.find('\0') == std::string::npos, "a path holds no NUL");
  require(!request.method.empty(), "a request has a method");
  int hosts = 0, lengths = 0;
  for (const ponder::net::Field& field : request.fields) {
    require(!field.name.empty(), "a field has a name");
    for (const char c : field.name)
      require(c > ' ' && !(c >= 'A' && c <= 'Z'), "a name is lower case");
    for (const char c : field.value)
      require(c == '\t' || static_cast<unsigned char>(c) >= ' ', "a value has no control bytes");
    hosts += field.name == "host";
    lengths += field.name == "content-length" || field.name == "transfer-encoding";
  }
  require(hosts == 1, "a request has one host");
  require(lengths <= 1, "a request has one length");
  require(request.body.size() <= (8 << 20), "a body is within its limit");
  require(request.body.empty() || lengths == 1, "a body has a length");
}

Outcome read(std::string_view bytes, size_t step) {
  Outcome outcome;
  RequestReader reader;
  for (size_t at = 0; at < bytes.size(); at += step) {
    outcome.state = reader.push(bytes.substr(at, step));
    while (outcome.state == State::kDone) {
      const Request request = reader.take();
      check(request);
      outcome.requests += request.method + " " + request.path + "?" + request.query + "\n";
      for (const auto& field : request.fields)
        outcome.requests += field.name + "=" + field.value + "\n";
      outcome.requests += request.body + "\n";
      outcome.state = reader.state();
    }
    if (outcome.state == State::kRefused) break;
  }
  if (outcome.state == State::kRefused) {
    outcome.status = reader.status();
    require(outcome.status >= 400 && outcome.status < 600, "a refusal has a status");
    require(!reader.problem().empty(), "a refusal has a reason");
    require(reader.num_kept_bytes() == 0, "nothing is kept of what was refused");
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = read(bytes, std::max<size_t>(1, bytes.size()));
  const Outcome cut = read(bytes, 1 + data[0] % 32);
  require(whole.state == cut.state, "where bytes are cut changes no verdict");
  require(whole.status == cut.status, "where bytes are cut changes no status");
  require(whole.requests == cut.requests, "where bytes are cut changes no request");
  return 0;
}
