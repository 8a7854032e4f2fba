#include "dash/address.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace ponder::dash {

std::string Parameters::text(std::string_view name) const {
  for (const auto& [key, value] : pairs_)
    if (key == name) return value;
  return "";
}

std::vector<std::string> Parameters::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : pairs_)
    if (key == name) values.push_back(value);
  return values;
}

std::optional<int64_t> Parameters::integer(std::string_view name) const {
  const std::string value = text(name);
  int64_t number = 0;
  const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (value.empty() || code != std::errc() || end != value.data() + value.size())
    return std::nullopt;
  return number;
}

Parameters Parameters::with(std::string_view name, std::string value) const {
  Parameters changed = *this;
  std::erase_if(changed.pairs_, [&](const auto& pair) { return pair.first == name; });
  if (!value.empty()) changed.pairs_.emplace_back(name, std::move(value));
  return changed;
}

std::string percent_encoded(std::string_view any) {
  std::string out;
  for (const char c : any) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string address(std::initializer_list<std::string_view> path, const Parameters& parameters) {
  std::string out;
  for (const std::string_view part : path) out += "/" + percent_encoded(part);
  if (out.empty()) out = "/";
  char separator = '?';
  for (const auto& [key, value] : parameters.pairs()) {
    if (value.empty()) continue;
    out += fmt::format("{}{}={}", separator, percent_encoded(key), percent_encoded(value));
    separator = '&';
  }
  return out;
}

}  // namespace ponder::dash
