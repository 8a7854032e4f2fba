#include "judge/read/units.h"

#include <algorithm>
#include <unordered_map>

#include "judge/text.h"

namespace ponder::judge {
namespace {

constexpr Dimension kNoDimension{};
constexpr Dimension kLength{1}, kMass{0, 1}, kTime{0, 0, 1}, kCurrent{0, 0, 0, 1},
    kHeat{0, 0, 0, 0, 1}, kAmount{0, 0, 0, 0, 0, 1}, kMoney{0, 0, 0, 0, 0, 0, 1},
    kAngle{0, 0, 0, 0, 0, 0, 0, 1};
// Scales with another zero are dimensions of their own, and do not convert.
constexpr Dimension kCelsius{0, 0, 0, 0, 1, 0, 0, 1}, kFahrenheit{0, 0, 0, 0, 1, 0, 0, 2};
constexpr Dimension kVolume{3}, kArea{2}, kSpeed{1, 0, -1}, kForce{1, 1, -2}, kEnergy{2, 1, -2},
    kPower{2, 1, -3}, kPressure{-1, 1, -2}, kRate{0, 0, -1}, kVoltage{2, 1, -3, -1},
    kCharge{0, 0, 1, 1}, kResistance{2, 1, -3, -2};

struct UnitRow {
  const char* names;  // one spelling per word; plurals in -s are known as well
  Dimension dimension;
  long top, bottom;
};

const UnitRow kRows[] = {
    {"m meter metre", kLength, 1, 1},
    {"km kilometer kilometre kms", kLength, 1000, 1},
    {"cm centimeter centimetre cms", kLength, 1, 100},
    {"mm millimeter millimetre", kLength, 1, 1000},
    {"nm nanometer nanometre", kLength, 1, 1000000000},
    {"dm decimeter decimetre", kLength, 1, 10},
    {"in inch inches", kLength, 254, 10000},
    {"ft foot feet", kLength, 3048, 10000},
    {"yd yard yds", kLength, 9144, 10000},
    {"mi mile", kLength, 1609344, 1000},
    {"g gram gramme gm gms", kMass, 1, 1000},
    {"kg kilogram kilo kgs", kMass, 1, 1},
    {"mg milligram", kMass, 1, 1000000},
    {"ton tonne", kMass, 1000, 1},
    {"lb pound lbs", kMass, 45359237, 100000000},
    {"oz ounce", kMass, 45359237, 1600000000},
    {"s sec second secs", kTime, 1, 1},
    {"ms millisecond", kTime, 1, 1000},
    {"min minute mins", kTime, 60, 1},
    {"h hr hour hrs", kTime, 3600, 1},
    {"day", kTime, 86400, 1},
    {"week wk wks", kTime, 604800, 1},
    {"month", kTime, 2629746, 1},
    {"year yr yrs", kTime, 31556952, 1},
    {"l liter litre", kVolume, 1, 1000},
    {"ml milliliter millilitre", kVolume, 1, 1000000},
    {"cl centiliter centilitre", kVolume, 1, 100000},
    {"gal gallon", kVolume, 3785411784, 1000000000000},
    {"quart qt qts", kVolume, 946352946, 1000000000000},
    {"pint pt pts", kVolume, 473176473, 1000000000000},
    {"acre", kArea, 40468564224, 10000000},
    {"hectare ha", kArea, 10000, 1},
    {"mph", kSpeed, 1609344, 3600000},
    {"kph kmh", kSpeed, 1000, 3600},
    {"n newton", kForce, 1, 1},
    {"kn kilonewton", kForce, 1000, 1},
    {"j joule", kEnergy, 1, 1},
    {"kj kilojoule", kEnergy, 1000, 1},
    {"kwh", kEnergy, 3600000, 1},
    {"cal calorie", kEnergy, 4184, 1000},
    {"kcal kilocalorie", kEnergy, 4184, 1},
    {"w watt", kPower, 1, 1},
    {"kw kilowatt", kPower, 1000, 1},
    {"pa pascal", kPressure, 1, 1},
    {"kpa kilopascal", kPressure, 1000, 1},
    {"atm atmosphere", kPressure, 101325, 1},
    {"hz hertz", kRate, 1, 1},
    {"khz kilohertz", kRate, 1000, 1},
    {"v volt", kVoltage, 1, 1},
    {"coulomb", kCharge, 1, 1},
    {"ohm", kResistance, 1, 1},
    {"amp ampere", kCurrent, 1, 1},
    {"k kelvin", kHeat, 1, 1},
    {"mol mole", kAmount, 1, 1},
    {"mmol millimole", kAmount, 1, 1000},
    {"dollar usd buck", kMoney, 1, 1},
    {"cent penny pennies", kMoney, 1, 100},
    {"nickel", kMoney, 5, 100},
    {"dime", kMoney, 10, 100},
    {"rad radian", kAngle, 1, 1},
    {"celsius", kCelsius, 1, 1},
    {"fahrenheit", kFahrenheit, 1, 1},
    {"mj megajoule", kEnergy, 1000000, 1},
    {"unit sq square cubic squared cubed", kNoDimension, 1, 1},
};

const std::unordered_map<std::string_view, const UnitRow*>& rows() {
  static const std::unordered_map<std::string_view, const UnitRow*> table = [] {
    std::unordered_map<std::string_view, const UnitRow*> map;
    for (const UnitRow& row : kRows) {
      std::string_view names = row.names;
      while (!names.empty()) {
        const size_t end = std::min(names.find(' '), names.size());
        map.emplace(names.substr(0, end), &row);
        names.remove_prefix(std::min(end + 1, names.size()));
      }
    }
    return map;
  }();
  return table;
}

const UnitRow* row_of(std::string_view word) {
  if (const auto found = rows().find(word); found != rows().end()) return found->second;
  if (word.size() > 3 && word.ends_with('s')) {
    if (const auto found = rows().find(word.substr(0, word.size() - 1)); found != rows().end())
      return found->second;
  }
  return nullptr;
}

void multiply_in(Unit& unit, const UnitRow& row, int power) {
  const Rational factor = Rational(row.top) / Rational(row.bottom);
  for (int i = 0; i < std::abs(power); ++i) {
    if (power > 0)
      unit.factor *= factor;
    else
      unit.factor /= factor;
  }
  for (size_t i = 0; i < unit.dimension.size(); ++i) unit.dimension[i] += row.dimension[i] * power;
}

}  // namespace

bool is_unit(std::string_view lower_word) {
  return lower_word.size() > 1 && row_of(lower_word) != nullptr;
}

bool is_unit_letter(std::string_view word) {
  return word.size() == 1 && std::string_view("msghLNJWKV").find(word[0]) != std::string_view::npos;
}

std::optional<Unit> known_unit(std::string_view lower_word) {
  const UnitRow* row = row_of(lower_word);
  if (!row) return std::nullopt;
  Unit unit;
  multiply_in(unit, *row, 1);
  return unit;
}

std::optional<Unit> unit_of(const Expression& expression) {
  std::optional<Unit> found;
  for (const Measure& measure : expression.measures) {
    Unit unit;
    int next_power = 1;  // "square feet"
    bool last = false;
    for (const UnitWord& word : measure) {
      const UnitRow* row = row_of(lower_ascii(word.word));
      last = row != nullptr;
      if (!row) return std::nullopt;
      if (word.word == "square" || word.word == "sq") {
        next_power = 2;
      } else if (word.word == "cubic") {
        next_power = 3;
      } else {
        multiply_in(unit, *row, word.power * next_power);
        next_power = 1;
      }
    }
    if (!last) return std::nullopt;
    if (found && (found->dimension != unit.dimension || found->factor != unit.factor))
      return std::nullopt;
    found = unit;
  }
  return found;
}

bool same_base_units(const Expression& a, const Expression& b) {
  if (a.measures.empty() || b.measures.empty()) return false;
  const auto words = [](const Measure& measure) {
    std::vector<const UnitRow*> all;
    for (const UnitWord& word : measure) {
      const UnitRow* row = row_of(lower_ascii(word.word));
      if (row && row->dimension != kNoDimension) all.push_back(row);
    }
    return all;
  };
  return words(a.measures.front()) == words(b.measures.front());
}

}  // namespace ponder::judge
