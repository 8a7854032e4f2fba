#include "net/http.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/json.h"

namespace ponder::net {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Looks at every byte of `given`, whatever it holds.
bool equal_in_constant_time(std::string_view given, std::string_view key) {
  unsigned difference = given.size() == key.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i) {
    const char of_key = key.empty() ? '\0' : key[i % key.size()];
    difference |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(of_key);
  }
  return difference == 0;
}

}  // namespace

std::string_view Request::field(std::string_view name) const {
  for (const Field& field : fields)
    if (field.name == name) return field.value;
  return "";
}

std::string_view reason_phrase(int status) {
  static constexpr std::pair<int, std::string_view> kPhrases[] = {
      {200, "OK"},
      {204, "No Content"},
      {301, "Moved Permanently"},
      {303, "See Other"},
      {304, "Not Modified"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {417, "Expectation Failed"},
      {422, "Unprocessable Content"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
      {529, "Overloaded"},
  };
  for (const auto& [known, phrase] : kPhrases)
    if (known == status) return phrase;
  return "Unknown";
}

std::optional<std::string> decode_percent(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
    if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

std::vector<std::pair<std::string, std::string>> query_parameters(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    std::string pair(query.substr(0, end));
    query.remove_prefix(std::min(end + 1, query.size()));
    std::replace(pair.begin(), pair.end(), '+', ' ');
    const size_t equals = std::min(pair.find('='), pair.size());
    const auto name = decode_percent(std::string_view(pair).substr(0, equals));
    const auto value =
        decode_percent(std::string_view(pair).substr(std::min(equals + 1, pair.size())));
    if (name && value && !name->empty()) parameters.emplace_back(*name, *value);
  }
  return parameters;
}

std::string_view error_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    default:
      return status < 500 ? "invalid_request_error" : "server_error";
  }
}

Response error_response(int status, std::string_view message, std::string_view param,
                        std::string_view code) {
  const auto text_or_null = [](std::string_view text) {
    return text.empty() ? Json(nullptr) : Json(text);
  };
  Json error;
  error["message"] = message;
  error["type"] = error_type(status);
  error["param"] = text_or_null(param);
  error["code"] = text_or_null(code);
  return {status,
          {{"Content-Type", "application/json"}},
          dump_json(Json{{"error", std::move(error)}}) + "\n"};
}

bool carries_key(const Request& request, std::string_view key) {
  constexpr std::string_view kBearer = "bearer ";
  std::string_view given = request.field("authorization");
  const bool bearer =
      given.size() > kBearer.size() &&
      std::equal(kBearer.begin(), kBearer.end(), given.begin(),
                 [](char expected, char found) { return expected == lower(found); });
  given = bearer ? given.substr(kBearer.size()) : request.field("x-api-key");
  while (!given.empty() && given.front() == ' ') given.remove_prefix(1);
  return equal_in_constant_time(given, key);
}

std::optional<std::string> host_of(std::string_view host_and_port) {
  std::string_view host = host_and_port, port;
  bool has_port = false;
  if (!host.empty() && host.front() == '[') {
    const size_t end = host.find(']');
    if (end == host.npos) return std::nullopt;
    if (end + 1 < host.size()) {
      if (host[end + 1] != ':') return std::nullopt;
      has_port = true;
      port = host.substr(end + 2);
    }
    host = host.substr(1, end - 1);
  } else if (const size_t colon = host.find(':'); colon != host.npos) {
    has_port = true;
    port = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (has_port &&
      (port.empty() || port.size() > 5 || !std::all_of(port.begin(), port.end(), is_digit)))
    return std::nullopt;
  std::string name;
  for (const char c : host) {
    const char l = lower(c);
    const bool usual = (l >= 'a' && l <= 'z') || is_digit(l) || l == '-' || l == '.' || l == '_';
    if (!usual && !(l == ':' && host_and_port.front() == '[')) return std::nullopt;
    name += l;
  }
  if (name.empty()) return std::nullopt;
  return name;
}

std::optional<std::string> host_of_origin(std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (origin.starts_with(scheme)) return host_of(origin.substr(scheme.size()));
  return std::nullopt;
}

}  // namespace ponder::net
