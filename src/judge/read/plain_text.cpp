#include "judge/read/plain_text.h"

#include <algorithm>
#include <array>

#include "judge/read/latex_names.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;

// The content of a trailing "(…)", in \text{…} or not, and where it begins; npos where there is none.
size_t begin_of_last_bracket(string_view text, string_view& content) {
  size_t end = text.size();
  while (end > 0 && (is_space(text[end - 1]) || string_view("$.}").find(text[end - 1]) != kNone))
    --end;
  if (end == 0 || text[end - 1] != ')') return kNone;
  int depth = 0;
  for (size_t i = end; i-- > 0;) {
    depth += text[i] == ')';
    depth -= text[i] == '(';
    if (depth > 0) continue;
    content = text.substr(i + 1, end - i - 2);
    return i;
  }
  return kNone;
}

bool begins_with_word(string_view content) {
  content = trimmed(content);
  for (string_view dress : {"\\text{", "\\mathrm{", "\\textbf{"}) {
    if (content.starts_with(dress)) content = trimmed(content.substr(dress.size()));
  }
  size_t word = 0;
  while (word < content.size() && is_letter(content[word])) ++word;
  if (content.starts_with("i.e") || content.starts_with("e.g")) return true;
  return word >= 3 && !function_names().contains(content.substr(0, word)) &&
         content.substr(0, 4) != "sqrt" && content.substr(0, word) != "mod" &&
         content.substr(0, word) != "and";
}

// "3 (three)", "2\sqrt3 (≈ 3.46)", "k = 12 (k > 0)": where the remark begins, or npos.
size_t begin_of_gloss(string_view text) {
  string_view content;
  const size_t begin = begin_of_last_bracket(text, content);
  if (begin == kNone || begin == 0) return kNone;
  string_view before = text.substr(0, begin);
  for (string_view dress : {"\\text{", "\\mathrm{", "\\left"}) {
    if (trimmed(before).ends_with(dress))
      before = before.substr(0, trimmed(before).size() - dress.size());
  }
  if (trimmed(before).empty()) return kNone;
  const bool apart = before.size() < begin || is_space(before.back()) || before.back() == '~' ||
                     before.ends_with("\\,") || before.ends_with("\\quad");
  if (!apart) return kNone;
  const string_view inside = trimmed(content);
  const bool about = inside.starts_with("\\approx") || inside.starts_with("≈");
  const bool relation = before.find('=') != kNone && inside.find_first_of("<>") != kNone;
  if (!begins_with_word(content) && !about && !relation) return kNone;
  string_view last = trimmed(before);
  if (last.ends_with("\\")) last.remove_suffix(1);
  if (last.empty()) return kNone;
  const bool open = string_view("+-*/=<>^_({[,\\").find(last.back()) != kNone;
  return open ? kNone : static_cast<size_t>(last.data() - text.data()) + last.size();
}

// Words, letters and signs of a quantifier over real numbers; nothing else may follow it.
bool is_quantifier(string_view text) {
  static constexpr std::array<string_view, 34> kWords = {
      "for",     "all",      "any",       "every",     "some",   "each",   "where",
      "is",      "a",        "an",        "are",       "real",   "reals",  "number",
      "numbers", "constant", "constants", "arbitrary", "in",     "mathbb", "text",
      "mathrm",  "and",      "with",      "R",         "forall", "quad",   "the",
      "nonzero", "fixed",    "being",     "qquad",     "value",  "values"};
  size_t names = 0;
  for (size_t i = 0; i < text.size();) {
    if (is_letter(text[i])) {
      size_t end = i;
      while (end < text.size() && is_letter(text[end])) ++end;
      const string_view word = text.substr(i, end - i);
      const bool known = std::find(kWords.begin(), kWords.end(), word) != kWords.end();
      if (!known && word.size() > 1) return false;
      names += !known;
      i = end;
    } else if (is_space(text[i]) || string_view("$,\\{}.():_~").find(text[i]) != kNone ||
               is_digit(text[i])) {
      ++i;
    } else if (text.substr(i, 3) == "∈" || text.substr(i, 3) == "∀" || text.substr(i, 3) == "ℝ") {
      i += 3;
    } else {
      return false;
    }
  }
  return names <= 4;
}

