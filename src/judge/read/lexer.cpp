#include "judge/read/lexer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "judge/read/latex_names.h"
#include "judge/read/unicode_names.h"
#include "judge/read/units.h"
#include "judge/read/written_number.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

class Lexer {
 public:
  Lexer(std::string_view text, CommaRule rule) : text_(text), rule_(rule) {
    // Answers inside JSON or prose are often escaped twice; rows of a matrix look the same, so only
    // text without an environment is unescaped.
    escaped_twice_ = text.find("\\begin") == std::string_view::npos;
    tokens_.reserve(std::min<size_t>(text.size() + 1, 64));
  }

  std::vector<Token> run() {
    lex(text_, false);
    add(TokenKind::kFinish, "");
    return std::move(tokens_);
  }

 private:
  void add(TokenKind kind, std::string_view text) {
    Token& token = tokens_.emplace_back();
    token.kind = kind;
    token.text = text;
    token.space_before = space_;
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
      } else if (text.substr(i, 3) == "...") {
        symbol('o');
        i += 3;
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
        return after_row_space(text, begin + 1);
      }
    }
    if (begin >= text.size()) return text.size();
    if (!is_letter(text[begin])) {
      const char c = text[begin];
      dollars_ = c == '$' && begin + 1 < text.size() &&
                 (is_digit(text[begin + 1]) || text[begin + 1] == '.');
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
    if (latex_silent_commands().contains(name)) {
      space_ = true;
      return after_arguments(text, end);
    }
    if (latex_text_commands().contains(name)) return text_group(text, end);
    if (latex_font_commands().contains(name)) {
      while (end < text.size() && text[end] == ' ') ++end;
      if (end < text.size() && text[end] == '{') return font_group(text, end, name);
      return end;
    }
    if (function_names().contains(name)) {
      add(TokenKind::kFunction, name);
    } else if (name == "Omega" && after_value() && trimmed(text.substr(end), " $}.").empty()) {
      add(TokenKind::kWord, "ohm");
    } else if (latex_letters().contains(name)) {
      add(TokenKind::kName, name);
    } else if (const auto found = latex_commands().find(name); found != latex_commands().end()) {
      const std::string_view what = found->second;
      if (what.empty()) {
        space_ = true;
        if (name.ends_with("left") || name.ends_with("right")) end += text.substr(end, 1) == ".";
      } else if (what.size() == 1) {
        symbol(what[0]);
      } else {
        add(what[0] == 'k'   ? TokenKind::kCommand
            : what[0] == 'c' ? TokenKind::kConstant
            : what[0] == 'f' ? TokenKind::kFunction
                             : TokenKind::kName,
            what.substr(2));
      }
    } else if (name.starts_with("quad") || name.starts_with("qquad")) {
      space_ = true;  // "\\quadx": the space before a name is missing
      return begin + (name[0] == 'q' && name[1] == 'q' ? 5 : 4);
    } else {
      add(TokenKind::kUnknown, name);
    }
    return end;
  }

  // "\\\\[4pt]": the space between two rows.
  static size_t after_row_space(std::string_view text, size_t i) {
    if (text.substr(i, 1) != "[") return i;
    const size_t close = text.substr(0, i + 12).find(']', i);
    if (close == std::string_view::npos || close < i + 3) return i;
    const std::string_view unit = text.substr(close - 2, 2);
    for (std::string_view known : {"pt", "em", "ex", "mm", "cm"}) {
      if (unit == known) return close + 1;
    }
    return i;
  }

  // The end of the arguments of \\color{red}, \\tag*{1}, \\bbox[5px]: they say nothing.
  static size_t after_arguments(std::string_view text, size_t i) {
    if (text.substr(i, 1) == "*") ++i;
    for (const auto& [open, close] : {std::pair{'[', ']'}, std::pair{'{', '}'}}) {
      while (i < text.size() && text[i] == ' ') ++i;
      if (i >= text.size() || text[i] != open) continue;
      const size_t end = open == '{' ? matching_brace(text, i) : text.find(close, i);
      if (end == std::string_view::npos) return i;
      if (open == '[' || close == '}') i = end + 1;
      if (open == '[') return i;
    }
    return i;
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

  // \mathbf{i}, \hat{\imath}: a unit vector; other fonts are as \text.
  size_t font_group(std::string_view text, size_t i, std::string_view font) {
    const size_t close = matching_brace(text, i);
    if (close == std::string_view::npos || font == "bar" || font == "mathcal" || font == "mathbb")
      return text_group(text, i);
    std::string_view inside = trimmed(text.substr(i + 1, close - i - 1));
    for (std::string_view dress : {"\\mathbf{", "\\boldsymbol{", "\\bm{", "\\mathrm{"}) {
      if (inside.starts_with(dress) && inside.ends_with("}"))
        inside = inside.substr(dress.size(), inside.size() - dress.size() - 1);
    }
    if (inside == "i" || inside == "j" || inside == "k" || inside == "\\imath" ||
        inside == "\\jmath") {
      add(TokenKind::kName, std::string("unit ") + inside[inside.size() == 1 ? 0 : 1]);
      return close + 1;
    }
    return text_group(text, i);
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
    const std::string_view before = std::exchange(behind_, text.substr(close + 1));
    lex(inside, true);
    behind_ = before;
    return close + 1;
  }

  // floor(x), \\operatorname{sgn}(x): a bracket follows, behind the group too.
  bool is_called(std::string_view rest, bool words) const {
    rest = trimmed(rest);
    if (rest.empty() && words) rest = trimmed(behind_);
    if (rest.starts_with("{")) rest = trimmed(rest.substr(1));
    return rest.starts_with("(") || rest.starts_with("\\left(");
  }

  size_t letters(std::string_view text, size_t i, bool words) {
    size_t end = i;
    while (end < text.size() && is_letter(text[end])) ++end;
    const std::string_view run = text.substr(i, end - i);
    const std::string lower = lower_ascii(run);
    if (run == "oo") {
      add(TokenKind::kConstant, "inf");
    } else if (lower == "to" && words && after_value() && trimmed(text.substr(end)).empty()) {
      symbol(':');  // 2 \text{ to } 3
    } else if (lower == "to" && after_value() &&
               is_digit(text.substr(std::min(text.find_first_not_of(" }", end), text.size()), 1))) {
      symbol(':');  // 2 to 3
    } else if ((lower == "in" || lower == "out") && after_value() &&
               counts_follow(text, end, lower)) {
      symbol('/');  // 1 in 3, 1 out of 3
      if (lower == "out") end = text.find("of", end) + 2;
    } else if ((lower == "st" || lower == "nd" || lower == "rd" || lower == "th") && i > 0 &&
               is_digit(text[i - 1]) && !tokens_.empty() &&
               tokens_.back().kind == TokenKind::kNumber) {
      space_ = true;  // 5th
    } else if (run == "U" && !tokens_.empty() &&
               (tokens_.back().is(')') || tokens_.back().is(']'))) {
      symbol('U');
    } else if (is_currency_code(run) && !after_value()) {
      space_ = true;
      if (text.substr(end, 1) == ".") ++end;
    } else if (lower == "ans") {
      add(TokenKind::kWord, lower);
    } else if (lower == "and" || lower == "or") {
      symbol(',');
    } else if (lower == "approximately" || lower == "about" || lower == "exactly") {
      space_ = true;
    } else if (lower == "percent" || lower == "percentage" || lower == "pct") {
      symbol('%');
    } else if (lower == "degrees" || lower == "degree" || (lower == "deg" && after_value())) {
      symbol('D');
    } else if (run == "pi" || run == "inf" || lower == "infinity") {
      add(TokenKind::kConstant, run == "pi" ? "pi" : "inf");
    } else if (run == "mod") {
      add(TokenKind::kCommand, "bmod");
    } else if (run == "sqrt") {
      add(TokenKind::kCommand, "surd");
    } else if (function_names().contains(run) &&
               !((words || run == "min") && after_value() && is_unit(lower))) {
      add(TokenKind::kFunction, run);  // 10 \text{ sec} is a time
    } else if (called_names().contains(run) &&
               ((words && (run == "Re" || run == "Im")) || is_called(text.substr(end), words))) {
      add(TokenKind::kFunction, run);
    } else if (!words && run.size() >= 4 && greek_letters().contains(run)) {
      add(TokenKind::kName, run);
    } else if (!words && is_short_name(run)) {
      add(TokenKind::kWord, lower);  // Bob
    } else if (run.size() == 3 && number_word(lower)) {
      add(TokenKind::kWord, lower);  // "two" is no product
    } else if (run.size() == 1) {
      // \text{ m}, \text{ m/s}
      const bool unit = words && is_unit_letter(run) &&
                        (after_value() || (!tokens_.empty() && after_unit_sign()));
      if (unit)
        add(TokenKind::kWord, run);
      else
        single_letter(run);
    } else if (words || run.size() >= 4 || (after_value() && is_unit(lower)) ||
               (!tokens_.empty() && tokens_.back().kind == TokenKind::kWord &&
                (lower == "per" || is_unit(lower)))) {
      add(TokenKind::kWord, lower);
    } else {
      for (size_t k = 0; k < run.size(); ++k) single_letter(run.substr(k, 1));
    }
    return end;
  }

  static bool is_digit(std::string_view text) { return !text.empty() && judge::is_digit(text[0]); }
  static bool is_digit(char c) { return judge::is_digit(c); }

  // Behind "in" or "out" at `end`: a number, or "of" and a number, within a group or behind it.
  bool counts_follow(std::string_view text, size_t end, std::string_view word) const {
    std::string_view rest = trimmed(text.substr(end));
    if (word == "out") {
      if (!rest.starts_with("of")) return false;
      rest = trimmed(rest.substr(2));
    }
    if (rest.empty()) rest = trimmed(behind_);
    return is_digit(rest);
  }

  // A capital and two small letters with a vowel: Bob, Amy.
  static bool is_short_name(std::string_view run) {
    const auto is_small = [](char c) { return c >= 'a' && c <= 'z'; };
    return run.size() == 3 && run[0] >= 'A' && run[0] <= 'Z' && is_small(run[1]) &&
           is_small(run[2]) && run.substr(1).find_first_of("aeiouy") != std::string_view::npos &&
           !function_names().contains(run);
  }

  // USD 500, Rs. 500
  static bool is_currency_code(std::string_view run) {
    for (std::string_view code : {"USD", "EUR", "GBP", "INR", "CNY", "RMB", "JPY", "Rs", "US"}) {
      if (run == code) return true;
    }
    return false;
  }

  void single_letter(std::string_view letter) {
    add(letter == "e" || letter == "i" ? TokenKind::kConstant : TokenKind::kName, letter);
  }

  // "m/" and "N \cdot": the next letter is a unit as well.
  bool after_unit_sign() const {
    const size_t n = tokens_.size();
    if (tokens_[n - 1].kind == TokenKind::kWord) return true;
    return n > 1 && (tokens_[n - 1].is('/') || tokens_[n - 1].is('*')) &&
           (tokens_[n - 2].kind == TokenKind::kWord || tokens_[n - 2].kind == TokenKind::kNumber);
  }

  bool after_value() const {
    return !tokens_.empty() && (tokens_.back().kind == TokenKind::kNumber ||
                                tokens_.back().is(')') || tokens_.back().is('}'));
  }

  size_t number(std::string_view text, size_t i) {
    const WrittenNumber number = read_number(text, i, rule_, depth_ > 0);
    const bool dollars = std::exchange(dollars_, false);
    if (number.unclear)
      add(TokenKind::kUnknown, "...");  // which digits follow is not said
    else
      add(TokenKind::kNumber, number.digits);
    if (!number.power.empty()) lex("\\cdot10^{" + number.power + "}", false);
    if (dollars && number.is_plain) add(TokenKind::kWord, "dollar");
    return number.end;
  }

  size_t utf8(std::string_view text, size_t i) {
    if (const UnicodeReading known = read_unicode(text, i); known.end > 0) {
      if (known.symbol)
        symbol(known.symbol);
      else if (known.latex.empty())
        space_ = true;
      else
        lex(known.latex, false);
      return known.end;
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
  std::string_view behind_;  // what follows the group that is read
  bool dollars_ = false;     // the number that follows had \$ before it
  int depth_ = 0, groups_ = 0, nested_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex_answer(std::string_view text, CommaRule rule) {
  if (text.find("\xef\xbc") == std::string_view::npos) return Lexer(text, rule).run();
  std::string plain;  // full-width digits and signs as plain ones
  for (size_t i = 0; i < text.size(); ++i) {
    const bool wide = i + 2 < text.size() && text[i] == '\xef' && text[i + 1] == '\xbc' &&
                      text[i + 2] >= '\x81' && text[i + 2] <= '\xbf';
    plain += wide ? static_cast<char>('!' + (text[i + 2] - '\x81')) : text[i];
    i += wide ? 2 : 0;
  }
  return Lexer(plain, rule).run();
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
  // (1,5;2,5): where semicolons separate, every comma is a decimal one.
  if (text.find(';') != std::string_view::npos) {
    bool all = true;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == ',')
        all &= i > 0 && i + 1 < text.size() && is_digit(text[i - 1]) && is_digit(text[i + 1]);
    }
    if (all) rules.push_back(CommaRule::kDecimal);
  }
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
