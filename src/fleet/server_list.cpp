#include "fleet/server_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/file.h"
#include "base/text.h"
#include "net/url.h"

namespace ponder::fleet {

std::vector<std::string> parse_server_list(std::string_view text, const std::string& where) {
  std::vector<std::string> addresses;
  for (int line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view address = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    address = trimmed(address.substr(0, address.find('#')));
    if (address.empty()) continue;
    std::string url = net::parse_url(address, fmt::format("{}, line {}", where, line)).text();
    if (std::ranges::find(addresses, url) == addresses.end()) addresses.push_back(std::move(url));
  }
  return addresses;
}

std::vector<std::string> servers_of_file(const std::filesystem::path& file) {
  return parse_server_list(read_file(file), file.string());
}

std::optional<std::vector<std::string>> ServerList::read(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return std::nullopt;
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  // A line without its end is still being written.
  text.resize(text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1);
  if (text_ == text) return std::nullopt;
  text_ = text;
  return parse_server_list(text, file.string());
}

}  // namespace ponder::fleet
