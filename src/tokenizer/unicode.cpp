#include "tokenizer/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "tokenizer/unicode_ranges.h"

namespace ponder::tokenizer {
namespace {

uint8_t byte_at(std::string_view text, size_t at) { return static_cast<uint8_t>(text[at]); }

CharClass class_of_category(uint32_t code_point) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code_point))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharClass::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharClass::kNumber;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return CharClass::kSpace;
    default:
      break;
  }
  if (is_in(kNewerLetters, code_point)) return CharClass::kLetter;
  return is_in(kNewerNumbers, code_point) ? CharClass::kNumber : CharClass::kOther;
}

CharClass classify(uint32_t code_point) {
  if (code_point == '\r' || code_point == '\n') return CharClass::kNewline;
  // White_Space is the separators and these control characters.
  if (code_point == '\t' || code_point == '\v' || code_point == '\f' || code_point == 0x85) {
    return CharClass::kSpace;
  }
  return class_of_category(code_point);
}

// Every text that is not ASCII asks for the classes of a few scripts again and again: the Basic
// Multilingual Plane is kept in a table.
const std::array<CharClass, 0x10000>& class_table() {
  static const auto* table = [] {
    auto* classes = new std::array<CharClass, 0x10000>;
    for (uint32_t c = 0; c < classes->size(); ++c) (*classes)[c] = classify(c);
    return classes;
  }();
  return *table;
}

// Characters that canonical composition neither changes nor joins with a neighbour before them, as
// long as only such characters follow.
bool is_inert(uint32_t c) {
  return c < 0x300 || (c >= 0x400 && c <= 0x482) || (c >= 0x2010 && c <= 0x205F) ||
         (c >= 0x3041 && c <= 0x3096) || (c >= 0x30A1 && c <= 0x30FA) ||
         (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7A3) ||
         (c >= 0x1F300 && c <= 0x1FAFF);
}

void append_nfc(std::vector<utf8proc_int32_t>& characters, std::string& out) {
  // utf8proc's own canonical ordering is a bubble sort, quadratic on long runs of combining marks.
  // So characters are decomposed one by one, the runs sorted here, and only composition is left to
  // it.
  std::vector<utf8proc_int32_t> decomposed;
  decomposed.reserve(characters.size() * 2);
  for (const utf8proc_int32_t c : characters) {
    std::array<utf8proc_int32_t, 32> parts;
    int boundary = 0;
    const auto n = utf8proc_decompose_char(
        c, parts.data(), parts.size(),
        static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE), &boundary);
    if (n < 0 || n > static_cast<utf8proc_ssize_t>(parts.size())) {
      decomposed.push_back(c);
    } else {
      decomposed.insert(decomposed.end(), parts.begin(), parts.begin() + n);
    }
  }
  const auto combining_class = [](utf8proc_int32_t c) {
    return utf8proc_get_property(c)->combining_class;
  };
  for (size_t begin = 0; begin < decomposed.size();) {
    size_t end = begin;
    while (end < decomposed.size() && combining_class(decomposed[end]) != 0) ++end;
    if (end - begin > 1) {
      std::stable_sort(decomposed.begin() + static_cast<ptrdiff_t>(begin),
                       decomposed.begin() + static_cast<ptrdiff_t>(end),
                       [&](auto a, auto b) { return combining_class(a) < combining_class(b); });
    }
    begin = end + 1;
  }
  const auto num_composed =
      utf8proc_normalize_utf32(decomposed.data(), static_cast<utf8proc_ssize_t>(decomposed.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  decomposed.resize(static_cast<size_t>(std::max<utf8proc_ssize_t>(num_composed, 0)));
  for (const utf8proc_int32_t c : decomposed) append_utf8(static_cast<uint32_t>(c), out);
  characters.clear();
}

}  // namespace

CodePoint decode_utf8(std::string_view text, size_t at) {
  const uint8_t lead = byte_at(text, at);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xC2 || lead > 0xF4) return {kInvalidCodePoint, 1};
  const uint32_t num_bytes = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte's range is narrower after some leads: no overlong forms, surrogates, or >
  // U+10FFFF.
  uint8_t low = 0x80, high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  uint32_t value = lead & (0x7Fu >> num_bytes);
  for (uint32_t i = 1; i < num_bytes; ++i) {
    if (at + i >= text.size()) return {kInvalidCodePoint, i};
    const uint8_t byte = byte_at(text, at + i);
    if (byte < low || byte > high) return {kInvalidCodePoint, i};
    value = value << 6 | (byte & 0x3Fu);
    low = 0x80;
    high = 0xBF;
  }
  return {value, num_bytes};
}

CodePoint decode_utf8_before(std::string_view text, size_t end) {
  for (size_t back = 1; back <= 4 && back <= end; ++back) {
    const CodePoint c = decode_utf8(text.substr(0, end), end - back);
    if (c.value != kInvalidCodePoint && c.num_bytes == back) return c;
  }
  return {kInvalidCodePoint, 1};
}

void append_utf8(uint32_t c, std::string& out) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    const CodePoint c = decode_utf8(bytes, at);
    if (c.value == kInvalidCodePoint) {
      out += "\xEF\xBF\xBD";
    } else {
      out += bytes.substr(at, c.num_bytes);
    }
    at += c.num_bytes;
  }
  return out;
}

CharClass char_class(uint32_t c) {
  if (c < 0x10000) return class_table()[c];
  return c == kInvalidCodePoint ? CharClass::kOther : class_of_category(c);
}

bool is_numeric(uint32_t code_point) {
  return char_class(code_point) == CharClass::kNumber || is_in(kNewestNumbers, code_point);
}

bool is_word_char(uint32_t c) {
  if (c == kInvalidCodePoint) return false;
  if (c == 0x200C || c == 0x200D) return true;  // Join_Control
  // Other_Alphabetic symbols: circled and squared letters.
  if ((c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
      (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189)) {
    return true;
  }
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return char_class(c) == CharClass::kLetter;
  }
}

bool is_surely_nfc(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    if (byte_at(text, at) < 0xCC) {  // below U+0300, or no lead byte at all
      ++at;
      continue;
    }
    const CodePoint c = decode_utf8(text, at);
    if (c.value != kInvalidCodePoint && !is_inert(c.value)) return false;
    at += c.num_bytes;
  }
  return true;
}

std::string to_nfc(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::vector<utf8proc_int32_t> characters;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text, at);
    if (c.value == kInvalidCodePoint || is_in(kPlainInNfc, c.value)) {
      append_nfc(characters, out);
      out += text.substr(at, c.num_bytes);
    } else {
      characters.push_back(static_cast<utf8proc_int32_t>(c.value));
    }
    at += c.num_bytes;
  }
  append_nfc(characters, out);
  return out;
}

}  // namespace ponder::tokenizer
