#include "judge/read/unicode_names.h"

#include <array>

namespace ponder::judge {
namespace {

struct Utf8Symbol {
  std::string_view bytes;
  char symbol;  // 0: dropped
};
constexpr std::array<Utf8Symbol, 51> kUtf8Symbols = {
    {{"×", '*'},    {"·", '*'},    {"⋅", '*'},  {"∗", '*'},  {"÷", '/'},  {"∕", '/'},
     {"⁄", '/'},    {"−", '-'},    {"–", '-'},  {"－", '-'}, {"≤", 'L'},  {"≥", 'G'},
     {"⩽", 'L'},    {"⩾", 'G'},    {"≠", 'N'},  {"≈", '~'},  {"±", 'P'},  {"∓", 'M'},
     {"∪", 'U'},    {"∩", 'I'},    {"∈", 'E'},  {"⊂", 'w'},  {"⊆", 'W'},  {"⊃", 'v'},
     {"⊇", 'V'},    {"↦", 'm'},    {"°", 'D'},  {"，", ','}, {"、", ','}, {"（", '('},
     {"）", ')'},   {"：", ':'},   {"；", ';'}, {"％", '%'}, {"′", '\''}, {"’", '\''},
     {"∨", ','},    {"\u00a0", 0}, {"€", 0},    {"£", 0},    {"¥", 0},    {"\u2009", 0},
     {"\u202f", 0}, {"₹", 0},      {"₩", 0},    {"₽", 0},  {"∴", 0},    {"⇒", 0},
     {"→", 0},      {"∖", 'B'},    {"∧", ','}}};

struct Utf8Spelling {
  std::string_view bytes, latex;
};
// Characters that stand for a few tokens, written as LaTeX.
constexpr std::array<Utf8Spelling, 55> kUtf8Spellings = {
    {{"″", "''"},        {"½", "\\frac12"},   {"⅓", "\\frac13"},
     {"⅔", "\\frac23"},  {"¼", "\\frac14"},   {"¾", "\\frac34"},
     {"⅕", "\\frac15"},  {"⅖", "\\frac25"},   {"⅗", "\\frac35"},
     {"⅘", "\\frac45"},  {"⅙", "\\frac16"},   {"⅚", "\\frac56"},
     {"⅛", "\\frac18"},  {"⅜", "\\frac38"},   {"⅝", "\\frac58"},
     {"⅞", "\\frac78"},  {"⅑", "\\frac19"},   {"π", "\\pi"},
     {"∞", "\\infty"},   {"√", "\\surd"},     {"∛", "\\surd[3]"},
     {"…", "\\ldots"},   {"∅", "\\emptyset"}, {"⌊", "\\lfloor"},
     {"⌋", "\\rfloor"},  {"⌈", "\\lceil"},    {"⌉", "\\rceil"},
     {"⟨", "\\langle"},  {"⟩", "\\rangle"},   {"α", "\\alpha"},
     {"β", "\\beta"},    {"γ", "\\gamma"},    {"δ", "\\delta"},
     {"ε", "\\epsilon"}, {"θ", "\\theta"},    {"λ", "\\lambda"},
     {"μ", "\\mu"},      {"ν", "\\nu"},       {"ξ", "\\xi"},
     {"ρ", "\\rho"},     {"σ", "\\sigma"},    {"τ", "\\tau"},
     {"φ", "\\phi"},     {"ϕ", "\\phi"},      {"ω", "\\omega"},
     {"Δ", "\\Delta"},   {"Σ", "\\Sigma"},    {"Ω", "\\Omega"},
     {"ℝ", "R"},         {"ℤ", "Z"},          {"ℕ", "N"},
     {"ℚ", "Q"},         {"ℂ", "C"},          {"¢", "\\text{ cents}"},
     {"∫", "\\int"}}};

// Superscript characters in a row are one power: 10⁻³.
constexpr std::array<Utf8Spelling, 12> kSuperscripts = {{{"⁰", "0"},
                                                         {"¹", "1"},
                                                         {"²", "2"},
                                                         {"³", "3"},
                                                         {"⁴", "4"},
                                                         {"⁵", "5"},
                                                         {"⁶", "6"},
                                                         {"⁷", "7"},
                                                         {"⁸", "8"},
                                                         {"⁹", "9"},
                                                         {"⁻", "-"},
                                                         {"⁺", "+"}}};

}  // namespace

UnicodeReading read_unicode(std::string_view text, size_t i) {
  for (const Utf8Symbol& entry : kUtf8Symbols) {
    if (text.substr(i, entry.bytes.size()) == entry.bytes)
      return {i + entry.bytes.size(), entry.symbol, ""};
  }
  for (const Utf8Spelling& entry : kUtf8Spellings) {
    if (text.substr(i, entry.bytes.size()) == entry.bytes)
      return {i + entry.bytes.size(), 0, std::string(entry.latex)};
  }
  std::string power;
  size_t after = i;
  for (bool more = true; more;) {
    more = false;
    for (const Utf8Spelling& entry : kSuperscripts) {
      if (text.substr(after, entry.bytes.size()) != entry.bytes) continue;
      power += entry.latex;
      after += entry.bytes.size();
      more = true;
    }
  }
  if (power.empty()) return {};
  return {after, 0, "^{" + power + "}"};
}

}  // namespace ponder::judge
