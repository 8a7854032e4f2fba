#include "judge/read/choice_letter.h"

#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;

char upper_of(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

// Without commands, dollar signs, braces, stars; full-width brackets and letters as plain ones.
std::string plain_of(string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size() && plain.size() < 200; ++i) {
    const char c = text[i];
    const string_view wide = text.substr(i, 3);
    if (c == '\\') {
      size_t end = i + 1;
      while (end < text.size() && is_letter(text[end])) ++end;
      i = end > i + 1 ? end - 1 : i + 1;
    } else if (wide == "（" || wide == "【" || wide == "「") {
      plain += '(';
      i += 2;
    } else if (wide == "）" || wide == "】" || wide == "」") {
      plain += ')';
      i += 2;
    } else if (wide == "：" || wide == "．" || wide == "、") {
      plain += wide == "：" ? ':' : '.';
      i += 2;
    } else if (wide.size() == 3 && wide[0] == '\xef' && wide[1] == '\xbc' && wide[2] >= '\xa1' &&
               wide[2] <= '\xba') {
      plain += static_cast<char>('A' + (wide[2] - '\xa1'));  // Ａ to Ｚ
      i += 2;
    } else if (c == '\n' || c == '\t') {
      plain += ' ';
    } else if (string_view("${}*`\"").find(c) == kNone) {
      plain += c;
    }
  }
  return plain;
}

// What follows a letter names another one: "A or B", "(A), (C)", "A and D".
bool names_another(string_view rest, char letter) {
  rest = trimmed(rest);
  bool joined = false;
  while (!rest.empty()) {
    if (string_view(",/&;+)]").find(rest.front()) != kNone) {
      joined |= rest.front() != ')' && rest.front() != ']';
      rest = trimmed(rest.substr(1));
      continue;
    }
    const std::string lower = lower_ascii(rest.substr(0, 8));
    size_t word = 0;
    for (string_view join : {"and ", "or ", "maybe ", "perhaps ", "even ", "else ", "both "}) {
      if (lower.starts_with(join)) word = join.size();
    }
    if (word == 0) break;
    joined = true;
    rest = trimmed(rest.substr(word));
  }
  joined |= rest.starts_with("(");  // "(A) (B)"
  if (!joined || rest.empty()) return false;
  const bool bracket = rest.front() == '(' || rest.front() == '[';
  if (bracket) rest = trimmed(rest.substr(1));
  if (rest.empty() || rest.front() < 'A' || rest.front() > kLastInPhrase) return false;
  if (rest.front() == letter) return false;
  return rest.size() == 1 || !is_letter(rest[1]);
}

}  // namespace

std::optional<char> choice_letter(string_view text, bool lenient) {
  const std::string plain = plain_of(text.substr(0, 1000));
  string_view rest = trimmed(plain);
  if (rest.empty() || (!is_letter(rest[0]) && string_view("([:").find(rest[0]) == kNone))
    return std::nullopt;
  for (string_view lead : {"the ", "correct ", "final ", "answer", "option", "choice", "is ", ":",
                           "the ", "option", "choice", " "}) {
    if (rest.size() > lead.size() && lower_ascii(rest.substr(0, lead.size())) == lead &&
        (!is_letter(lead.back()) || !is_letter(rest[lead.size()]))) {
      rest.remove_prefix(lead.size());
      rest = trimmed(rest);
    }
  }
  rest = trimmed(rest);
  if (rest.empty()) return std::nullopt;
  const bool bracket = rest.front() == '(' || rest.front() == '[';
  while (!rest.empty() && (rest.front() == '(' || rest.front() == '['))
    rest = trimmed(rest.substr(1));
  if (rest.empty() || !is_letter(rest.front())) return std::nullopt;
  const char letter = rest.front();
  const char upper = upper_of(letter);
  rest = trimmed(rest.substr(1));
  if (names_another(rest, upper)) return std::nullopt;
  if (bracket) {
    if (rest.empty() || (rest.front() != ')' && rest.front() != ']')) return std::nullopt;
    return upper;
  }
  if (rest.empty() || rest == "." || rest == ")") return upper;
  if (letter != upper) return std::nullopt;  // "a large dog" is no choice
  if (rest.front() == '.' || rest.front() == ')' || rest.front() == ':' || rest.starts_with("。") ||
      rest.starts_with("、")) {
    return upper;
  }
  if (lenient && (rest.front() == ',' || rest.front() == ';' || rest.front() == '(' ||
                  rest.starts_with("- ") || rest.starts_with("–") || rest.starts_with("—") ||
                  rest.starts_with("，") ||
                  (is_letter(rest.front()) && plain.find(' ') != std::string::npos &&
                   trimmed(plain).size() > 2 && trimmed(plain)[1] == ' '))) {
    return upper;
  }
  return std::nullopt;
}

string_view choice_text(string_view choice) {
  choice = trimmed(choice);
  if (choice.size() > 3 && choice[0] == '(' && is_letter(choice[1]) && choice[2] == ')')
    return trimmed(choice.substr(3));
  if (choice.size() > 3 && is_letter(choice[0]) && (choice[1] == ')' || choice[1] == '.') &&
      choice[2] == ' ')
    return trimmed(choice.substr(3));
  return choice;
}

}  // namespace ponder::judge
