// What a comparison of two answers says, and what the caller may ask of it.
#pragma once

#include <optional>
#include <string>

namespace ponder::judge {

enum class Match { kEqual, kDifferent, kUnknown };

struct Comparison {
  Match match = Match::kUnknown;
  std::string rule;  // which rule decided, for the proof
};

struct CompareRules {
  std::optional<double> tolerance;  // relative, where asked for
  bool strict_units = false;        // both sides must name units of one dimension
  bool strict_order = false;        // lists are compared in order
  bool evaluated = false;           // where gold is a written number, so must be the answer
};

}  // namespace ponder::judge
