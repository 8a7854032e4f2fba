#include "judge/equal/words.h"

#include <algorithm>
#include <array>
#include <string>

#include "judge/text.h"

namespace ponder::judge {

bool is_prose_without_value(std::string_view text) {
  static constexpr std::array<std::string_view, 24> kValues = {
      "hundred", "thousand", "million", "billion", "half",   "halves",   "third",    "thirds",
      "quarter", "quarters", "dozen",   "pair",    "pi",     "infinity", "infinite", "infinitely",
      "twice",   "double",   "triple",  "once",    "single", "none",     "no",       "nothing"};
  if (text.find_first_of("0123456789=<>^_") != std::string_view::npos) return false;
  const std::string words = words_of(text);
  size_t count = 0;
  for (size_t begin = 0; begin < words.size();) {
    const size_t end = std::min(words.find(' ', begin), words.size());
    const std::string_view word = std::string_view(words).substr(begin, end - begin);
    if (number_word(word) || std::find(kValues.begin(), kValues.end(), word) != kValues.end())
      return false;
    count += word.size() >= 2;
    begin = end + 1;
  }
  return count >= 3;
}

bool is_words(std::string_view gold) {
  return words_of(gold).size() > 2 &&
         gold.find_first_of("0123456789\\=^_") == std::string_view::npos;
}

bool is_masked(std::string_view text) {
  static constexpr std::array<std::string_view, 10> kSigns = {
      "\xcc\xb5",     "\xcc\xb6", "\xcc\xb7", "\xcc\xb8", "\xe2\x80\xad",
      "\xe2\x80\xae", "\\cancel", "\\not ",   "\\not{",   "\\sout"};
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    const char c = text[i];
    if (c != '\xcc' && c != '\xe2') {
      if (c != '\\' || i + 2 >= text.size()) continue;
      const char first = text[i + 1], second = text[i + 2];
      const bool may_be =
          first == 'c' ? second == 'a' : (first == 'n' || first == 's') && second == 'o';
      if (!may_be) continue;
    }
    for (std::string_view sign : kSigns) {
      if (text.substr(i, sign.size()) == sign) return true;
    }
  }
  return false;
}

Comparison compare_words(std::string_view gold, std::string_view words) {
  for (std::string_view* side : {&gold, &words}) {
    for (std::string_view article : {"the ", "an ", "a "}) {
      if (side->starts_with(article) && side->size() > article.size() + 1)
        side->remove_prefix(article.size());
    }
  }
  static constexpr std::pair<std::string_view, std::string_view> kSpellings[] = {
      {"divergent", "diverges"}, {"convergent", "converges"}};
  for (const auto& [spelling, usual] : kSpellings) {
    if (gold == spelling) gold = usual;
    if (words == spelling) words = usual;
  }
  if (gold == words) return {Match::kEqual, "the same words"};
  // "odd function" for "odd" may be the same; "not odd" is not.
  const std::string_view longer = gold.size() > words.size() ? gold : words,
                         shorter = gold.size() > words.size() ? words : gold;
  const auto holds = [&](std::string_view word) {
    const std::string spaced = ' ' + std::string(longer) + ' ';
    return spaced.find(' ' + std::string(word) + ' ') != std::string::npos;
  };
  bool turned = false;
  for (std::string_view word : {"not", "no", "neither", "nor", "or", "never", "non", "but"})
    turned |= holds(word);
  if (shorter.size() > 2 && holds(shorter) && !turned)
    return {Match::kUnknown, "words that say more"};
  return {Match::kDifferent, "different words"};
}

}  // namespace ponder::judge
