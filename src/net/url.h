// Addresses of servers, as users give them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ponder::net {

struct Url {
  std::string scheme;        // "http" or "https"
  std::string host;          // lower case; an IPv6 address without its brackets
  uint16_t port = 0;         // the scheme's own where none is given
  std::string path;          // "" or "/…" without a slash at its end
  bool is_loopback() const;  // localhost, 127.0.0.0/8, ::1
  std::string text() const;  // as a program would write it
};

// Whether the text begins like an address ("http://", "https://") and so is no path.
bool looks_like_url(std::string_view text);

// Throws Error (usage; its `where` is `where`) for another scheme, a name or password in the address, a query or a
// fragment: what is secret is given by the name of an environment variable. The text itself is not
// repeated where it may hold something secret.
Url parse_url(std::string_view text, const std::string& where);

}  // namespace ponder::net
