#include "judge/lexer.h"

#include <algorithm>
#include <array>

#include "judge/latex_names.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

struct Utf8Symbol {
  std::string_view bytes;
  char symbol;  // 0: dropped
};
constexpr std::array<Utf8Symbol, 24> kUtf8Symbols = {
    {{"×", '*'},  {"·", '*'},    {"⋅", '*'}, {"÷", '/'},  {"−", '-'},    {"–", '-'},
     {"≤", 'L'},  {"≥", 'G'},    {"≠", 'N'}, {"≈", '~'},  {"±", 'P'},    {"∪", 'U'},
     {"∩", 'I'},  {"∈", 'E'},    {"°", 'D'}, {"，", ','}, {"（", '('},   {"）", ')'},
     {"：", ':'}, {"\u00a0", 0}, {"€", 0},   {"£", 0},    {"\u2009", 0}, {"\u202f", 0}}};

class Lexer {
 public:
  Lexer(std::string_view text, CommaRule rule) : text_(text), rule_(rule) {
    // Answers inside JSON or prose are often escaped twice; rows of a matrix look the same, so only
    // text without an environment is unescaped.
    escaped_twice_ = text.find("\\begin") == std::string_view::npos;
  }

  std::vector<Token> run() {
    lex(text_, false);
    add(TokenKind::kFinish, "");
    return std::move(tokens_);
  }

 private:
  void add(TokenKind kind, std::string_view text) {
    tokens_.push_back({kind, std::string(text), space_});
    space_ = false;
  }
  void symbol(char c) {
    if (c == '(' || c == '[' || c == 'S') ++depth_;
    if ((c == ')' || c == ']' || c == 's') && depth_ > 0) --depth_;
    add(TokenKind::kSymbol, std::string_view(&c, 1));
  }

