#include "jinja/python_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ponder::jinja {
namespace {

// The bytes of the code point that begins at `at`, and its value; a broken byte stands for itself.
struct Character {
  size_t num_bytes;
  uint32_t value;
};

Character character_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(at);
  const size_t num_bytes = first < 0x80   ? 1
                           : first < 0xC0 ? 0
                           : first < 0xE0 ? 2
                           : first < 0xF0 ? 3
                                          : 4;
  if (num_bytes <= 1 || at + num_bytes > text.size()) return {1, first};
  uint32_t value = first & (0xFFu >> (num_bytes + 1));
  for (size_t i = 1; i < num_bytes; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return {1, first};
    value = value << 6 | (byte(at + i) & 0x3F);
  }
  return {num_bytes, value};
}

// Where the code point that ends at `end` begins.
size_t begin_of_last(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && text.size() - at < 4 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
  return at + character_at(text, at).num_bytes == text.size() ? at : text.size() - 1;
}

bool is_stripped(std::string_view character, std::optional<std::string_view> characters) {
  if (characters) return characters->find(character) != std::string_view::npos;
  return is_python_space(character_at(character, 0).value);
}

void write_json(const Json& value, std::optional<int> indent, int depth, std::string& out) {
  const auto line = [&](int levels) {
    if (indent)
      out.append("\n").append(static_cast<size_t>(levels) * static_cast<size_t>(*indent), ' ');
  };
  const char* comma = indent ? "," : ", ";
  switch (value.type()) {
    case Json::value_t::object:
    case Json::value_t::array: {
      const bool object = value.is_object();
      if (value.empty()) {
        out += object ? "{}" : "[]";
        break;
      }
      const char* separator = object ? "{" : "[";
      for (const auto& [key, element] : value.items()) {
        out += separator;
        line(depth + 1);
        if (object) out.append(dump_json(Json(key))).append(": ");
        write_json(element, indent, depth + 1, out);
        separator = comma;
      }
      line(depth);
      out += object ? "}" : "]";
      break;
    }
    case Json::value_t::number_float:
      out += python_float(value.get<double>());
      break;
    default:
      out += dump_json(value);
  }
}

}  // namespace

bool is_python_space(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

std::string_view python_lstrip(std::string_view text, std::optional<std::string_view> characters) {
  while (!text.empty()) {
    const size_t num_bytes = character_at(text, 0).num_bytes;
    if (!is_stripped(text.substr(0, num_bytes), characters)) break;
    text.remove_prefix(num_bytes);
  }
  return text;
}

std::string_view python_rstrip(std::string_view text, std::optional<std::string_view> characters) {
  while (!text.empty()) {
    const size_t begin = begin_of_last(text);
    if (!is_stripped(text.substr(begin), characters)) break;
    text = text.substr(0, begin);
  }
  return text;
}

std::string_view python_strip(std::string_view text, std::optional<std::string_view> characters) {
  return python_rstrip(python_lstrip(text, characters), characters);
}

std::vector<std::string_view> code_points(std::string_view text) {
  std::vector<std::string_view> result;
  for (size_t at = 0; at < text.size(); at += result.back().size())
    result.push_back(text.substr(at, character_at(text, at).num_bytes));
  return result;
}

int64_t num_code_points(std::string_view text) {
  int64_t count = 0;
  for (size_t at = 0; at < text.size(); at += character_at(text, at).num_bytes) ++count;
  return count;
}

std::string python_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::string digits = fmt::format("{}", value);
  if (digits.find_first_of(".e") == std::string::npos) digits += ".0";
  return digits;
}

std::string python_repr(std::string_view text) {
  const bool single = text.find('\'') == text.npos || text.find('"') != text.npos;
  const char quote = single ? '\'' : '"';
  std::string out(1, quote);
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (c == quote || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + quote;
}

std::string utf8_of(uint32_t c) {
  std::string out;
  const auto add = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    add(c);
  } else if (c < 0x800) {
    add(0xC0 | c >> 6);
    add(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    add(0xE0 | c >> 12);
    add(0x80 | (c >> 6 & 0x3F));
    add(0x80 | (c & 0x3F));
  } else {
    add(0xF0 | c >> 18);
    add(0x80 | (c >> 12 & 0x3F));
    add(0x80 | (c >> 6 & 0x3F));
    add(0x80 | (c & 0x3F));
  }
  return out;
}

std::string python_json(const Json& value, std::optional<int> indent) {
  std::string out;
  write_json(value, indent, 0, out);
  return out;
}

}  // namespace ponder::jinja
