// Requests and answers of HTTP/1.1 as values: what a listener's handler is given and gives back.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ponder::net {

struct Field {
  std::string name, value;
};

struct Request {
  std::string method;         // as sent: "GET", "POST"
  std::string path;           // begins with '/'; escapes decoded
  std::string query;          // behind '?', as sent
  std::vector<Field> fields;  // names in lower case, of the head alone: trailers are dropped
  std::string body;
  bool http_1_0 = false;
  bool keep_alive = true;  // the connection may carry another request

  // Of the first field of that name (lower case); "" where it is absent.
  std::string_view field(std::string_view name) const;
};

struct Response {
  int status = 200;
  // Beside Date, Content-Length, Transfer-Encoding and Connection, which are the listener's.
  std::vector<Field> fields;
  std::string body;
};

// "Not Found"
std::string_view reason_phrase(int status);

// What %41 and so on stand for. Nothing for a broken escape, and for an escaped NUL.
std::optional<std::string> decode_percent(std::string_view text);

// The pairs of "a=1&b=x%20y"; '+' is a space. What has a broken escape is left out.
std::vector<std::pair<std::string, std::string>> query_parameters(std::string_view query);

// An error in the form that OpenAI's clients read: {"error": {"message", "type", "param", "code"}}, "param" and
// "code" null where they are empty.
Response error_response(int status, std::string_view message, std::string_view param = "",
                        std::string_view code = "");
// The "type" of that form: "invalid_request_error", "authentication_error", …
std::string_view error_type(int status);

// Whether the request carries this key, as "Authorization: Bearer KEY" or "X-Api-Key: KEY". Its time
// does not depend on where they differ.
bool carries_key(const Request& request, std::string_view key);

// The host of "localhost:8321" or "[::1]:80", in lower case and without brackets; nothing for what is
// no host with a decimal port.
std::optional<std::string> host_of(std::string_view host_and_port);
// The same of an origin, "http://localhost:8321".
std::optional<std::string> host_of_origin(std::string_view origin);

}  // namespace ponder::net
