#include "judge/find/sentence.h"

#include <algorithm>
#include <array>
#include <utility>

#include "judge/read/units.h"
#include "judge/text.h"

namespace ponder::judge {

using std::string_view;

namespace {

constexpr size_t kLongestBold = 300;  // bytes of a bold part that may be a result

char at(string_view text, size_t i) { return i < text.size() ? text[i] : '\0'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_wide(char c) { return static_cast<unsigned char>(c) >= 0x80; }
bool is_wordy(char c) { return is_letter(c) || is_wide(c); }

size_t skip_spaces(string_view text, size_t i) {
  while (i < text.size() && text[i] == ' ') ++i;
  return i;
}

// Length of one of `items` at `i`, or 0.
template <size_t N>
size_t one_of(string_view text, size_t i, const std::array<string_view, N>& items) {
  for (string_view item : items) {
    if (text.substr(i, item.size()) == item) return item.size();
  }
  return 0;
}

constexpr std::array<string_view, 5> kMoney = {"$", "\\$", "€", "£", "¥"};
constexpr std::array<string_view, 9> kOperators = {"+", "-", "*",       "/",     "×",
                                                   "·", "÷", "\\times", "\\cdot"};
constexpr std::array<string_view, 3> kMinus = {"-", "−", "+"};

// `12,345.67` or `.5` or `14{,}916` at `i`; `i` where there is none.
size_t end_of_digits(string_view text, size_t i) {
  if (!is_digit(at(text, i)) && !(at(text, i) == '.' && is_digit(at(text, i + 1)))) return i;
  while (i < text.size()) {
    if (is_digit(text[i])) {
      ++i;
    } else if ((text[i] == '.' || text[i] == ',') && is_digit(at(text, i + 1))) {
      ++i;
    } else if (text.substr(i, 3) == "{,}" && is_digit(at(text, i + 3))) {
      i += 3;
    } else {
      break;
    }
  }
  return i;
}

size_t end_of_signed(string_view text, size_t i) {
  const size_t sign = one_of(text, i, kMinus);
  size_t j = i + sign;
  j += one_of(text, j, kMoney);
  if (sign == 0) j += one_of(text, j, kMinus);
  const size_t end = end_of_digits(text, j);
  return end == j ? i : end;
}

// \command{...}{...}, digits and operators without a space in between.
size_t end_of_latex(string_view text, size_t i) {
  if (text.substr(i, 7) == "\\begin{") {
    const size_t name_end = text.find('}', i);
    if (name_end == kNone || name_end - i > 40) return i;
    const std::string close = "\\end" + std::string(text.substr(i + 6, name_end + 1 - (i + 6)));
    const size_t end = text.find(close, i);
    return end == kNone ? i : end + close.size();
  }
  size_t depth = 0;
  const size_t limit = std::min(text.size(), i + 400);
  while (i < limit) {
    const char c = text[i];
    if (c == '\\' && (at(text, i + 1) == ')' || at(text, i + 1) == ']')) break;
    if (c == '\\') {
      i += 2;
      while (i < limit && is_letter(text[i])) ++i;
      continue;
    }
    if (c == '{') ++depth;
    if (c == '}' && depth-- == 0) break;
    if (depth == 0 && (is_space(c) || string_view("$,;:!?*").find(c) != kNone)) break;
    if (depth == 0 && c == '.' && !is_digit(at(text, i + 1))) break;
    ++i;
  }
  return i;
}

// (2, 3) and [0, 5): figures between brackets, with a comma.
size_t end_of_tuple(string_view text, size_t i) {
  bool comma = false, digit = false;
  for (size_t j = i + 1; j < text.size() && j < i + 80; ++j) {
    const char c = text[j];
    if (c == ')' || c == ']') return comma && digit ? j + 1 : i;
    comma |= c == ',';
    digit |= is_digit(c);
    if (is_letter(c) && is_letter(text[j - 1]) && at(text, j - 2) != '\\' && !comma) return i;
    if (c == '\n' || c == '(') return i;
  }
  return i;
}

struct Pattern {
  string_view open, close;
};

Pattern math_at(string_view text, size_t i) {
  if (text[i] == '$') return at(text, i + 1) == '$' ? Pattern{"$$", "$$"} : Pattern{"$", "$"};
  if (text[i] == '\\' && at(text, i + 1) == '[') return {"\\[", "\\]"};
  if (text[i] == '\\' && at(text, i + 1) == '(') return {"\\(", "\\)"};
  return {};
}

size_t find_close(string_view text, string_view close, size_t from) {
  size_t end = text.find(close, from);
  while (end != kNone && close == "$" && text[end - 1] == '\\') end = text.find(close, end + 1);
  return end;
}

// "costs $5 and then $6", "$90 - $27 = $63": dollars, no formula.
bool is_money(string_view text, size_t inside, size_t close) {
  const string_view content = text.substr(inside, close - inside);
  if (is_digit(at(text, inside)) && is_digit(at(text, close + 1))) return true;
  if (is_digit(at(text, inside)) && !content.empty() && content.back() == ' ' &&
      content.find('\\') == kNone)
    return true;
  int words = 0;
  for (size_t i = 0; i < content.size();) {
    size_t end = i;
    while (end < content.size() && is_letter(content[end])) ++end;
    words += end - i >= 3;
    i = std::max(end, i + 1);
  }
  return words >= 1 && content.find('\\') == kNone && content.find(' ') != kNone;
}

bool is_bold_value(string_view content) {
  content = trimmed(content);
  if (content.empty() || content.size() > 60 || !begins_as_value(content)) return false;
  if (content.ends_with(":") || content.find(". ") != kNone || content.find('=') != kNone)
    return false;
  const size_t digits = end_of_digits(content, 0);
  if (digits > 0 && (at(content, digits) == ')' || at(content, digits) == '.')) return false;
  int words = 0;
  for (size_t i = 0; i < content.size(); ++i)
    words += is_letter(content[i]) && (i == 0 || is_space(content[i - 1]));
  return words <= 3;
}

// What leaves a sentence open at the end of a line.
bool expects_more(const std::vector<Piece>& tokens) {
  if (tokens.empty()) return false;
  const Piece& last = tokens.back();
  if (last.kind == Piece::Kind::kMark) return last.text == ":" || last.text == "=";
  for (string_view word : {"is", "are", "be", "equals", "remains", "as", "by", "get", "obtain",
                           "have", "that", "indeed"}) {
    if (last.is_word(word)) return true;
  }
  return false;
}

class Splitter {
 public:
  explicit Splitter(string_view text) : text_(text) { sentences_.emplace_back(); }

  std::vector<Sentence> run() {
    while (i_ < text_.size()) step();
    end_sentence();
    sentences_.pop_back();
    for (Sentence& sentence : sentences_) join_names(sentence);
    return std::move(sentences_);
  }

 private:
  std::vector<Piece>& tokens() { return sentences_.back().tokens; }

  void push(Piece::Kind kind, size_t begin, size_t end) {
    tokens().push_back({kind, text_.substr(begin, end - begin), false, false, false});
  }

  void push_value(string_view content, bool formula, bool bold) {
    tokens().push_back({Piece::Kind::kValue, trimmed(content), formula, bold, is_strong(content)});
  }

  void end_sentence(bool question = false) {
    sentences_.back().question = question;
    if (!tokens().empty()) sentences_.emplace_back();
  }

  bool formula() {
    const auto [open, close] = math_at(text_, i_);
    if (open.empty()) return false;
    const size_t inside = i_ + open.size();
    bool& never = never_closed_[close == "$" ? 0 : close == "$$" ? 1 : close == "\\)" ? 2 : 3];
    if (never) return false;
    const size_t end = find_close(text_, close, inside);
    never = end == kNone;
    if (end == kNone || end == inside || text_.substr(inside, end - inside).find("\n\n") != kNone ||
        (open == "$" && is_money(text_, inside, end)))
      return false;
    const string_view content = trimmed(text_.substr(inside, end - inside));
    push_value(content, true, false);
    i_ = end + close.size();
    const bool displayed = open != "$" && open != "\\(";
    const size_t next = text_.find_first_not_of(" \t\r\n", i_);
    const bool new_line = text_.substr(i_, next == kNone ? kNone : next - i_).find('\n') != kNone;
    if (displayed && (content.ends_with(".") || next == kNone || is_upper(text_[next]) ||
                      (new_line && !is_letter(text_[next]))))
      end_sentence();
    return true;
  }

  bool bold() {
    if (text_[i_] != '*' || at(text_, i_ + 1) != '*') return false;
    const size_t inside = i_ + 2;
    const size_t close = text_.substr(0, inside + kLongestBold).find("**", inside);
    if (close != kNone && close > inside && is_bold_value(text_.substr(inside, close - inside))) {
      push_value(text_.substr(inside, close - inside), false, true);
      i_ = close + 2;
    } else {
      i_ = inside;
    }
    return true;
  }

  // Bullets, headings, quotes and "2. " at the beginning of a line.
  void line_start() {
    while (i_ < text_.size() && (text_[i_] == ' ' || text_[i_] == '\t')) ++i_;
    while (i_ < text_.size() && (text_[i_] == '#' || text_[i_] == '>')) ++i_;
    if (one_of(text_, i_, std::array<string_view, 3>{"- ", "* ", "• "})) i_ += 2;
    size_t digits = i_;
    while (is_digit(at(text_, digits)) && digits < i_ + 3) ++digits;
    if (digits > i_ && (at(text_, digits) == '.' || at(text_, digits) == ')') &&
        at(text_, digits + 1) == ' ' && at(text_, digits + 2) != '\n' && digits + 2 < text_.size())
      i_ = digits + 1;
  }

  void step() {
    if (i_ == 0 || text_[i_ - 1] == '\n') {
      const size_t before = i_;
      line_start();
      if (i_ != before) return;
    }
    const char c = text_[i_];
    if (c == '\n') {
      if (!expects_more(tokens())) end_sentence();
      ++i_;
      return;
    }
    if (is_space(c)) {
      ++i_;
      return;
    }
    if (formula() || bold()) return;
    if (c == '\\' || c == '(' || c == '[') {
      const bool latex = c == '\\' && is_letter(at(text_, i_ + 1));
      const size_t end = latex ? end_of_latex(text_, i_) : c == '\\' ? i_ : end_of_tuple(text_, i_);
      if (end > i_ && (c != '\\' || is_strong(text_.substr(i_, end - i_)))) {
        push_value(text_.substr(i_, end - i_), false, false);
        i_ = end;
        return;
      }
      if (latex) {
        i_ = std::max(end, i_ + 2);
        return;
      }
    }
    if (const size_t end = end_of_number(text_, i_); end > i_) {
      push_value(text_.substr(i_, end - i_), false, false);
      i_ = end;
      return;
    }
    if (const size_t length =
            one_of(text_, i_, std::array<string_view, 6>{"。", "：", "≈", "，", "；", "！"})) {
      if (text_.substr(i_, length) == "。" || text_.substr(i_, length) == "！") {
        end_sentence();
      } else {
        push(Piece::Kind::kMark, i_, i_ + length);
      }
      i_ += length;
      return;
    }
    if (is_wordy(c)) {
      size_t end = i_;
      while (end < text_.size() &&
             (is_wordy(text_[end]) || (is_digit(text_[end]) && !is_wide(text_[end - 1])) ||
              ((text_[end] == '\'' || text_[end] == '-') && is_letter(at(text_, end + 1)))) &&
             one_of(text_, end, std::array<string_view, 4>{"：", "。", "，", "≈"}) == 0)
        ++end;
      push(Piece::Kind::kWord, i_, end);
      i_ = end;
      return;
    }
    const char next = at(text_, i_ + 1);
    if ((c == '.' || c == '!' || c == '?') &&
        (next == '\0' || is_space(next) || next == '"' || next == ')' || next == '*')) {
      const size_t after = text_.find_first_not_of(" \"')*", i_ + 1);
      const bool goes_on = c == '.' && after != kNone && text_[after] >= 'a' && text_[after] <= 'z';
      ++i_;
      if (!goes_on) end_sentence(c == '?');
      return;
    }
    if (c != '*' && c != '_' && c != '`' && c != '"') push(Piece::Kind::kMark, i_, i_ + 1);
    ++i_;
  }

  // "x = 5" in plain text is one value.
  static void join_names(Sentence& sentence) {
    std::vector<Piece>& t = sentence.tokens;
    size_t kept = 0;
    for (size_t i = 0; i < t.size(); ++i) {
      const bool named = i + 2 < t.size() && t[i].kind == Piece::Kind::kWord &&
                         t[i].text.size() == 1 && t[i + 1].is_mark("=") &&
                         t[i + 2].kind == Piece::Kind::kValue && !t[i + 2].formula &&
                         !t[i + 2].bold && !(i + 3 < t.size() && t[i + 3].is_mark("="));
      if (named) {
        const char* end = t[i + 2].text.data() + t[i + 2].text.size();
        t[kept] = t[i + 2];
        t[kept].text = string_view(t[i].text.data(), static_cast<size_t>(end - t[i].text.data()));
        i += 2;
      } else {
        t[kept] = t[i];
      }
      ++kept;
    }
    t.resize(kept);
  }

  string_view text_;
  size_t i_ = 0;
  std::array<bool, 4> never_closed_{};  // from here on, by closing mark
  std::vector<Sentence> sentences_;
};

}  // namespace

bool Piece::is_word(string_view lower) const {
  return kind == Kind::kWord && text.size() == lower.size() && lower_ascii(text) == lower;
}

bool Piece::is_mark(string_view mark) const {
  if (kind != Kind::kMark) return false;
  return text == mark || (text == "：" && mark == ":") || (text == "，" && mark == ",") ||
         (text == "；" && mark == ";");
}

std::vector<Sentence> sentences_of(string_view text) { return Splitter(text).run(); }

bool is_strong(string_view formula) {
  if (std::any_of(formula.begin(), formula.end(), is_digit)) return true;
  for (string_view sign : {"\\pi", "\\infty", "\\emptyset", "\\varnothing", "\\sqrt", "\\frac",
                           "\\begin", "π", "√", "∞", "\\text{", "\\mathrm{"}) {
    if (formula.find(sign) != kNone) return true;
  }
  return false;
}

bool begins_as_value(string_view text) {
  return !text.empty() &&
         (is_digit(text.front()) || string_view("-+.$([{\\").find(text.front()) != kNone ||
          text.substr(0, 3) == "−" || text.substr(0, 3) == "√" || text.substr(0, 2) == "π");
}

size_t end_of_number(string_view text, size_t i) {
  if (i > 0 && (is_letter(text[i - 1]) || is_digit(text[i - 1]))) {
    if (text.substr(i, 1) == "-" || one_of(text, i, kMoney) == 0) return i;
  }
  size_t end = end_of_signed(text, i);
  if (end == i) return i;
  // "4th" is a place in a row.
  if (at(text, end) != '\0' && is_letter(at(text, end)) && is_letter(at(text, end + 1))) {
    const std::string tail = lower_ascii(text.substr(end, 2));
    if ((tail == "st" || tail == "nd" || tail == "rd" || tail == "th") &&
        !is_letter(at(text, end + 2)))
      return i;
  }
  while (end < text.size()) {
    if (text[end] == '%') {
      ++end;
    } else if (text.substr(end, 2) == "\\%" || text.substr(end, 2) == "°") {
      end += 2;
    } else if (text[end] == ':' && is_digit(at(text, end + 1))) {
      end = end_of_digits(text, end + 1);
    } else if (text[end] == '^' || (text[end] == '\\' && is_letter(at(text, end + 1)))) {
      const size_t further = end_of_latex(text, end);
      if (further == end) break;
      end = further;
    } else if (is_letter(text[end]) && !is_letter(at(text, end + 1)) && text[end] != '.') {
      ++end;  // 2x, 3i
    } else {
      const size_t gap = skip_spaces(text, end);
      size_t length = one_of(text, gap, kOperators);
      if (length == 0 && gap > end && (at(text, gap) == 'x' || at(text, gap) == 'X') &&
          at(text, gap + 1) == ' ')
        length = 1;
      const size_t operand = skip_spaces(text, gap + length);
      if (length > 0 && text.substr(gap, 2) != "**") {
        const size_t further = end_of_signed(text, operand);
        if (further == operand) break;
        end = further;
        continue;
      }
      if (text.substr(gap, 6) == "\\text{" || text.substr(gap, 8) == "\\mathrm{") {
        end = end_of_latex(text, gap);
        continue;
      }
      // A mixed number.
      const size_t digits = end_of_digits(text, gap);
      if (gap == end + 1 && digits > gap && at(text, digits) == '/' &&
          is_digit(at(text, digits + 1))) {
        end = end_of_digits(text, digits + 1);
        continue;
      }
      break;
    }
  }
  size_t word = end;
  if (at(text, word) == ' ' || at(text, word) == '-') ++word;
  size_t word_end = word;
  while (is_letter(at(text, word_end))) ++word_end;
  const std::string unit = lower_ascii(text.substr(word, word_end - word));
  // 12 m/s
  if (word_end > word && at(text, word_end) == '/' && is_letter(at(text, word_end + 1)) &&
      known_unit(unit)) {
    size_t per = word_end + 1;
    while (is_letter(at(text, per))) ++per;
    if (known_unit(lower_ascii(text.substr(word_end + 1, per - word_end - 1)))) return per;
  }
  if (!unit.empty() && unit != "in" && unit != "second" && unit != "sec" &&
      (is_unit(unit) || unit == "degrees" || unit == "percent"))
    end = word_end;
  return end;
}

}  // namespace ponder::judge
