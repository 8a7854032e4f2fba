#include "report/markup.h"

#include <fmt/format.h>
#include <utf8proc.h>

namespace ponder::report {
namespace {

// What a browser would not show where it stands: it reorders or hides its neighbours.
bool is_invisible_format(int32_t c) {
  return (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF;
}

std::string escaped(std::string_view any) {
  std::string out;
  out.reserve(any.size() + any.size() / 8);
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(any.data());
  for (size_t i = 0; i < any.size();) {
    utf8proc_int32_t c = 0;
    const utf8proc_ssize_t length =
        utf8proc_iterate(bytes + i, static_cast<utf8proc_ssize_t>(any.size() - i), &c);
    if (length <= 0) {
      out += "\xEF\xBF\xBD";
      ++i;
      continue;
    }
    if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else if (c < 0x20 && c != '\n' && c != '\t') {
      out += fmt::format("&#x{:X};", 0x2400 + c);  // the control pictures: ␀, ␛, …
    } else if (c == 0x7F) {
      out += "&#x2421;";
    } else if ((c >= 0x80 && c < 0xA0) || is_invisible_format(c) || (c & 0xFFFE) == 0xFFFE) {
      out += fmt::format("⟨U+{:04X}⟩", c);
    } else {
      out.append(any.substr(i, static_cast<size_t>(length)));
    }
    i += static_cast<size_t>(length);
  }
  return out;
}

std::string opening(std::string_view tag, Attributes attributes) {
  std::string out = fmt::format("<{}", tag);
  for (const auto& [name, value] : attributes)
    out += fmt::format(" {}=\"{}\"", name, escaped(value));
  return out;
}

}  // namespace

Markup text(std::string_view any) { return {escaped(any)}; }

Markup element(std::string_view tag, Attributes attributes, const Markup& content) {
  return {fmt::format("{}>{}</{}>", opening(tag, attributes), content.html, tag)};
}

Markup element(std::string_view tag, const Markup& content) { return element(tag, {}, content); }

Markup empty_element(std::string_view tag, Attributes attributes) {
  return {opening(tag, attributes) + "/>"};
}

}  // namespace ponder::report
