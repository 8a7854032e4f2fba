#include "clean/gibberish.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace ponder::clean {
namespace {

constexpr std::string_view kVowels = "aeiouy";

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// UTF-8 of U+00C2, U+00C3 or U+00E2 before what the second byte of a letter was read as.
bool is_misread(char32_t first, char32_t second) {
  if (first == 0xC3 || first == 0xC2) return second >= 0x80 && second <= 0xBF;
  return first == 0xE2 && (second == 0x20AC || second == 0x80);
}

struct Characters {
  size_t all = 0, broken = 0, wordlike = 0;
  size_t longest_run = 0, longest_letters = 0;
};

Characters characters_of(std::string_view text) {
  Characters found;
  char32_t before = 0;
  size_t run = 0, letters = 0;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    ++found.all;
    const bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == 0x3000;
    const bool control = (c < 0x20 && !space) || (c >= 0x7F && c < 0xA0 && !is_misread(before, c));
    const bool is_private = c >= 0xE000 && c <= 0xF8FF;
    found.broken += c == 0xFFFD || control || is_private || is_misread(before, c);
    const Script script = script_of(c);
    found.wordlike += script != Script::kNone || (c >= '0' && c <= '9');
    // Writings without spaces have words of any length.
    const bool spaced =
        script != Script::kHan && script != Script::kKana && script != Script::kThai;
    run = space || !spaced || c > 0x3000 ? 0 : run + 1;
    letters = script != Script::kNone && spaced ? letters + 1 : 0;
    found.longest_run = std::max(found.longest_run, run);
    found.longest_letters = std::max(found.longest_letters, letters);
    before = c;
  }
  return found;
}

// Without a vowel, or with six consonants in a row. A word of other than ASCII letters is not judged.
bool unsayable(std::string_view word) {
  size_t vowels = 0, consonants = 0, most = 0;
  for (const char c : word) {
    if (c == '\'') continue;
    if (!is_ascii_letter(c)) return false;
    const bool vowel = kVowels.find(c) != std::string_view::npos;
    vowels += vowel;
    consonants = vowel ? 0 : consonants + 1;
    most = std::max(most, consonants);
  }
  return vowels == 0 || most >= 6;
}

}  // namespace

std::string gibberish_in(std::string_view text, const Words& words) {
  const Characters c = characters_of(text);
  if (c.broken >= 3 && 2000 * c.broken >= c.all)
    return fmt::format("broken encoding: {} of {} characters", c.broken, c.all);
  if (c.longest_letters > 400)
    return fmt::format("endless words: one of {} letters", c.longest_letters);
  if (c.longest_run > 2000 && 10 * c.longest_run > c.all)
    return fmt::format("endless words: {} characters without a space", c.longest_run);
  if (c.all > 200 && 5 * c.wordlike < c.all)
    return fmt::format("no words: {} of {} characters are letters or digits", c.wordlike, c.all);
  // Different ones: "sqrt" may stand there a hundred times.
  std::set<std::string_view> judged, odd;
  std::string_view example;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i].size() < 4 || !is_ascii_letter(words[i][0])) continue;
    if (!judged.insert(words[i]).second || !unsayable(words[i])) continue;
    odd.insert(words[i]);
    if (example.empty()) example = words[i];
  }
  if (odd.size() >= 10 && 5 * odd.size() >= judged.size()) {
    return fmt::format("unsayable words: {} of {} such as \"{}\"", odd.size(), judged.size(),
                       example.substr(0, 24));
  }
  return "";
}

}  // namespace ponder::clean
