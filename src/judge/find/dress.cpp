#include "judge/find/dress.h"

#include <algorithm>
#include <array>
#include <utility>

#include "judge/find/sentence.h"
#include "judge/find/written_value.h"
#include "judge/text.h"

namespace ponder::judge {

using std::string_view;

string_view without_closing_rules(string_view text) {
  for (;;) {
    text = trimmed(text);
    const size_t line = text.rfind('\n');
    const string_view last = trimmed(line == kNone ? text : text.substr(line + 1));
    const bool rule = line != kNone && last.size() >= 3 &&
                      last.find_first_not_of(last.front()) == kNone &&
                      string_view("-*_=~#").find(last.front()) != kNone;
    if (!rule) return text;
    text = text.substr(0, line);
  }
}

// "$$…$$", "\\begin{align}…\\end{align}": nothing but one formula.
bool is_one_formula(string_view text) {
  if (text.size() > 400) return false;
  for (const auto& [open, close] :
       {std::pair<string_view, string_view>{"\\begin{", "}"}, {"$$", "$$"}, {"\\[", "\\]"}}) {
    if (text.starts_with(open) && text.ends_with(close) &&
        text.substr(open.size(), text.size() - open.size() - close.size()).find(open) == kNone)
      return true;
  }
  return false;
}

size_t length_of_label(string_view text) {
  const auto of_script = [](char c) {  // of a script that writes no formulas
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0xe0 && byte != 0xe2 && byte < 0xef) || byte == 0xd0 || byte == 0xd1;
  };
  size_t i = std::min(text.find_first_not_of("*_ "), text.size());
  for (string_view command : {"\\text{", "\\textbf{", "\\mathbf{", "\\mathrm{"}) {
    if (text.substr(i, command.size()) == command) i += command.size();
  }
  const size_t begin = i;
  size_t letters = 0;
  while (i < text.size() && i < begin + 40 &&
         (is_letter(text[i]) || text[i] == ' ' || static_cast<unsigned char>(text[i]) >= 0x80) &&
         text.substr(i, 3) != "：")
    letters += is_letter(text[i]) || static_cast<unsigned char>(text[i]) >= 0x80, ++i;
  if (letters < 3) return 0;
  size_t end = i;
  if (text.substr(i, 1) == ":" || text.substr(i, 3) == "：") {
    end += text[i] == ':' ? 1 : 3;
  } else if (!of_script(text[begin]) || text[i - 1] != ' ') {
    return 0;
  }
  end = std::min(text.find_first_not_of("*_} ", end), text.size());
  return begins_as_value(text.substr(end)) || text.substr(end, 1) == "$" ? end : 0;
}

string_view undressed(string_view text) {
  for (bool more = true; more;) {
    more = false;
    text = trimmed(text);
    for (string_view lead : {"•", "∴", "⇒", "→", "✅", "➡", "✔", "\\therefore", "\\Rightarrow",
                             "$\\therefore", "$\\Rightarrow", "=> ", "-> ", "- ", "> ", "# "}) {
      if (!text.starts_with(lead)) continue;
      const bool dollar = lead.front() == '$' && text.ends_with("$");
      if (lead.front() == '$' && !dollar) continue;
      text = trimmed(text.substr(lead.size(), text.size() - lead.size() - (dollar ? 1 : 0)));
      more = true;
    }
    for (string_view pair : {"**", "__", "*", "_", "`", "$$", "$"}) {
      if (text.size() > 2 * pair.size() && text.starts_with(pair) && text.ends_with(pair) &&
          text.substr(pair.size(), text.size() - 2 * pair.size()).find(pair) == kNone) {
        text = text.substr(pair.size(), text.size() - 2 * pair.size());
        more = true;
        break;
      }
    }
    if (const size_t label = length_of_label(text)) {
      text.remove_prefix(label);
      while (text.ends_with("**") && text.find("**") == text.size() - 2) text.remove_suffix(2);
      more = true;
    }
    // <b>8</b>, <result>8</result>
    const size_t open = text.starts_with("<") ? text.find('>') : kNone;
    if (open != kNone && open > 1 && open < 20 && text.ends_with(">")) {
      const string_view name = text.substr(1, open - 1);
      const size_t close = text.rfind("</");
      if (close != kNone && text.substr(close + 2, name.size()) == name &&
          close + 3 + name.size() == text.size()) {
        text = text.substr(open + 1, close - open - 1);
        more = true;
      }
    }
  }
  return text;
}

// Two letters or more beside figures that belong to no command, unit, label or function.
bool has_prose(string_view text) {
  static constexpr std::array<string_view, 18> kWords = {
      "so",  "hence", "thus",  "therefore", "then",   "ans",   "is", "are",  "total",
      "the", "there", "valid", "answer",    "result", "final", "it", "that", "we"};
  const size_t colon = text.find(':');
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '\\') {
      ++i;
      while (i < text.size() && is_letter(text[i])) ++i;
      continue;
    }
    if (!is_letter(text[i])) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && is_letter(text[end])) ++end;
    const std::string word = lower_ascii(text.substr(i, end - i));
    if (std::find(kWords.begin(), kWords.end(), word) != kWords.end() && colon == kNone)
      return true;
    i = end;
  }
  return false;
}

bool has_sentence(string_view text) {
  size_t words = 0;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '\\' || is_letter(text[i])) {
      const bool command = text[i] == '\\';
      size_t end = i + 1;
      while (end < text.size() && is_letter(text[end])) ++end;
      words += !command && end - i >= 2;
      i = end;
    } else {
      ++i;
    }
  }
  return words >= 2;
}

bool begins_with_count(string_view text) {
  const size_t space = text.find(' ');
  return space != kNone && spoken_number(lower_ascii(text.substr(0, space)));
}

std::string with_plain_words(string_view content) {
  std::string plain;
  for (size_t i = 0; i < content.size();) {
    bool unwrapped = false;
    for (string_view command : {"\\text{", "\\textbf{", "\\mathrm{", "\\mbox{"}) {
      if (content.substr(i, command.size()) != command) continue;
      const size_t close = matching_brace(content, i + command.size() - 1);
      if (close == kNone) continue;
      plain += content.substr(i + command.size(), close - i - command.size());
      i = close + 1;
      unwrapped = true;
      break;
    }
    if (!unwrapped) plain += content[i++];
  }
  return plain;
}

}  // namespace ponder::judge