// Where a quantifier at the end begins, or npos.
size_t begin_of_quantifier(string_view text) {
  if (text.find_first_of(" \\\xe2") == kNone) return kNone;
  for (string_view lead : {"for all", "for any", "for every", "for some", "for each",
                           "for arbitrary", "where ", "\\forall", "∀"}) {
    size_t at = text.find(lead);
    if (at == kNone || at < 2 || is_letter(text[at - 1]) || !is_quantifier(text.substr(at)))
      continue;
    const string_view tail = text.substr(at);
    const bool whole = tail.find("integer") != kNone || tail.find("mathbb{Z}") != kNone;
    if (whole) continue;
    string_view head = text.substr(0, at);
    for (bool more = true; more;) {
      more = false;
      while (!head.empty() &&
             (is_space(head.back()) || string_view(",$({;").find(head.back()) != kNone)) {
        // A brace that closes a group belongs to the answer, one that opens \text{ does not.
        head.remove_suffix(1);
        more = true;
      }
      for (string_view dress : {"\\text", "\\quad", "\\qquad", "\\mathrm", "\\,", "\\;", "\\ "}) {
        if (head.ends_with(dress)) {
          head.remove_suffix(dress.size());
          more = true;
        }
      }
    }
    return head.find_first_of("=0123456789") == kNone ? kNone : head.size();
  }
  // ", c \in \mathbb{R}", ", n \in \mathbb{N}^*" behind a_n = …
  const size_t in = text.rfind("\\in");
  if (in == kNone || in < 3) return kNone;
  const string_view set = trimmed(text.substr(in + 3));
  const bool real = set == "\\mathbb{R}" || set == "\\mathbb R" || set == "R";
  const bool terms = (set.starts_with("\\mathbb{N}") || set.starts_with("\\mathbb{Z}^+") ||
                      set.starts_with("N")) &&
                     set.size() <= 14 && (text.find("_n") != kNone || text.find("_{n}") != kNone);
  const string_view before = trimmed(text.substr(0, in));
  if ((!real && !terms) || before.size() < 3 || !is_letter(before.back())) return kNone;
  string_view head = trimmed(before.substr(0, before.size() - 1));
  for (string_view space : {"\\quad", "\\ ", "\\,", "\\;"}) {
    if (head.ends_with(space)) head = trimmed(head.substr(0, head.size() - space.size()));
  }
  if (!head.ends_with(",") && !head.ends_with("(") && !head.ends_with(";")) return kNone;
  head = trimmed(head.substr(0, head.size() - 1));
  const bool states = head.find('=') != kNone;
  return states && !head.empty() ? head.size() : kNone;
}

// "all real numbers except 4" as a difference of sets.
std::optional<std::string> reals_without(string_view text) {
  const std::string words = words_of(text);
  for (string_view lead : {"all real numbers except for ", "all real numbers except ",
                           "all reals except ", "all real numbers other than "}) {
    if (!words.starts_with(lead)) continue;
    const size_t last = text.rfind(lead.substr(lead.rfind(' ', lead.size() - 2) + 1,
                                               lead.size() - lead.rfind(' ', lead.size() - 2) - 2));
    if (last == kNone) return std::nullopt;
    size_t begin = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz", last);
    begin = std::min(text.find_first_not_of(" }$", begin), text.size());
    string_view values = text.substr(begin);
    while (!values.empty() && string_view("}$. ").find(values.back()) != kNone)
      values.remove_suffix(1);
    if (values.empty() || values.size() > 60) return std::nullopt;
    return "\\mathbb{R} \\setminus \\{" + std::string(values) + "\\}";
  }
  return std::nullopt;
}

// "one half", "two thirds", "three quarters".
std::optional<std::string> fraction_in_words(string_view words) {
  const size_t gap = words.find(' ');
  const auto top = gap == kNone ? std::nullopt : number_word(words.substr(0, gap));
  if (!top && !words.starts_with("a ")) return std::nullopt;
  static constexpr string_view kParts[] = {"half",  "third",  "quarter", "fifth",
                                           "sixth", "eighth", "tenth"};
  static constexpr int kSizes[] = {2, 3, 4, 5, 6, 8, 10};
  if (gap == kNone) return std::nullopt;
  string_view part = words.substr(gap + 1);
  if (part == "fourth" || part == "fourths") part = "quarter";
  if (part.ends_with("s")) part.remove_suffix(1);
  for (size_t i = 0; i < std::size(kParts); ++i) {
    if (part == kParts[i])
      return "\\frac{" + std::to_string(top.value_or(1)) + "}{" + std::to_string(kSizes[i]) + "}";
  }
  return std::nullopt;
}

