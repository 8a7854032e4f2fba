#include "judge/equal/compound.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "judge/read/units.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;
constexpr size_t kMostCompoundBytes = 200;
constexpr size_t kMostParts = 5;
constexpr size_t kMostFigures = 15;  // of one amount

struct Part {
  Rational amount;
  Unit unit;
  std::string word;
};

class Scanner {
 public:
  explicit Scanner(string_view text) : text_(text) {}

  bool at_end() {
    skip_dress();
    return text_.empty() || text_ == ".";
  }
  void skip_joints() {
    do {
      skip_dress();
    } while (take(",") || (text_.starts_with("and") && !letter_at(3) && take("and")));
  }
  std::optional<Rational> number() {
    skip_dress();
    size_t end = 0, point = string_view::npos;
    while (end < text_.size() && end <= kMostFigures &&
           (is_digit(text_[end]) || (text_[end] == '.' && point == string_view::npos &&
                                     end + 1 < text_.size() && is_digit(text_[end + 1])))) {
      if (text_[end] == '.') point = end;
      ++end;
    }
    if (end == 0 || end > kMostFigures) return std::nullopt;
    std::string digits(text_.substr(0, end));
    Rational scale = 1;
    if (point != string_view::npos) {
      digits.erase(point, 1);
      for (size_t i = point + 1; i < end; ++i) scale *= 10;
    }
    digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
    text_.remove_prefix(end);
    return Rational(BigInt(digits)) / scale;
  }
  // A word, or marks of feet and inches as their words.
  std::string unit_word() {
    skip_dress();
    size_t marks = 0;
    for (bool more = true; more;) {
      more = false;
      for (const auto& [mark, count] : kMarks) {
        if (!take(mark)) continue;
        marks += count;
        more = true;
      }
      if (marks > 0) skip_dress();
    }
    if (marks > 0) return marks == 1 ? "foot" : marks == 2 ? "inch" : "";
    size_t end = 0;
    while (letter_at(end)) ++end;
    const std::string word = lower_ascii(text_.substr(0, end));
    text_.remove_prefix(end);
    return word;
  }

 private:
  static constexpr std::array<std::pair<string_view, size_t>, 8> kMarks = {
      {{"''", 2}, {"'", 1}, {"\"", 2}, {"′", 1}, {"″", 2}, {"’", 1}, {"”", 2}, {"\\prime", 1}}};
  bool letter_at(size_t i) const { return i < text_.size() && is_letter(text_[i]); }
  bool take(string_view what) {
    if (!text_.starts_with(what)) return false;
    text_.remove_prefix(what.size());
    return true;
  }
  void skip_dress() {
    static constexpr std::array<string_view, 12> kDresses = {
        "\\text", "\\mathrm", "\\mbox", "\\textrm", "\\quad", "\\rm",
        "\\,",    "\\;",      "\\ ",    "\\:",      "\\!",    "\u00a0"};
    for (bool more = true; more;) {
      more = false;
      while (!text_.empty() && string_view(" \t\n\r$~{}^").find(text_[0]) != string_view::npos) {
        text_.remove_prefix(1);
        more = true;
      }
      if (text_.empty() || (text_[0] != '\\' && text_[0] != '\xc2')) continue;
      for (string_view dress : kDresses) {
        if (text_.starts_with(dress) && !(is_letter(dress.back()) && letter_at(dress.size())))
          more |= take(dress);
      }
    }
  }

  string_view text_;
};

bool is_time(const Unit& unit) { return unit.dimension == known_unit("second")->dimension; }

// Is `part` less than one of `before`, in units that divide it?
bool goes_on(const Part& before, const Part& part) {
  const Rational ratio = before.unit.factor / part.unit.factor;
  return before.unit.dimension == part.unit.dimension && ratio > 1 && denominator(ratio) == 1 &&
         denominator(before.amount) == 1 && part.amount < ratio;
}

// Figures, and figures again after something else.
bool holds_two_amounts(string_view text) {
  constexpr string_view kFigures = "0123456789.";
  const size_t first = text.find_first_of(kFigures);
  const size_t end = text.find_first_not_of(kFigures, std::min(first, text.size()));
  return end != string_view::npos && text.find_first_of(kFigures, end) != string_view::npos;
}

}  // namespace

std::vector<Expression> compound_measures(string_view text) {
  if (text.size() > kMostCompoundBytes || !holds_two_amounts(text)) return {};
  Scanner scanner(text);
  std::vector<Part> parts;
  while (parts.empty() || !scanner.at_end()) {
    if (!parts.empty()) scanner.skip_joints();
    const auto amount = scanner.number();
    if (!amount || parts.size() == kMostParts) return {};
    std::string word = scanner.unit_word();
    if (word == "m" && !parts.empty() && is_time(parts.back().unit)) word = "min";
    const auto unit = known_unit(word);
    if (!unit || unit->dimension == Dimension{}) return {};
    Part part{*amount, *unit, std::move(word)};
    if (!parts.empty() && !goes_on(parts.back(), part)) return {};
    parts.push_back(std::move(part));
  }
  if (parts.size() < 2) return {};
  Rational total = 0;
  for (const Part& part : parts) total += part.amount * part.unit.factor;
  std::vector<Expression> readings;
  for (const Part& part : parts) {
    Expression reading;
    Node number;
    number.value = total / part.unit.factor;
    reading.nodes.push_back(std::move(number));
    reading.root = 0;
    reading.measures.push_back({{part.word, 1}});
    reading.source = std::string(trimmed(text));
    readings.push_back(std::move(reading));
  }
  return readings;
}

}  // namespace ponder::judge
