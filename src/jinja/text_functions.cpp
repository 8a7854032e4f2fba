#include <fmt/format.h>
#include <fmt/printf.h>

#include <algorithm>

#include "base/text.h"
#include "jinja/builtins.h"
#include "jinja/python_text.h"

namespace ponder::jinja {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char upper_of(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
char lower_of(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// "%-5.2f": what stands between % and its letter.
struct Conversion {
  bool left = false, zeros = false, plus = false;
  int64_t width = 0, precision = -1;
  char letter = 0;
};

std::string converted(const Conversion& c, const Value& value) {
  std::string body;
  switch (c.letter) {
    case 's':
      body = to_text(value);
      break;
    case 'r':
      body = repr(value);
      break;
    case 'd':
    case 'i':
      if (!value.is_number()) throw Refused{fmt::format("%d of {}", value.type_name())};
      body = fmt::format(
          "{}", value.is_integral() ? value.as_integer() : static_cast<int64_t>(value.as_double()));
      break;
    case 'x':
      if (!value.is_integral()) throw Refused{fmt::format("%x of {}", value.type_name())};
      body = fmt::format("{:x}", value.as_integer());
      break;
    case 'f':
      if (!value.is_number()) throw Refused{fmt::format("%f of {}", value.type_name())};
      body = fmt::format("{:.{}f}", value.as_double(), c.precision < 0 ? 6 : c.precision);
      break;
    default:
      throw Refused{fmt::format("the format %{} is not supported", c.letter)};
  }
  const bool number = c.letter != 's' && c.letter != 'r';
  if (!number && c.precision >= 0) {
    const std::vector<std::string_view> characters = code_points(body);
    std::string cut;
    for (size_t i = 0; i < characters.size() && static_cast<int64_t>(i) < c.precision; ++i)
      cut += characters[i];
    body = cut;
  }
  if (number && c.plus && !body.starts_with('-')) body.insert(0, "+");
  const int64_t missing = c.width - num_code_points(body);
  if (missing <= 0) return body;
  const auto fill = static_cast<size_t>(missing);
  if (c.left) return body.append(fill, ' ');
  if (number && c.zeros) {
    body.insert(body.starts_with('-') || body.starts_with('+') ? 1 : 0, fill, '0');
    return body;
  }
  return std::string(fill, ' ') + body;
}

}  // namespace

std::string with_case(std::string_view text, Case to) {
  if (!is_ascii(text)) throw Refused{"upper and lower case beyond ASCII are not supported"};
  std::string out(text);
  bool begins = true;  // of a word (title) or of the text (capitalize)
  for (char& c : out) {
    const bool upper = to == Case::kUpper || (to != Case::kLower && begins);
    const bool separates = is_python_space(static_cast<uint8_t>(c)) ||
                           std::string_view("-({[<").find(c) != std::string_view::npos;
    begins = (to == Case::kTitle && !is_letter(c)) || (to == Case::kWords && separates);
    c = upper ? upper_of(c) : lower_of(c);
  }
  return out;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to,
                     int64_t count) {
  std::string out;
  if (from.empty()) {  // between all characters, and around them
    const std::vector<std::string_view> characters = code_points(text);
    for (size_t i = 0; i <= characters.size(); ++i) {
      if (count < 0 || static_cast<int64_t>(i) < count) out += to;
      if (i < characters.size()) out += characters[i];
    }
    return out;
  }
  size_t begin = 0;
  for (size_t at = text.find(from); at != text.npos && count != 0; at = text.find(from, begin)) {
    out.append(text.substr(begin, at - begin)).append(to);
    begin = at + from.size();
    --count;
  }
  return out.append(text.substr(begin));
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  std::string line;
  bool open = false, after_return = false;
  for (const std::string_view character : code_points(text)) {
    const bool is_return = character == "\r", is_feed = character == "\n";
    if (is_feed && std::exchange(after_return, false)) continue;
    after_return = is_return;
    open = true;
    const bool ends = is_return || is_feed || character == "\v" || character == "\f" ||
                      character == "\x1c" || character == "\x1d" || character == "\x1e" ||
                      character == "\u0085" || character == "\u2028" || character == "\u2029";
    if (!ends) {
      line += character;
      continue;
    }
    lines.push_back(std::exchange(line, {}));
    open = false;
  }
  if (open) lines.push_back(line);
  return lines;
}

Value percent_format(Budget& budget, const std::string& format, const Value& values) {
  const bool several = values.is(Value::Type::kList) && values.as_list().is_tuple;
  const std::vector<Value> one = {values};
  const std::vector<Value>& given = several ? values.as_list().items : one;
  size_t used = 0;
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    Conversion c;
    const auto at_end = [&] { return i >= format.size(); };
    const auto number = [&] {
      int64_t value = 0;
      for (; !at_end() && format[i] >= '0' && format[i] <= '9'; ++i)
        value = std::min<int64_t>(value * 10 + (format[i] - '0'), 1000000);
      return value;
    };
    for (++i; !at_end(); ++i) {
      if (format[i] == '-')
        c.left = true;
      else if (format[i] == '0')
        c.zeros = true;
      else if (format[i] == '+')
        c.plus = true;
      else
        break;
    }
    c.width = number();
    if (!at_end() && format[i] == '.') {
      ++i;
      c.precision = std::min<int64_t>(number(), 1000);
    }
    if (at_end()) throw Refused{"the format ends within a %"};
    c.letter = format[i];
    if (c.letter == '%') {
      out += '%';
      continue;
    }
    if (used == given.size()) throw Refused{"the format has more % than values"};
    budget.will_make(c.width);
    out += converted(c, given[used++]);
  }
  const bool mapping = values.is(Value::Type::kDict);
  if (used < given.size() && !mapping) throw Refused{"the format has fewer % than values"};
  return budget.text(std::move(out));
}

}  // namespace ponder::jinja
