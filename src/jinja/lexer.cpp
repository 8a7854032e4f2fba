#include "jinja/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "jinja/python_text.h"

namespace ponder::jinja {
namespace {

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank_byte(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Line ends as \n, and the last one left out.
std::string with_plain_lines(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') {
      out += '\n';
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    } else {
      out += text[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  Lexer(std::string text, const std::string& where) : text_(std::move(text)), where_(where) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) {
      const size_t begin = find_tag();
      take_text(begin);
      if (begin == text_.npos) break;
      take_tag();
    }
    add(Token::Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(int line, const std::string& problem) const {
    throw Error(fmt::format("{}:{}", where_, line), problem);
  }

  void add(Token::Kind kind, std::string text) {
    tokens_.push_back({kind, std::move(text), line_});
  }

  void advance(size_t to) {
    line_ += static_cast<int>(std::count(text_.begin() + static_cast<ptrdiff_t>(at_),
                                         text_.begin() + static_cast<ptrdiff_t>(to), '\n'));
    at_ = to;
  }

  bool starts(std::string_view what) const {
    return std::string_view(text_).substr(at_).starts_with(what);
  }

  size_t find_tag() const {
    for (size_t i = at_; i + 1 < text_.size(); ++i) {
      if (text_[i] == '{' && (text_[i + 1] == '%' || text_[i + 1] == '{' || text_[i + 1] == '#'))
        return i;
    }
    return text_.npos;
  }

  // The text up to a tag, without the white space that the tag's sign and lstrip_blocks take away.
  void take_text(size_t begin) {
    const bool last = begin == text_.npos;
    std::string_view piece = std::string_view(text_).substr(at_, last ? text_.npos : begin - at_);
    if (!last) {
      const char sign = begin + 2 < text_.size() ? text_[begin + 2] : ' ';
      const bool variable = text_[begin + 1] == '{';
      if (sign == '-') {
        piece = python_rstrip(piece);
      } else if (sign != '+' && !variable) {
        const size_t line_end = piece.rfind('\n');
        const size_t line_begin = line_end == piece.npos ? 0 : line_end + 1;
        if ((line_begin > 0 || line_starting_) &&
            piece.find_first_not_of(" \t", line_begin) == piece.npos) {
          piece = piece.substr(0, line_begin);
        }
      }
    }
    if (!piece.empty()) add(Token::Kind::kText, std::string(piece));
    advance(last ? text_.size() : begin);
  }

  void skip_spaces() {
    const std::string_view rest = std::string_view(text_).substr(at_);
    advance(text_.size() - python_lstrip(rest).size());
  }

  // What stands at a tag's end: "%}", "-%}", "+%}". Takes with it what the end takes away.
  bool take_end(std::string_view end, bool trims_line) {
    const size_t before = at_;
    if (starts("-") && std::string_view(text_).substr(at_ + 1).starts_with(end)) {
      at_ += 1 + end.size();
      skip_spaces();
    } else if (trims_line && starts("+") &&
               std::string_view(text_).substr(at_ + 1).starts_with(end)) {
      at_ += 1 + end.size();
    } else if (starts(end)) {
      at_ += end.size();
      if (trims_line && starts("\n")) advance(at_ + 1);
    } else {
      return false;
    }
    line_starting_ = at_ > before && text_[at_ - 1] == '\n';
    return true;
  }

  void take_tag() {
    const char kind = text_[at_ + 1];
    const int line = line_;
    at_ += 2;
    if (at_ < text_.size() && (text_[at_] == '-' || text_[at_] == '+')) ++at_;
    if (kind == '#') {
      while (!take_end("#}", true)) {
        if (at_ >= text_.size()) fail(line, "the comment does not end");
        advance(at_ + 1);
      }
      return;
    }
    const bool block = kind == '%';
    add(block ? Token::Kind::kBlockBegin : Token::Kind::kVariableBegin, "");
    const size_t first = tokens_.size();
    if (!take_expression(block ? "%}" : "}}", block))
      fail(line, block ? "the tag {% does not end" : "the tag {{ does not end");
    add(block ? Token::Kind::kBlockEnd : Token::Kind::kVariableEnd, "");
    if (block && tokens_.size() == first + 2 && tokens_[first].is_name("raw")) take_raw(line);
  }

  // {% raw %} is text up to {% endraw %}.
  void take_raw(int line) {
    tokens_.resize(tokens_.size() - 3);
    for (size_t i = text_.find("{%", at_); i != text_.npos; i = text_.find("{%", i + 2)) {
      size_t word = i + 2;
      if (word < text_.size() && (text_[word] == '-' || text_[word] == '+')) ++word;
      while (word < text_.size() && is_blank_byte(text_[word])) ++word;
      if (!std::string_view(text_).substr(word).starts_with("endraw")) continue;
      take_text(i);
      advance(word + 6);
      while (at_ < text_.size() && is_blank_byte(text_[at_])) advance(at_ + 1);
      if (take_end("%}", true)) return;
    }
    fail(line, "{% raw %} does not end");
  }

  // The tokens of an expression and its end; false where the text ends first.
  bool take_expression(std::string_view end, bool trims_line) {
    constexpr size_t kMostParts = 4000;  // an expression's depth is at most their number
    const size_t first = tokens_.size();
    int open = 0;
    while (true) {
      if (tokens_.size() - first > kMostParts) fail(line_, "a tag of more than 4,000 parts");
      while (at_ < text_.size() && is_blank_byte(text_[at_])) advance(at_ + 1);
      if (at_ >= text_.size()) return false;
      if (open == 0 && take_end(end, trims_line)) return true;
      const char c = text_[at_];
      if (is_name_start(c)) {
        take_while([](char each) { return is_name_start(each) || is_digit(each); });
      } else if (is_digit(c)) {
        take_number();
      } else if (c == '\'' || c == '"') {
        take_string();
      } else {
        const std::string_view found = operator_here();
        if (found.empty())
          fail(line_, fmt::format("unexpected \"{}\"", excerpt(here_for_message())));
        if (found == "(" || found == "[" || found == "{") ++open;
        if (found == ")" || found == "]" || found == "}") --open;
        if (open < 0) fail(line_, fmt::format("\"{}\" closes nothing", found));
        add(Token::Kind::kOperator, std::string(found));
        at_ += found.size();
      }
    }
  }

  std::string_view here_for_message() const { return std::string_view(text_).substr(at_, 12); }

  std::string_view operator_here() const {
    constexpr std::array<std::string_view, 26> kOperators = {
        "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<",
        ">",  "=",  "(",  ")",  "[",  "]",  "{", "}", ",", ":", ".", "|", ";"};
    for (const std::string_view each : kOperators) {
      if (starts(each)) return each;
    }
    return "";
  }

  template <typename Belongs>
  void take_while(Belongs belongs) {
    const size_t begin = at_;
    while (at_ < text_.size() && belongs(text_[at_])) ++at_;
    add(Token::Kind::kName, text_.substr(begin, at_ - begin));
  }

  void take_number() {
    std::string digits;
    bool is_float = false;
    const auto take_digits = [&] {
      for (; at_ < text_.size() && (is_digit(text_[at_]) || text_[at_] == '_'); ++at_) {
        if (text_[at_] != '_') digits += text_[at_];
      }
    };
    const auto digit_at = [&](size_t i) { return i < text_.size() && is_digit(text_[i]); };
    take_digits();
    if (starts(".") && digit_at(at_ + 1)) {
      is_float = true;
      digits += text_[at_++];
      take_digits();
    }
    if (starts("e") || starts("E")) {
      const size_t sign =
          at_ + 1 < text_.size() && (text_[at_ + 1] == '+' || text_[at_ + 1] == '-');
      if (digit_at(at_ + 1 + sign)) {
        is_float = true;
        digits += text_.substr(at_, 1 + sign);
        at_ += 1 + sign;
        take_digits();
      }
    }
    add(is_float ? Token::Kind::kFloat : Token::Kind::kInteger, digits);
  }

  uint32_t hexadecimal(size_t begin, size_t count) const {
    uint32_t value = 0;
    for (size_t i = begin; i < begin + count; ++i) {
      const char c = i < text_.size() ? text_[i] : '?';
      const int digit = is_digit(c)              ? c - '0'
                        : (c >= 'a' && c <= 'f') ? c - 'a' + 10
                        : (c >= 'A' && c <= 'F') ? c - 'A' + 10
                                                 : -1;
      if (digit < 0) fail(line_, "an escape lacks a hexadecimal digit");
      value = value << 4 | static_cast<uint32_t>(digit);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
      fail(line_, "an escape stands for no character");
    return value;
  }

  // With Python's escapes.
  void take_string() {
    const char quote = text_[at_];
    const int line = line_;
    std::string value;
    advance(at_ + 1);
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] != '\\' || at_ + 1 >= text_.size()) {
        value += text_[at_];
        advance(at_ + 1);
        continue;
      }
      const char escape = text_[at_ + 1];
      size_t taken = 2;
      constexpr std::string_view kEscapes = "ntrbfav0\\'\"";
      constexpr std::string_view kMeanings("\n\t\r\b\f\a\v\0\\'\"", 11);
      if (const size_t found = kEscapes.find(escape); found != kEscapes.npos) {
        value += kMeanings[found];
      } else if (escape == 'x' || escape == 'u' || escape == 'U') {
        const size_t digits = escape == 'x' ? 2 : escape == 'u' ? 4 : 8;
        value += utf8_of(hexadecimal(at_ + 2, digits));
        taken += digits;
      } else if (escape != '\n') {
        value += '\\';
        value += escape;
      }
      advance(std::min(at_ + taken, text_.size()));
    }
    if (at_ >= text_.size()) fail(line, "the string does not end");
    advance(at_ + 1);
    tokens_.push_back({Token::Kind::kString, std::move(value), line});
  }

  const std::string text_;
  const std::string& where_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // what stands before at_ is a line's end, or nothing
};

}  // namespace

std::vector<Token> tokenize(std::string_view text, const std::string& where) {
  return Lexer(with_plain_lines(text), where).run();
}

}  // namespace ponder::jinja