  void lex(std::string_view text, bool words) {
    size_t i = 0;
    while (i < text.size()) {
      const char c = text[i];
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '~') {
        space_ = true;
        ++i;
      } else if (c == '$') {
        ++i;
      } else if (c == '\\') {
        i = command(text, i);
      } else if (is_digit(c) || (c == '.' && i + 1 < text.size() && is_digit(text[i + 1]))) {
        i = number(text, i);
      } else if (is_letter(c)) {
        i = letters(text, i, words);
      } else if (static_cast<unsigned char>(c) >= 0x80) {
        i = utf8(text, i);
      } else if (c == '*' && i + 1 < text.size() && text[i + 1] == '*') {
        symbol('^');
        i += 2;
      } else if ((c == '<' || c == '>' || c == '!') && i + 1 < text.size() && text[i + 1] == '=') {
        symbol(c == '<' ? 'L' : c == '>' ? 'G' : 'N');
        i += 2;
      } else if (c == '.' || c == '"' || c == '`' || c == '?') {
        ++i;  // punctuation around an answer
      } else if (std::string_view("+-*/^_!,;:=<>'|()[]{}%&").find(c) != std::string_view::npos) {
        if (c == '{' && text.substr(i, 3) == "{,}") {
          i += 3;  // only reached outside a number
          symbol(',');
          continue;
        }
        symbol(c);
        ++i;
      } else {
        add(TokenKind::kUnknown, std::string_view(&text[i], 1));
        ++i;
      }
    }
  }

  size_t command(std::string_view text, size_t i) {
    size_t begin = i + 1;
    if (begin < text.size() && text[begin] == '\\') {
      const bool letter_follows = begin + 1 < text.size() && is_letter(text[begin + 1]);
      if (escaped_twice_ && begin + 1 < text.size() &&
          (letter_follows ||
           std::string_view("{}%$,!;").find(text[begin + 1]) != std::string_view::npos)) {
        ++begin;
      } else {
        symbol('R');
        return begin + 1;
      }
    }
    if (begin >= text.size()) return text.size();
    if (!is_letter(text[begin])) {
      const char c = text[begin];
      if (is_digit(c)) return begin;
      if (c == '{')
        symbol('S');
      else if (c == '}')
        symbol('s');
      else if (c == '%')
        symbol('%');
      else if (c == '|')
        symbol('|');
      else
        space_ = true;  // \, \; \! \$ \( \) \[ \] and a control space
      return begin + 1;
    }
    size_t end = begin;
    while (end < text.size() && is_letter(text[end])) ++end;
    const std::string_view name = text.substr(begin, end - begin);
    if (name == "begin" || name == "end") return environment(text, end, name == "begin");
    if (latex_text_commands().contains(name)) return text_group(text, end);
    if (latex_font_commands().contains(name)) {
      while (end < text.size() && text[end] == ' ') ++end;
      if (end < text.size() && text[end] == '{') return text_group(text, end);
      return end;
    }
    if (function_names().contains(name)) {
      add(TokenKind::kFunction, name);
    } else if (latex_letters().contains(name)) {
      add(TokenKind::kName, name);
    } else if (const auto found = latex_commands().find(name); found != latex_commands().end()) {
      const std::string_view what = found->second;
      if (what.empty()) {
        space_ = true;
        if ((name == "left" || name == "right") && end < text.size() && text[end] == '.') ++end;
      } else if (what.size() == 1) {
        symbol(what[0]);
      } else {
        add(what[0] == 'k' ? TokenKind::kCommand
                           : (what[0] == 'c' ? TokenKind::kConstant : TokenKind::kName),
            what.substr(2));
      }
    } else {
      add(TokenKind::kUnknown, name);
    }
    return end;
  }

  size_t environment(std::string_view text, size_t i, bool begin) {
    if (i >= text.size() || text[i] != '{') return i;
    const size_t close = text.find('}', i);
    if (close == std::string_view::npos) return text.size();
    add(begin ? TokenKind::kBegin : TokenKind::kEnd, text.substr(i + 1, close - i - 1));
    size_t end = close + 1;
    if (begin && tokens_.back().text == "array" && end < text.size() && text[end] == '{') {
      const size_t columns = text.find('}', end);
      if (columns != std::string_view::npos) end = columns + 1;
    }
    return end;
  }

  // \text{...}: its words are words, whatever their length.
  size_t text_group(std::string_view text, size_t i) {
    while (i < text.size() && text[i] == ' ') ++i;
    if (i >= text.size() || text[i] != '{') return i;
    const size_t close = matching_brace(text, i);
    if (close == std::string_view::npos || ++groups_ > 200) {
      add(TokenKind::kUnknown, "{");
      return text.size();
    }
    const std::string_view inside = text.substr(i + 1, close - i - 1);
    if (inside.find("\\text") != std::string_view::npos && ++nested_ > 8) {
      add(TokenKind::kUnknown, "\\text");
      return text.size();
    }
    lex(inside, true);
    return close + 1;
  }

  size_t letters(std::string_view text, size_t i, bool words) {
    size_t end = i;
    while (end < text.size() && is_letter(text[end])) ++end;
    const std::string_view run = text.substr(i, end - i);
    const std::string lower = to_lower(run);
    if (lower == "and" || lower == "or") {
      symbol(',');
    } else if (lower == "approximately" || lower == "about" || lower == "exactly") {
      space_ = true;
    } else if (lower == "percent" || lower == "percentage") {
      symbol('%');
    } else if (lower == "degrees" || lower == "degree") {
      symbol('D');
    } else if (run == "pi" || run == "inf" || lower == "infinity") {
      add(TokenKind::kConstant, run == "pi" ? "pi" : "inf");
    } else if (run == "sqrt") {
      add(TokenKind::kCommand, "sqrt");
    } else if (function_names().contains(run)) {
      add(TokenKind::kFunction, run);
    } else if (run.size() == 1) {
      single_letter(run);
    } else if (words || run.size() >= 4 || (after_value() && is_unit(lower))) {
      add(TokenKind::kWord, lower);
    } else {
      for (size_t k = 0; k < run.size(); ++k) single_letter(run.substr(k, 1));
    }
    return end;
  }

  void single_letter(std::string_view letter) {
    add(letter == "e" || letter == "i" ? TokenKind::kConstant : TokenKind::kName, letter);
  }

  bool after_value() const {
    return !tokens_.empty() && (tokens_.back().kind == TokenKind::kNumber ||
                                tokens_.back().is(')') || tokens_.back().is('}'));
  }

  size_t number(std::string_view text, size_t i) {
    std::string digits;
    size_t end = i;
    bool point = false;
    while (end < text.size()) {
      if (is_digit(text[end])) {
        digits += text[end++];
      } else if (text[end] == '.' && !point && end + 1 < text.size() && is_digit(text[end + 1])) {
        point = true;
        digits += text[end++];
      } else if (const size_t next = point ? 0 : digits_after_comma(text, i, end)) {
        if (rule_ == CommaRule::kDecimal && text[end] == ',') {
          point = true;
          digits += '.';
        }
        end = next;
      } else {
        break;
      }
    }
    add(TokenKind::kNumber, digits);
    return end;
  }

  // Where the digits go on after a comma that belongs to the number, or 0.
  size_t digits_after_comma(std::string_view text, size_t begin, size_t comma) const {
    size_t next = comma;
    bool certain = false;  // "{,}" and ",\!" are only written inside one number
    if (text.substr(comma, 3) == "{,}") {
      next = comma + 3;
      certain = true;
    } else if (text[comma] == ',') {
      next = comma + 1;
      while (next < text.size() && text[next] == ' ') ++next;
      if (text.substr(next, 2) == "\\!") {
        next += 2;
        certain = true;
        while (next < text.size() && text[next] == ' ') ++next;
      } else if (next != comma + 1) {
        return 0;
      }
    } else {
      return 0;
    }
    size_t end = next;
    while (end < text.size() && end < next + 4 && is_digit(text[end])) ++end;
    if (rule_ == CommaRule::kDecimal && !certain) return end > next ? next : 0;
    const bool group = end == next + 3;
    if (certain) return group ? next : 0;
    if (rule_ != CommaRule::kThousands || !group || depth_ > 0) return 0;
    // The first group has one to three digits, not a leading zero alone.
    size_t first = begin;
    while (first < comma && is_digit(text[first])) ++first;
    return first - begin <= 3 && text[begin] != '0' ? next : 0;
  }

  size_t utf8(std::string_view text, size_t i) {
    for (const Utf8Symbol& entry : kUtf8Symbols) {
      if (text.substr(i, entry.bytes.size()) != entry.bytes) continue;
      if (entry.symbol) symbol(entry.symbol);
      return i + entry.bytes.size();
    }
    for (const auto& [bytes, name] : {std::pair{"π", "pi"}, std::pair{"∞", "inf"}}) {
      if (text.substr(i, std::string_view(bytes).size()) == bytes) {
        add(TokenKind::kConstant, name);
        return i + std::string_view(bytes).size();
      }
    }
    for (const auto& [bytes, power] : {std::pair{"²", "2"}, std::pair{"³", "3"}}) {
      if (text.substr(i, std::string_view(bytes).size()) == bytes) {
        symbol('^');
        add(TokenKind::kNumber, power);
        return i + std::string_view(bytes).size();
      }
    }
    if (text.substr(i, 3) == "√") {
      add(TokenKind::kCommand, "sqrt");
      return i + 3;
    }
    size_t end = i + 1;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
    while (end < text.size() &&
           (static_cast<unsigned char>(text[end]) >= 0x80 || is_letter(text[end]))) {
      ++end;  // a word of another script
    }
    add(TokenKind::kWord, text.substr(i, end - i));
    return end;
  }

  std::string_view text_;
  CommaRule rule_;
  bool escaped_twice_ = false;
  bool space_ = false;
  int depth_ = 0, groups_ = 0, nested_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex_answer(std::string_view text, CommaRule rule) {
  return Lexer(text, rule).run();
}

std::vector<CommaRule> comma_rules(std::string_view text) {
  size_t commas = 0, last = 0;
  bool bracket = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') ++commas, last = i;
    bracket |= text[i] == '(' || text[i] == '[' || text[i] == '{';
  }
  if (commas == 0) return {CommaRule::kThousands};
  std::vector<CommaRule> rules = {CommaRule::kThousands, CommaRule::kSeparator};
  const bool between_digits =
      last > 0 && last + 1 < text.size() && is_digit(text[last - 1]) && is_digit(text[last + 1]);
  if (commas == 1 && !bracket && between_digits) {
    size_t end = last + 1, begin = last;
    while (end < text.size() && is_digit(text[end])) ++end;
    while (begin > 0 && is_digit(text[begin - 1])) --begin;
    // "2,740" is never two and three quarters; "0,740" can be nothing else.
    const bool leading_zero = last - begin == 1 && text[begin] == '0';
    if (end - last - 1 != 3 || leading_zero) rules.push_back(CommaRule::kDecimal);
  }
  return rules;
}

}  // namespace ponder::judge
