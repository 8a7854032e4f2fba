// What an answer says once its dress is off: the value an equation gives to a name, the items of a
// list, the ends of an interval, the entries of a vector.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "judge/read/evaluate.h"

namespace ponder::judge {

bool is_collection(View view);  // list or set
bool is_equation(View view);    // a chain of = and ~
bool is_clock(View ratio);      // may be a time of day

// The value of x = 3, f(x) = 3, V_1 : V_2 = 3, (p, q) = 3: what an equation gives to the name on
// its left.
std::optional<View> named_value(View view);
// The value of a chain without names: 2 + 3 = 5.
std::optional<View> chain_value(View view);
// Where gold is a number: the number that an equation with any left side states.
std::optional<View> stated_value(View gold, View prediction);
// The named or chain value where there is one, else the view itself.
View value_part(View view);
// The left side of an equation as text, to tell one name from another.
std::string left_name(View view);

// A written number (1.5, 3/4, 1 1/2, 2 \\cdot 10^5, with sign, percent or degrees) or a collection
// of such.
bool is_worked_out(View view);

std::vector<View> children(View view);
std::vector<View> items_of(View view);
std::optional<std::vector<View>> vector_of(View view);

// p = 5, q = 2; p = 7, q = 2 as rows of values: a row ends where a name comes again. Tuples are
// rows as they are. No rows where the items are neither.
struct Solutions {
  std::vector<std::vector<View>> rows;
  std::vector<std::vector<std::string>> names;  // of each row, where `named`
  bool named = false;
};
Solutions solutions_of(const std::vector<View>& items);
void sort_by_name(Solutions& solutions);

// x > 5 and 3 < x <= 4 as pairs of ends with brackets.
struct Interval {
  std::optional<View> low, high;  // none: infinite
  char open = '(', close = ')';
};

std::optional<Interval> interval_of(View view);
bool is_list_of_intervals(View view);
// +1 and -1 for an infinite end (`missing` where there is none), else 0.
int infinity(const std::optional<View>& end, int missing);

}  // namespace ponder::judge