// "one hundred and five", "twenty-eight percent", "the year 2024".
std::optional<std::string> number_in_words(string_view text) {
  if (text.starts_with("the year ") && text.size() == 13) return std::string(text.substr(9));
  if (text.size() > 120 || text.find_first_of("0123456789^_=+*/<>()") != kNone) return std::nullopt;
  const size_t letter = std::min(text.find_first_not_of("\\text{ $-"), text.size());
  if (letter > 8 || letter == text.size() || !is_letter(text[letter])) return std::nullopt;
  std::string words = words_of(text);
  bool percent = false;
  if (words.ends_with(" percent")) {
    words.resize(words.size() - 8);
    percent = true;
  }
  if (words == "half") return "\\frac12";
  if (words.find(' ') == std::string::npos && !percent) return std::nullopt;
  if (auto fraction = fraction_in_words(words); fraction && !percent) return fraction;
  const auto value = spoken_number(words);
  if (!value) return std::nullopt;
  return std::to_string(*value) + (percent ? "\\%" : "");
}

// C_5^2 and A_5^2 alone: numbers of combinations and of arrangements.
std::optional<std::string> count_of_choices(string_view text) {
  text = trimmed(text, " $.");
  if (text.empty() || string_view("\\CA").find(text[0]) == kNone) return std::nullopt;
  for (string_view dress : {"\\mathrm{C}", "\\mathrm{A}", "\\text{C}", "\\text{A}", "C", "A"}) {
    if (!text.starts_with(dress)) continue;
    string_view rest = text.substr(dress.size());
    std::string scripts[2];
    for (int i = 0; i < 2; ++i) {
      if (rest.empty() || rest[0] != (i == 0 ? '_' : '^')) return std::nullopt;
      rest.remove_prefix(1);
      const size_t close = rest.starts_with("{") ? matching_brace(rest, 0) : 0;
      if (close == kNone || rest.empty()) return std::nullopt;
      scripts[i] = std::string(close > 0 ? rest.substr(1, close - 1) : rest.substr(0, 1));
      rest.remove_prefix(close + 1);
      const string_view script = scripts[i];
      if (script.empty() || script.size() > 4 ||
          !(is_digit(script[0]) || script == "n" || script == "m"))
        return std::nullopt;
    }
    if (!rest.empty() || (scripts[0] != "n" && scripts[0] != "m" && is_digit(scripts[1][0]) &&
                          std::stoi(scripts[0]) < std::stoi(scripts[1])))
      return std::nullopt;
    const std::string count = "\\binom{" + scripts[0] + "}{" + scripts[1] + "}";
    return dress.find('A') == kNone ? count : count + "\\cdot (" + scripts[1] + ")!";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> without_asides_in(string_view text) {
  if (text.size() > 400) return std::nullopt;
  if (text.find("all ") != kNone || text.find("All ") != kNone) {
    if (auto reals = reals_without(text)) return reals;
  }
  if (auto count = count_of_choices(text)) return count;
  for (string_view article : {"a ", "an "}) {  // "an 8"
    if (text.size() > article.size() && text.starts_with(article) &&
        is_digit(text[article.size()]) && text.find_first_of("+-*/=^_", article.size()) == kNone)
      return std::string(text.substr(article.size()));
  }
  if (auto number = number_in_words(text)) return number;
  size_t end = begin_of_gloss(text);
  if (end == kNone) end = begin_of_quantifier(text);
  if (end == kNone) return std::nullopt;
  std::string head(text.substr(0, end));
  // What the remark closed stays closed.
  int open = 0;
  for (size_t i = 0; i < head.size(); ++i) {
    if (head[i] == '\\') {
      ++i;
    } else {
      open += head[i] == '{';
      open -= head[i] == '}';
    }
  }
  for (; open > 0; --open) head += '}';
  return head;
}

}  // namespace ponder::judge
