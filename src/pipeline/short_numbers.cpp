#include "pipeline/short_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace ponder::pipeline {
namespace {

// What a quoted text beginning at `at` takes, its quotes included.
size_t quoted_size(std::string_view text, size_t at) {
  const char quote = text[at];
  const std::string mark(text.substr(at, 3) == std::string(3, quote) ? 3 : 1, quote);
  size_t end = at + mark.size();
  while (end < text.size() && text.substr(end, mark.size()) != mark)
    end += quote == '"' && text[end] == '\\' ? 2 : 1;
  return std::min(text.size(), end + mark.size()) - at;
}

std::string shortened_number(std::string_view word) {
  double value = 0;
  const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), value);
  const bool whole = code == std::errc() && end == word.data() + word.size();
  if (!whole || !std::isfinite(value) || word.find_first_of(".eE") == std::string_view::npos)
    return std::string(word);
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";  // else it is an integer
  return text;
}

}  // namespace

std::string short_numbers(std::string_view toml) {
  constexpr std::string_view kOfWord =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-._:";
  std::string out;
  bool value = true;  // whether one may begin here
  for (size_t at = 0; at < toml.size();) {
    const char c = toml[at];
    size_t size = 1;
    if (c == '"' || c == '\'') {
      size = quoted_size(toml, at);
      out += toml.substr(at, size);
      value = false;
    } else if (kOfWord.find(c) != std::string_view::npos) {
      size = std::min(toml.find_first_not_of(kOfWord, at), toml.size()) - at;
      const std::string_view word = toml.substr(at, size);
      out += value ? shortened_number(word) : std::string(word);
      value = false;
    } else {
      out += c;
      if (c != ' ') value = c == '=' || c == '[' || c == ',' || (value && c == '\n');
    }
    at += size;
  }
  return out;
}

}  // namespace ponder::pipeline
