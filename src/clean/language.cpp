#include "clean/language.h"

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

namespace ponder::clean {
namespace {

constexpr size_t kStretch = 60;           // words
constexpr double kCommon = 0.08;          // share of a language's own common words that it needs
constexpr double kClearly = 2;            // times the next language's
constexpr size_t kFewest = 4;             // of these words, different ones
constexpr double kScriptsLanguage = 0.2;  // of the letters

struct Language {
  std::string_view name, common;  // its commonest words; those of several languages count for none
};

constexpr Language kLanguages[] = {
    {"English",
     " the of and to in is that it for we as are this with be on so by not which have from or at "
     "if "
     "but can you there an then has was let would all will what when they i "},
    {"German",
     " der die das und ist in den von zu mit sich auf für nicht ein eine es im dem des dass wir "
     "auch "
     "als an wird sind aus bei oder wenn also kann nach werden hat um wie einen einer noch nur "
     "so "},
    {"French",
     " le la les de des et est un une que en du dans pour on pas qui ce il nous par au sur avec "
     "plus "
     "donc se ne sont ou cette si mais comme aux être a sa c'est d'une "},
    {"Spanish",
     " el la los las de que y en un una es por con para se del no su al lo como más pero entonces "
     "si "
     "esta este son ya está hay sobre entre cuando porque también "},
    {"Italian",
     " il la i le di che e un una è per in con del della non si da sono dei nel lo gli più ma "
     "anche "
     "come se alla quindi questo questa sul ha ai tra quando "},
    {"Portuguese",
     " o a os as de que e em um uma é para com do da não se por dos das no na mais mas como então "
     "ao "
     "são esta este também pelo pela quando ou isso "},
    {"Dutch",
     " de het een en van is dat in op te met voor niet zijn die we er aan als dus om door ook maar "
     "bij "
     "naar uit over of dit deze kan wordt nog dan "},
};
constexpr size_t kNumLanguages = std::size(kLanguages);

// For each common word the languages it is of, a bit each.
const std::unordered_map<std::string_view, uint32_t>& common_words() {
  static const auto kWords = [] {
    std::unordered_map<std::string_view, uint32_t> words;
    for (size_t i = 0; i < kNumLanguages; ++i) {
      std::string_view rest = kLanguages[i].common;
      for (size_t space = rest.find(' ', 1); space != std::string_view::npos;
           rest = rest.substr(space), space = rest.find(' ', 1))
        words[rest.substr(1, space - 1)] |= uint32_t{1} << i;
    }
    return words;
  }();
  return kWords;
}

bool is_letters(std::string_view word) {
  size_t at = 0;
  return script_of(next_code_point(word, at)) != Script::kNone;
}

// Of the words first … end, by their commonest ones.
std::string language_of_words(const Words& words, size_t first, size_t end) {
  // Words of several languages say nothing; one word many times says little.
  std::array<size_t, kNumLanguages> hits = {};
  std::array<std::set<std::string_view>, kNumLanguages> different;
  size_t letters = 0;
  for (size_t i = first; i < end; ++i) {
    // Single letters are names of variables more often than words.
    if (!is_letters(words[i]) || words[i].size() < 2) continue;
    ++letters;
    const auto found = common_words().find(words[i]);
    if (found == common_words().end() || std::popcount(found->second) != 1) continue;
    const auto language = static_cast<size_t>(std::countr_zero(found->second));
    ++hits[language];
    different[language].insert(words[i]);
  }
  if (letters < 12) return "";
  const auto best = static_cast<size_t>(std::max_element(hits.begin(), hits.end()) - hits.begin());
  size_t second = 0;
  for (size_t l = 0; l < kNumLanguages; ++l) {
    if (l != best) second = std::max(second, hits[l]);
  }
  const auto count = static_cast<double>(hits[best]);
  if (count < kCommon * static_cast<double>(letters) || different[best].size() < kFewest ||
      count < kClearly * static_cast<double>(second))
    return "";
  return std::string(kLanguages[best].name);
}

size_t at(const std::array<size_t, kScripts>& letters, Script script) {
  return letters[static_cast<size_t>(script)];
}

// By letters alone.
std::string language_of_letters(const std::array<size_t, kScripts>& letters) {
  size_t all = 0;
  for (const size_t count : letters) all += count;
  const auto has = [&](Script script) {
    return all > 0 &&
           static_cast<double>(at(letters, script)) >= kScriptsLanguage * static_cast<double>(all);
  };
  // Japanese has more of the Han characters than of its own, and no Chinese text has kana.
  if (all > 0 && 20 * at(letters, Script::kKana) >= all) return "Japanese";
  if (has(Script::kHan)) return "Chinese";
  if (has(Script::kHangul)) return "Korean";
  if (has(Script::kCyrillic)) return "Russian";
  if (has(Script::kArabic)) return "Arabic";
  if (has(Script::kHebrew)) return "Hebrew";
  if (has(Script::kThai)) return "Thai";
  if (has(Script::kIndic)) return "Indic";
  return "";
}

std::array<size_t, kScripts> letters_of_words(const Words& words, size_t first, size_t end) {
  std::array<size_t, kScripts> letters = {};
  for (size_t i = first; i < end; ++i) {
    const std::array<size_t, kScripts> more = letters_of(words[i]);
    for (size_t s = 0; s < kScripts; ++s) letters[s] += more[s];
  }
  return letters;
}

std::string language_of_stretch(const Words& words, size_t first, size_t end) {
  const std::string by_letters = language_of_letters(letters_of_words(words, first, end));
  return by_letters.empty() ? language_of_words(words, first, end) : by_letters;
}

Foreign foreign_script(const std::array<size_t, kScripts>& asked,
                       const std::array<size_t, kScripts>& letters) {
  Foreign found;
  size_t all = 0, most = 0;
  for (const size_t count : letters) all += count;
  size_t foreign = 0;
  for (size_t s = 0; s < kScripts; ++s) {
    const auto script = static_cast<Script>(s);
    if (script == Script::kNone || script == Script::kLatin || script == Script::kGreek) continue;
    // Han and kana are one writing where the question has either.
    const bool east_asian = script == Script::kHan || script == Script::kKana;
    const bool known =
        asked[s] > 0 || (east_asian && at(asked, Script::kHan) + at(asked, Script::kKana) > 0);
    if (known) continue;
    foreign += letters[s];
    if (letters[s] > most) {
      most = letters[s];
      found.writing = to_string(script);
    }
  }
  if (all > 0) found.share = static_cast<double>(foreign) / static_cast<double>(all);
  return found;
}

}  // namespace

std::array<size_t, kScripts> letters_of(std::string_view text) {
  std::array<size_t, kScripts> letters = {};
  for (size_t at = 0; at < text.size();)
    ++letters[static_cast<size_t>(script_of(next_code_point(text, at)))];
  letters[static_cast<size_t>(Script::kNone)] = 0;
  return letters;
}

std::string language_of(std::string_view text) {
  const Words words(text);
  return language_of_stretch(words, 0, words.size());
}

Foreign foreign_part(std::string_view question, std::string_view response) {
  const Words words(response);
  std::map<std::string, size_t> words_in;
  for (size_t first = 0; first < words.size(); first += kStretch) {
    const size_t end = std::min(first + kStretch, words.size());
    const std::string language = language_of_stretch(words, first, end);
    if (!language.empty()) words_in[language] += end - first;
  }
  Foreign language;
  language.asked = language_of(question);
  if (language.asked.empty()) {
    size_t most = 0;
    for (const auto& [name, count] : words_in) {
      if (count > most) {
        most = count;
        language.asked = name;
      }
    }
  }
  size_t foreign = 0, most = 0;
  for (const auto& [name, count] : words_in) {
    if (name == language.asked) continue;
    foreign += count;
    if (count > most) {
      most = count;
      language.writing = name;
    }
  }
  if (words.size() > 0)
    language.share = static_cast<double>(foreign) / static_cast<double>(words.size());
  Foreign script = foreign_script(letters_of(question), letters_of(response));
  script.asked = language.asked;
  return script.share > language.share ? script : language;
}

}  // namespace ponder::clean
