// Charts as inline SVG, drawn with the page's colours (classes axis, grid, line, dot, bar, label).
// Internal to this folder.
#pragma once

#include <string>
#include <vector>

#include "report/markup.h"

namespace ponder::report {

struct IntervalPoint {
  std::string name;                     // below the axis
  double value = 0, low = 0, high = 0;  // shares
  bool linked = false;                  // linked to the linked point before it, drawn filled
};
// Accuracy of the models on one benchmark: dots with interval bars over an axis of 0 to 100 %.
Markup interval_chart(const std::string& title, const std::vector<IntervalPoint>& points);

struct CurvePoint {
  double x = 0, y = 0;
};
// Points must be finite, and at least one.
Markup curve_chart(const std::string& title, const std::string& x_title, const std::string& y_title,
                   const std::vector<CurvePoint>& points);

// Round numbers (1, 2 or 5 times a power of ten apart), about `wanted` of them, that enclose
// [low, high].
std::vector<double> nice_ticks(double low, double high, int wanted);

}  // namespace ponder::report
