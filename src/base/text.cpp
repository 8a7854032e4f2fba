#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace ponder {
namespace {

// Bytes of the UTF-8 character at the beginning of `text`; 0 if there is none.
size_t character_bytes(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t size = byte(0) < 0x80   ? 1
                      : byte(0) < 0xC2 ? 0
                      : byte(0) < 0xE0 ? 2
                      : byte(0) < 0xF0 ? 3
                      : byte(0) < 0xF5 ? 4
                                       : 0;
  if (size == 0 || size > text.size()) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Longer than need be, a surrogate, or beyond the last character.
  if (size >= 3) {
    const unsigned begin = byte(0) << 8 | byte(1);
    if (begin < 0xE0A0 || (begin >= 0xEDA0 && begin < 0xEE00) ||
        (begin >= 0xF000 && begin < 0xF090) || begin >= 0xF490) {
      return 0;
    }
  }
  return size;
}

}  // namespace

std::string_view trimmed(std::string_view text, std::string_view white_space) {
  const size_t begin = text.find_first_not_of(white_space);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(white_space) - begin + 1);
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(kWhiteSpace) == std::string_view::npos;
}

bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string lower_ascii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string bytes_text(int64_t bytes) {
  const double mebibytes = static_cast<double>(bytes) / 1048576;
  if (mebibytes >= 1023.5) return fmt::format("{:.1f} GiB", mebibytes / 1024);
  return fmt::format("{:.{}f} MiB", mebibytes, mebibytes < 10 ? 1 : 0);
}

std::string escaped(std::string_view text, Lines lines) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    size_t plain = i;
    while (plain < text.size() && text[plain] >= 0x20 && text[plain] < 0x7F) ++plain;
    out += text.substr(i, plain - i);
    i = plain;
    if (i == text.size()) break;
    const size_t size = character_bytes(text.substr(i));
    const auto first = static_cast<unsigned char>(text[i]);
    const bool kept = lines == Lines::kKeep && (first == '\n' || first == '\t');
    const bool c1 = size == 2 && first == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (kept || (size > 0 && first >= 0x20 && first != 0x7F && !c1)) {
      out += text.substr(i, size);
    } else if (first == '\n') {
      out += "\\n";
    } else {
      for (const char c : text.substr(i, c1 ? 2 : 1))
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    i += std::max<size_t>(size, 1);
  }
  return out;
}

}  // namespace ponder
