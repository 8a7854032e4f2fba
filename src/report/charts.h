// Charts as inline SVG, drawn with the page's colours (classes axis, grid, line, dot, bar, label).
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
struct Curve {
  std::string name;  // "" where there is only one
  std::vector<CurvePoint> points;
};
struct CurveStyle {
  enum class Scale { kLinear, kLog, kFitting };  // kFitting: log where all is positive and it helps
  Scale scale = Scale::kFitting;
  int smoothing =
      0;  // half-life in points of a running mean, drawn over the pale raw line; 0: none
  double width = 340, height = 226;
  bool counts = false;  // the x axis counts something: whole numbers alone stand at it
};
// Up to six curves over each other, each at most 2,000 points (thinned: the lowest and the highest of
// each piece). Points must be finite, at least one in all. Without a `y_title` the title says what is
// drawn.
Markup curve_chart(const std::string& title, const std::string& x_title, const std::string& y_title,
                   const std::vector<Curve>& curves, const CurveStyle& style = {});
Markup curve_chart(const std::string& title, const std::string& x_title, const std::string& y_title,
                   const std::vector<CurvePoint>& points, const CurveStyle& style = {});

// A chart as a file of its own, in light colours.
std::string svg_file(const Markup& chart);

// At most `most` points (an even number), in order: of each piece the lowest and the highest.
std::vector<CurvePoint> thinned_points(const std::vector<CurvePoint>& points, size_t most);

// Round numbers (1, 2 or 5 times a power of ten apart), about `wanted` of them, that enclose
// [low, high].
std::vector<double> nice_ticks(double low, double high, int wanted);
// The same for a logarithmic axis of positive numbers: 1, 2 and 5 times powers of ten, or as above
// where these are too few.
std::vector<double> log_ticks(double low, double high);

}  // namespace ponder::report
