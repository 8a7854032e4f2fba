#include "judge/find/sentence.h"

#include <algorithm>
#include <array>
#include <utility>

#include "judge/find/written_value.h"
#include "judge/text.h"

namespace ponder::judge {

using std::string_view;

namespace {

constexpr size_t kLongestBold = 300;  // bytes of a bold part that may be a result

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_wide(char c) { return static_cast<unsigned char>(c) >= 0x80; }
bool is_wordy(char c) { return is_letter(c) || is_wide(c); }

struct Pattern {
  string_view open, close;
};

Pattern math_at(string_view text, size_t i) {
  if (text[i] == '$') return char_at(text, i + 1) == '$' ? Pattern{"$$", "$$"} : Pattern{"$", "$"};
  if (text[i] == '\\' && char_at(text, i + 1) == '[') return {"\\[", "\\]"};
  if (text[i] == '\\' && char_at(text, i + 1) == '(') return {"\\(", "\\)"};
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
  if (is_digit(char_at(text, inside)) && is_digit(char_at(text, close + 1))) return true;
  if (is_digit(char_at(text, inside)) && !content.empty() && content.back() == ' ' &&
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
  if (digits > 0 && (char_at(content, digits) == ')' || char_at(content, digits) == '.'))
    return false;
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
    if (text_[i_] != '*' || char_at(text_, i_ + 1) != '*') return false;
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
    while (is_digit(char_at(text_, digits)) && digits < i_ + 3) ++digits;
    if (digits > i_ && (char_at(text_, digits) == '.' || char_at(text_, digits) == ')') &&
        char_at(text_, digits + 1) == ' ' && char_at(text_, digits + 2) != '\n' &&
        digits + 2 < text_.size())
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
      const bool latex = c == '\\' && is_letter(char_at(text_, i_ + 1));
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
              ((text_[end] == '\'' || text_[end] == '-') && is_letter(char_at(text_, end + 1)))) &&
             one_of(text_, end, std::array<string_view, 4>{"：", "。", "，", "≈"}) == 0)
        ++end;
      push(Piece::Kind::kWord, i_, end);
      i_ = end;
      return;
    }
    const char next = char_at(text_, i_ + 1);
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

}  // namespace ponder::judge
