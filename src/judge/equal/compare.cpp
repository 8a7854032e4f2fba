#include "judge/equal/compare.h"

#include <algorithm>

#include "judge/equal/comparer.h"
#include "judge/equal/family.h"
#include "judge/equal/measured.h"
#include "judge/equal/names.h"
#include "judge/read/shape.h"
#include "judge/read/units.h"

namespace ponder::judge {
namespace {

bool holds_degrees(const Expression& expression) {
  return std::any_of(expression.nodes.begin(), expression.nodes.end(),
                     [](const Node& node) { return node.kind == Kind::kDegree; });
}

// A logarithm without a base is the one to base ten or the natural one.
bool holds_plain_log(const Expression& expression) {
  return std::any_of(expression.nodes.begin(), expression.nodes.end(), [](const Node& node) {
    return node.kind == Kind::kCall && node.name == "log" && node.children.size() == 1;
  });
}

bool says_radians(const Expression& expression) {
  return std::any_of(
             expression.nodes.begin(), expression.nodes.end(),
             [](const Node& node) { return node.kind == Kind::kConstant && node.name == "pi"; }) ||
         std::any_of(expression.measures.begin(), expression.measures.end(),
                     [](const Measure& measure) {
                       return measure.size() == 1 && measure[0].word.starts_with("rad");
                     });
}

Comparison compare_as_named(const Expression& gold, const Expression& prediction,
                            const CompareRules& rules, Budget& budget);
Comparison compare_readings(const Expression& gold, const Expression& answer,
                            const CompareRules& rules, Budget& budget);

}  // namespace

Comparison compare_answers(const Expression& gold, const Expression& prediction,
                           const CompareRules& rules, Budget& budget) {
  const auto alike = with_names_of(gold, prediction);
  Comparison result = compare_readings(gold, alike ? *alike : prediction, rules, budget);
  if (result.match != Match::kEqual && !alike) {
    for (const Expression& renamed : with_other_constants(gold, prediction)) {
      Comparison again = compare_readings(gold, renamed, rules, budget);
      if (again.match != Match::kEqual) continue;
      result = {Match::kEqual, again.rule + ", constants renamed"};
      break;
    }
  }
  if (rules.evaluated && result.match == Match::kEqual && is_worked_out({&gold, gold.root, 0}) &&
      !is_worked_out({&prediction, prediction.root, 0}))
    return {Match::kDifferent, "a form that is not worked out"};
  return result;
}

namespace {

Comparison compare_readings(const Expression& gold, const Expression& answer,
                            const CompareRules& rules, Budget& budget) {
  Comparison result = compare_as_named(gold, answer, rules, budget);
  const bool degrees = holds_degrees(gold), other = holds_degrees(answer);
  if (result.match == Match::kEqual) return result;
  const auto equal_with = [&](bool Budget::*reading, const char* what) -> bool {
    budget.*reading = true;
    Comparison again = compare_as_named(gold, answer, rules, budget);
    budget.*reading = false;
    if (again.match != Match::kEqual) return false;
    result = {Match::kEqual, again.rule + what};
    return true;
  };
  if (degrees != other && says_radians(degrees ? answer : gold) &&
      equal_with(&Budget::radians, ", degrees as radians"))
    return result;
  if (holds_plain_log(gold) || holds_plain_log(answer))
    equal_with(&Budget::natural_logs, ", log as the natural logarithm");
  return result;
}

Comparison compare_as_named(const Expression& gold, const Expression& prediction,
                            const CompareRules& rules, Budget& budget) {
  Comparer comparer(rules, budget);
  const auto as_read = [&] {
    const bool both = has_parameter(gold) && has_parameter(prediction);
    const auto a = without_parameter(gold, both), b = without_parameter(prediction, both);
    const Expression &x = a ? *a : gold, &y = b ? *b : prediction;
    Comparison result = comparer.compare({&x, x.root, 0}, {&y, y.root, 0});
    if (!a && !b) {
      if (result.match == Match::kEqual || !may_be_families(gold, prediction)) return result;
      const auto families = compare_families(gold, prediction, budget);
      return families && families->match == Match::kEqual ? *families : result;
    }
    if (both && !same_domains(gold, prediction))
      return Comparison{Match::kUnknown, "families over different sets"};
    if (result.match == Match::kEqual) return result;
    if (const auto families = compare_families(gold, prediction, budget)) return *families;
    return Comparison{Match::kUnknown, "families that may be the same in another form"};
  };
  const bool gold_words = !gold.measures.empty(), words = !prediction.measures.empty();
  if (!gold_words && !words && !rules.strict_units) return as_read();
  const Measured a = measured(gold), b = measured(prediction);
  if (const auto duration = a.unit ? a.unit : b.unit; duration && (!a.unit || !b.unit)) {
    const Expression& other = a.unit ? prediction : gold;
    if (duration->dimension == known_unit("second")->dimension && is_clock({&other, other.root, 0}))
      return {Match::kUnknown, "a time span and hours or minutes with a colon"};
  }
  if (a.unit && b.unit) {
    const bool powers_apart = gold_words && words && !rules.strict_units &&
                              same_base_units(gold, prediction);  // "15 cm" for 15 cm^2
    if (a.unit->dimension != b.unit->dimension && !powers_apart)
      return {Match::kDifferent, "units of different dimension"};
    if (a.unit->factor == b.unit->factor || powers_apart)
      return comparer.compare({&gold, a.value, 0}, {&prediction, b.value, 0});
    if (!is_scalar({&prediction, b.value, 0})) return {Match::kUnknown, "different units"};
    const auto same_unit = converted(prediction, b, *a.unit);
    if (!same_unit) return {Match::kUnknown, "different units"};
    Comparison result = comparer.compare({&gold, a.value, 0}, {&*same_unit, same_unit->root, 0});
    result.rule += " after conversion of units";
    return result;
  }
  if (!rules.strict_units) return as_read();
  if (gold_words != words && !(a.unit && b.unit))
    return {Match::kDifferent, "a unit on one side only"};
  const bool same =
      std::equal(gold.measures.begin(), gold.measures.end(), prediction.measures.begin(),
                 prediction.measures.end(), [](const Measure& x, const Measure& y) {
                   return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                                     [](const UnitWord& v, const UnitWord& w) {
                                       return v.word == w.word && v.power == w.power;
                                     });
                 });
  return same ? as_read() : Comparison{Match::kUnknown, "different words after the numbers"};
}

}  // namespace

}  // namespace ponder::judge
