#include "net/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/format.h>

#include <memory>
#include <new>

#include "base/error.h"
#include "base/text.h"

namespace ponder::net {
namespace {

using UrlHandle = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

std::string part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  const std::string copy = text;
  curl_free(text);
  return copy;
}

}  // namespace

bool Url::is_loopback() const {
  in_addr v4{};  // a number: "127.example.com" is a name like others
  const bool is_v4 = ::inet_pton(AF_INET, host.c_str(), &v4) == 1;
  return host == "localhost" || host == "::1" || (is_v4 && host.starts_with("127."));
}

std::string Url::text() const {
  const bool usual = port == (scheme == "https" ? 443 : 80);
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return fmt::format("{}://{}{}{}", scheme, name, usual ? "" : fmt::format(":{}", port), path);
}

bool looks_like_url(std::string_view text) {
  const std::string lower = lower_ascii(text.substr(0, 8));
  return lower.starts_with("http://") || lower.starts_with("https://");
}

Url parse_url(std::string_view text, const std::string& where) {
  constexpr const char* kExample = "give it like http://gpu1:8000";
  if (!looks_like_url(text)) {
    throw Error(ErrorKind::kUsage, where,
                fmt::format("expected an address that begins with http:// or https://{}",
                            text.find('@') == std::string_view::npos
                                ? fmt::format(", found \"{}\"", excerpt(text))
                                : ""),
                kExample);
  }
  const UrlHandle handle(curl_url(), curl_url_cleanup);
  if (!handle) throw std::bad_alloc();
  const CURLUcode code = curl_url_set(handle.get(), CURLUPART_URL, std::string(text).c_str(), 0);
  if (code != CURLUE_OK) {
    throw Error(ErrorKind::kUsage, where, fmt::format("is no address: {}", curl_url_strerror(code)),
                kExample);
  }
  for (const CURLUPart secret : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY}) {
    if (part_of(handle.get(), secret).empty()) continue;
    throw Error(ErrorKind::kUsage, where,
                secret == CURLUPART_QUERY ? "has a query (\"?…\") in its address"
                                          : "has a name or a password in its address",
                "leave it out; a key is given by the name of an environment variable "
                "(--api-key-env NAME)");
  }
  if (!part_of(handle.get(), CURLUPART_FRAGMENT).empty()) {
    throw Error(ErrorKind::kUsage, where, "has a fragment (\"#…\") in its address", kExample);
  }
  Url url;
  url.scheme = lower_ascii(part_of(handle.get(), CURLUPART_SCHEME));
  url.host = lower_ascii(part_of(handle.get(), CURLUPART_HOST));
  if (url.host.starts_with('[')) url.host = url.host.substr(1, url.host.size() - 2);
  url.port =
      static_cast<uint16_t>(std::stoul(part_of(handle.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT)));
  url.path = part_of(handle.get(), CURLUPART_PATH);
  while (url.path.ends_with('/')) url.path.pop_back();
  return url;
}

}  // namespace ponder::net
