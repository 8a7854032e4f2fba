#include "report/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ponder::report {
namespace {

std::string px(double value) { return fmt::format("{:.1f}", value); }

Markup line(const char* kind, double x1, double y1, double x2, double y2) {
  return empty_element(
      "line", {{"class", kind}, {"x1", px(x1)}, {"y1", px(y1)}, {"x2", px(x2)}, {"y2", px(y2)}});
}

Markup label(const char* kind, double x, double y, const std::string& words) {
  return element("text", {{"class", kind}, {"x", px(x)}, {"y", px(y)}}, text(words));
}

// Where the values of an axis lie.
struct Scale {
  double low, high, from, to;
  double operator()(double value) const {
    return from + (value - low) / (high - low) * (to - from);
  }
};

Markup picture(double width, double height, const std::string& title, const Markup& content) {
  return element("svg",
                 {{"viewBox", fmt::format("0 0 {:.0f} {:.0f}", width, height)},
                  {"width", fmt::format("{:.0f}", width)},
                  {"height", fmt::format("{:.0f}", height)},
                  {"role", "img"},
                  {"aria-label", title}},
                 content);
}

}  // namespace

std::vector<double> nice_ticks(double low, double high, int wanted) {
  // Differences below the rounding of the values are no range.
  if (!(high - low > 1e-9 * std::max(std::abs(low), std::abs(high)))) {
    const double room = low == 0 ? 1 : std::abs(low) / 2;
    low -= room;
    high += room;
  }
  const double rough = (high - low) / wanted;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = power;
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    step = factor * power;
    if (step >= rough * 0.999) break;
  }
  std::vector<double> ticks;
  const auto first = static_cast<int64_t>(std::floor(low / step + 1e-9));
  const auto last = static_cast<int64_t>(std::ceil(high / step - 1e-9));
  for (int64_t i = first; i <= last; ++i) ticks.push_back(static_cast<double>(i) * step);
  return ticks;
}

Markup interval_chart(const std::string& title, const std::vector<IntervalPoint>& points) {
  size_t longest = 4;
  for (const IntervalPoint& point : points) longest = std::max(longest, point.name.size());
  const double each = std::max(46.0, 5.8 * static_cast<double>(longest) + 4);
  const double left = 42, right = left + each * static_cast<double>(points.size()) + 8;
  const double top = 34, bottom = 224;
  const Scale y{0, 1, bottom, top};
  Markup content = label("title", 4, 14, title);
  for (const int percent : {0, 25, 50, 75, 100}) {
    content +=
        line(percent == 0 ? "axis" : "grid", left, y(percent / 100.0), right, y(percent / 100.0));
    content += label("label end", left - 6, y(percent / 100.0) + 4, fmt::format("{} %", percent));
  }
  const auto at = [&](size_t i) { return left + each * (static_cast<double>(i) + 0.5); };
  std::string way;
  for (size_t i = 0; i < points.size(); ++i) {
    if (points[i].linked)
      way += fmt::format("{}{:.1f},{:.1f}", way.empty() ? "" : " ", at(i), y(points[i].value));
  }
  if (way.find(' ') != std::string::npos)
    content += empty_element("polyline", {{"class", "line faint"}, {"points", way}});
  for (size_t i = 0; i < points.size(); ++i) {
    const IntervalPoint& p = points[i];
    const double x = at(i);
    Markup mark = element("title", text(fmt::format("{}: {:.1f} % [{:.1f}, {:.1f}]", p.name,
                                                    100 * p.value, 100 * p.low, 100 * p.high)));
    mark += line("bar", x, y(p.low), x, y(p.high)) + line("bar", x - 5, y(p.low), x + 5, y(p.low)) +
            line("bar", x - 5, y(p.high), x + 5, y(p.high));
    mark += empty_element("circle", {{"class", p.linked ? "dot" : "dot open"},
                                     {"cx", px(x)},
                                     {"cy", px(y(p.value))},
                                     {"r", "4.5"}});
    mark += label("value middle", x, std::max(top - 8, y(p.high) - 7),
                  fmt::format("{:.1f}", 100 * p.value));
    mark += label("label middle", x, bottom + 17, p.name);
    content += element("g", mark);
  }
  return picture(right + 4, bottom + 26, "accuracy on " + title, content);
}

Markup curve_chart(const std::string& title, const std::string& x_title, const std::string& y_title,
                   const std::vector<CurvePoint>& points) {
  double low = points[0].y, high = low;
  for (const CurvePoint& p : points) {
    low = std::min(low, p.y);
    high = std::max(high, p.y);
  }
  const std::vector<double> ys = nice_ticks(low, high, 4);
  const std::vector<double> xs = nice_ticks(std::min(0.0, points.front().x), points.back().x, 5);
  const double left = 58, right = 326, top = 34, bottom = 184;
  const Scale y{ys.front(), ys.back(), bottom, top};
  const Scale x{xs.front(), std::max(points.back().x, xs[1]), left, right};
  Markup content = label("title", 4, 14, title);
  for (const double tick : ys) {
    content += line(tick == ys.front() ? "axis" : "grid", left, y(tick), right, y(tick));
    content += label("label end", left - 6, y(tick) + 4, fmt::format("{:.6g}", tick));
  }
  for (const double tick : xs) {
    if (tick > x.high) continue;
    content += line("axis", x(tick), bottom, x(tick), bottom + 4);
    content += label("label middle", x(tick), bottom + 17, fmt::format("{:.6g}", tick));
  }
  content += label("label middle", (left + right) / 2, bottom + 34, x_title);
  content +=
      element("text",
              {{"class", "label middle"},
               {"transform", fmt::format("translate(13 {:.1f}) rotate(-90)", (top + bottom) / 2)}},
              text(y_title));
  std::string way;
  for (const CurvePoint& p : points) {
    way += fmt::format("{}{:.1f},{:.1f}", way.empty() ? "" : " ", x(p.x), y(p.y));
  }
  if (points.size() == 1) {
    content += empty_element(
        "circle",
        {{"class", "dot"}, {"cx", px(x(points[0].x))}, {"cy", px(y(points[0].y))}, {"r", "3"}});
  } else {
    content += empty_element("polyline", {{"class", "line"}, {"points", way}});
  }
  return picture(right + 14, bottom + 42, title + ": " + y_title + " over " + x_title, content);
}

}  // namespace ponder::report
