#include "base/mended_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>

namespace ponder {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The code unit of `\uXXXX` at the front.
std::optional<uint32_t> code_unit(std::string_view text) {
  constexpr size_t kLength = 6;
  if (text.size() < kLength || !text.starts_with("\\u")) return std::nullopt;
  uint32_t unit = 0;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + kLength, unit, 16);
  if (error != std::errc() || end != text.data() + kLength) return std::nullopt;
  return unit;
}

// Where a string that begins at text[0] ends, behind its quote; npos if it does not. Sets `half` to
// an escape in it that is half of a pair.
size_t end_of_string(std::string_view text, std::string_view& half) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1;
    if (text[i] != '\\') continue;
    const auto unit = code_unit(text.substr(i));
    if (unit && *unit >= 0xD800 && *unit <= 0xDFFF) {
      const auto low = *unit <= 0xDBFF ? code_unit(text.substr(i + 6)) : std::nullopt;
      if (low && *low >= 0xDC00 && *low <= 0xDFFF) {
        i += 6;
      } else {
        half = text.substr(i, 6);
      }
    }
    ++i;  // the escaped character
  }
  return text.npos;
}

// The length of the JSON number at the front, 0 if there is none.
size_t number_length(std::string_view text) {
  size_t i = 0;
  const auto digits = [&] {
    const size_t begin = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    return i > begin;
  };
  if (i < text.size() && text[i] == '-') ++i;
  const size_t first = i;
  if (!digits() || (text[first] == '0' && i > first + 1)) return 0;
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (!digits()) return 0;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (!digits()) return 0;
  }
  return i;
}

bool fits(std::string_view number) {
  const char *begin = number.data(), *end = begin + number.size();
  if (number.find_first_of(".eE") != number.npos) {
    return std::isfinite(std::strtod(std::string(number).c_str(), nullptr));
  }
  int64_t integer = 0;
  uint64_t natural = 0;
  return std::from_chars(begin, end, integer).ec == std::errc() ||
         std::from_chars(begin, end, natural).ec == std::errc();
}

std::string unreadable(const std::string& why) { return dump_json(unreadable_value(why)); }

}  // namespace

Json unreadable_value(const std::string& why) {
  Json value = Json::object();
  value[kUnreadable] = why;
  return value;
}

std::string mended_json(std::string_view text) {
  std::string mended;
  size_t copied = 0;
  const auto replace = [&](size_t begin, size_t end, const std::string& by) {
    mended.append(text, copied, begin - copied);
    mended += by;
    copied = end;
  };
  for (size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    if (text[i] == '"') {
      std::string_view half;
      const size_t length = end_of_string(rest, half);
      if (length == rest.npos) return "";
      const size_t next = text.find_first_not_of(kSpaces, i + length);
      const bool is_key = next != text.npos && text[next] == ':';
      if (!half.empty() && !is_key) {
        replace(i, i + length,
                unreadable(fmt::format(
                    "a text with {}, half of a surrogate pair: write both, or \\ufffd", half)));
      }
      i += length;
      continue;
    }
    bool found = false;
    for (const std::string_view word : {"NaN", "Infinity", "-Infinity"}) {
      if (!rest.starts_with(word)) continue;
      replace(i, i + word.size(),
              unreadable(fmt::format(
                  "{}, which JSON does not have: write null, or leave the field out", word)));
      i += word.size();
      found = true;
      break;
    }
    if (found) continue;
    const size_t length = text[i] == '-' || is_digit(text[i]) ? number_length(rest) : 0;
    if (length > 0 && !fits(rest.substr(0, length)))
      replace(i, i + length, fmt::format("\"{}\"", rest.substr(0, length)));
    i += std::max<size_t>(length, 1);
  }
  if (copied == 0) return "";
  mended.append(text, copied);
  return mended;
}

}  // namespace ponder
