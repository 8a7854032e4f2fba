// Named ways to write one answer differently. Each draws an answer and gives it in two spellings,
// or nothing where the draw cannot be written that way.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "judge/answer_test_support.h"

namespace ponder::judge::testing {

struct Written {
  std::string gold, answer;
};

struct Rewrite {
  std::string name;
  std::function<std::optional<Written>(Draw&)> draw;
  bool both_ways =
      true;  // also with gold and answer exchanged; not where only gold may ask for less
};

std::vector<Rewrite> dress_rewrites();    // of the text: any answer
std::vector<Rewrite> algebra_rewrites();  // of numbers and formulas
std::vector<Rewrite> shape_rewrites();    // of lists, intervals, relations, matrices, units

}  // namespace ponder::judge::testing
