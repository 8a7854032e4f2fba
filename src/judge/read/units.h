// Units of measure: which words are units, what they measure, and how two of them convert, exactly.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "judge/read/expression.h"

namespace ponder::judge {

// metre, kilogram, second, ampere, kelvin, mole, dollar, radian
using Dimension = std::array<int, 8>;

struct Unit {
  Dimension dimension{};
  Rational factor = 1;  // of the base units
};

// A unit word or symbol in lower case, singular or plural; nothing for other words.
std::optional<Unit> known_unit(std::string_view lower_word);
// A word of two letters or more that is a unit of measure.
bool is_unit(std::string_view lower_word);
// m s g h L N J W K V: only a unit after a number.
bool is_unit_letter(std::string_view word);

// The one unit that the words after an answer's numbers name; nothing where there is none, a word
// is not known, or there are several.
std::optional<Unit> unit_of(const Expression& expression);
// The same without powers: "cm" for "cm^2". For lenient comparison.
bool same_base_units(const Expression& a, const Expression& b);

}  // namespace ponder::judge
