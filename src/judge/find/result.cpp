#include "judge/find/result.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "judge/text.h"

namespace ponder::judge {

using std::string_view;

bool breaks_off(string_view text) {
  text = trimmed(text);
  string_view tail = text.substr(text.size() > 4000 ? text.size() - 4000 : 0);
  for (const auto& [open, close] :
       {std::pair<string_view, string_view>{"\\[", "\\]"}, {"\\(", "\\)"}}) {
    const size_t last_open = tail.rfind(open), last_close = tail.rfind(close);
    const bool line_break = last_open != kNone && last_open > 0 && tail[last_open - 1] == '\\';
    if (last_open != kNone && !line_break && (last_close == kNone || last_close < last_open))
      return true;
  }
  if (tail.ends_with("**")) {
    // A mark that opens nothing, or a heading: "**Vector:**".
    while (tail.ends_with("*")) tail.remove_suffix(1);
    if (tail.empty() || is_space(tail.back())) return true;
  }
  if (tail.empty()) return true;
  if (string_view(":=+,&<({[-#/\\").find(tail.back()) != kNone) return true;
  size_t word = tail.size();
  while (word > 0 && is_letter(tail[word - 1])) --word;
  const std::string last = lower_ascii(tail.substr(word));
  for (string_view open : {"as", "the", "an", "of", "is", "are", "be", "and", "or", "with", "that",
                           "by", "if", "because", "since", "then", "therefore", "where"}) {
    if (last == open) return true;
  }
  return false;
}

std::string result_of(string_view value) {
  value = trimmed(value);
  while (!value.empty() && (value.back() == '.' || value.back() == ',' || value.back() == ';'))
    value = trimmed(value.substr(0, value.size() - 1));
  for (string_view arrow : {"\\Rightarrow", "\\implies", "\\Longrightarrow", "\\therefore"}) {
    const size_t at = value.rfind(arrow);
    if (at != kNone) value = trimmed(value.substr(at + arrow.size()));
  }
  std::string aligned;
  for (string_view name : {"{aligned}", "{align}", "{align*}", "{gathered}", "{split}"}) {
    if (!value.starts_with("\\begin" + std::string(name))) continue;
    string_view body = value.substr(6 + name.size());
    body = trimmed(body.substr(0, body.rfind("\\end")));
    while (body.ends_with("\\\\")) body = trimmed(body.substr(0, body.size() - 2));
    const size_t row = body.rfind("\\\\");
    if (row != kNone) body = body.substr(row + 2);
    for (char c : body) {
      if (c != '&') aligned += c;
    }
    value = trimmed(aligned);
    if (value.starts_with("=")) value = trimmed(value.substr(1));
    break;
  }
  // The '=' outside all braces, and whether a comma stands there too.
  std::vector<size_t> equals;
  int depth = 0;
  bool comma = false;
  for (size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\\') {
      if (value.substr(i, 6) == "\\begin") ++depth;
      if (value.substr(i, 4) == "\\end") --depth;
      ++i;
      continue;
    }
    depth += c == '{' || c == '(' || c == '[';
    depth -= c == '}' || c == ')' || c == ']';
    if (depth != 0) continue;
    comma |= c == ',' &&
             !(i > 0 && is_digit(value[i - 1]) && i + 1 < value.size() && is_digit(value[i + 1]));
    if (c == '=') equals.push_back(i);
  }
  if (equals.empty() || comma) return std::string(value);
  const string_view last = trimmed(value.substr(equals.back() + 1));
  if (last.empty()) return std::string(trimmed(value.substr(0, equals.back())));
  if (equals.size() >= 2) return std::string(last);
  if (last.starts_with("\\begin{")) return std::string(last);
  // 3 + 4 = 7: figures alone on the left.
  const string_view left = trimmed(value.substr(0, equals.front()));
  bool digits = false, names = false, computes = false;
  for (size_t i = 0; i < left.size(); ++i) {
    if (left[i] == '\\') {
      size_t end = i + 1;
      while (end < left.size() && is_letter(left[end])) ++end;
      const string_view command = left.substr(i + 1, end - i - 1);
      computes |= command == "times" || command == "frac" || command == "cdot" ||
                  command == "div" || command == "sqrt" || command == "dfrac";
      names |= command == "mathbf" || command == "theta" || command == "alpha";
      if (command == "text" || command == "mathrm" || command == "mbox") {
        const size_t close = left.find('}', end);
        end = close == kNone ? left.size() : close + 1;
      }
      i = std::max(end, i + 2) - 1;
      continue;
    }
    digits |= is_digit(left[i]);
    names |= is_letter(left[i]);
    computes |= string_view("+-*/^").find(left[i]) != kNone;
  }
  if (digits && computes && !names) return std::string(last);
  return std::string(value);
}

}  // namespace ponder::judge
