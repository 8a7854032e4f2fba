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
    const double room = std::abs(low) / 2;  // of nothing but noughts the axis begins there
    low -= room;
    high += low == 0 ? 1 : room;
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

std::vector<double> log_ticks(double low, double high) {
  std::vector<double> ticks;
  const int first = static_cast<int>(std::floor(std::log10(low)));
  const int last = static_cast<int>(std::ceil(std::log10(high)));
  const bool tight = last - first <= 3;
  for (int power = first; power <= last; ++power) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor > 1 && !tight) continue;
      const double tick = factor * std::pow(10, power);
      if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push_back(tick);
    }
  }
  if (ticks.size() >= 3) return ticks;
  ticks.clear();
  for (const double tick : nice_ticks(low, high, 4)) {
    if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push_back(tick);
  }
  return ticks;
}

std::vector<CurvePoint> thinned_points(const std::vector<CurvePoint>& points, size_t most) {
  if (points.size() <= most || most < 4) return points;
  const size_t pieces = most / 2;
  std::vector<CurvePoint> kept;
  kept.reserve(most);
  for (size_t piece = 0; piece < pieces; ++piece) {
    const size_t begin = piece * points.size() / pieces, end = (piece + 1) * points.size() / pieces;
    size_t low = begin, high = begin;
    for (size_t i = begin; i < end; ++i) {
      if (points[i].y < points[low].y) low = i;
      if (points[i].y > points[high].y) high = i;
    }
    kept.push_back(points[std::min(low, high)]);
    if (low != high) kept.push_back(points[std::max(low, high)]);
  }
  return kept;
}

namespace {

// The mean of an exponential mean from the left and one from the right: it does not lag.
std::vector<CurvePoint> smoothed(const std::vector<CurvePoint>& points, int half_life) {
  const double keep = std::pow(0.5, 1.0 / half_life);
  std::vector<CurvePoint> out = points;
  const auto pass = [&](auto at, auto into) {
    double sum = 0, weight = 0;
    for (size_t i = 0; i < points.size(); ++i, ++at, ++into) {
      sum = keep * sum + at->y;
      weight = keep * weight + 1;
      into->y += sum / weight;
    }
  };
  for (CurvePoint& point : out) point.y = 0;
  pass(points.begin(), out.begin());
  pass(points.rbegin(), out.rbegin());
  for (CurvePoint& point : out) point.y /= 2;
  return out;
}

struct Extent {
  double x_low, x_high, y_low, y_high;
};

Extent extent_of(const std::vector<Curve>& curves) {
  Extent e{0, 0, 0, 0};
  bool any = false;
  for (const Curve& curve : curves) {
    for (const CurvePoint& p : curve.points) {
      if (!any) e = {p.x, p.x, p.y, p.y};
      any = true;
      e = {std::min(e.x_low, p.x), std::max(e.x_high, p.x), std::min(e.y_low, p.y),
           std::max(e.y_high, p.y)};
    }
  }
  return e;
}

bool is_log(const Extent& e, CurveStyle::Scale scale) {
  if (e.y_low <= 0) return false;
  return scale == CurveStyle::Scale::kLog ||
         (scale == CurveStyle::Scale::kFitting && e.y_high > 2 * e.y_low);
}

}  // namespace

Markup curve_chart(const std::string& title, const std::string& x_title, const std::string& y_title,
                   const std::vector<Curve>& curves, const CurveStyle& style) {
  const Extent e = extent_of(curves);
  const bool log = is_log(e, style.scale);
  std::vector<double> ys = log ? log_ticks(e.y_low, e.y_high) : nice_ticks(e.y_low, e.y_high, 4);
  const std::vector<double> xs =
      nice_ticks(e.x_low < 0.2 * e.x_high ? std::min(0.0, e.x_low) : e.x_low, e.x_high, 5);
  const bool named = curves.size() > 1;
  const double left = 58, right = style.width - 14, top = named ? 50 : 34,
               bottom = style.height - 42;
  const auto axis = [&](double value) { return log ? std::log10(value) : value; };
  const double y_low = log ? e.y_low : ys.front(), y_high = log ? e.y_high : ys.back();
  const Scale y_scale{axis(y_low), axis(y_high), bottom, top};
  const auto y = [&](double value) { return y_scale(axis(value)); };
  Scale x{e.x_low < xs[1] ? xs.front() : e.x_low, std::max(e.x_high, xs[1]), left, right};
  if (!(x.high > x.low)) x = {xs.front(), xs.back(), left, right};  // all at one place
  Markup content = label("title", 4, 14, title + (y_title.empty() && log ? " (log)" : ""));
  content += line("axis", left, bottom, right, bottom);
  for (const double tick : ys) {
    if (tick != y_low) content += line("grid", left, y(tick), right, y(tick));
    content += label("label end", left - 6, y(tick) + 4, fmt::format("{:.6g}", tick));
  }
  for (const double tick : xs) {
    if (tick > x.high || tick < x.low) continue;
    if (style.counts && std::abs(tick - std::round(tick)) > 1e-9) continue;
    content += line("axis", x(tick), bottom, x(tick), bottom + 4);
    content += label("label middle", x(tick), bottom + 17, fmt::format("{:.6g}", tick));
  }
  content += label("label middle", (left + right) / 2, bottom + 34, x_title);
  if (!y_title.empty()) {
    content += element(
        "text",
        {{"class", "label middle"},
         {"transform", fmt::format("translate(13 {:.1f}) rotate(-90)", (top + bottom) / 2)}},
        text(y_title + (log ? " (log)" : "")));
  }
  constexpr size_t kMostPoints = 2000;
  const auto draw = [&](const std::string& kind, const std::vector<CurvePoint>& all) {
    const std::vector<CurvePoint> points = thinned_points(all, kMostPoints);
    if (points.size() == 1) {
      content += empty_element("circle", {{"class", "dot" + kind},
                                          {"cx", px(x(points[0].x))},
                                          {"cy", px(y(points[0].y))},
                                          {"r", "3"}});
      return;
    }
    std::string way;
    for (const CurvePoint& p : points)
      way += fmt::format("{}{:.1f},{:.1f}", way.empty() ? "" : " ", x(p.x), y(p.y));
    content += empty_element("polyline", {{"class", "line" + kind}, {"points", way}});
  };
  double at = 4;
  for (size_t i = 0; i < curves.size(); ++i) {
    if (curves[i].points.empty()) continue;
    const std::string kind = fmt::format(" c{}", i % 6);
    if (style.smoothing > 0 && curves[i].points.size() > 4) {
      draw(kind + " faint", curves[i].points);
      draw(kind, smoothed(curves[i].points, style.smoothing));
    } else {
      draw(kind, curves[i].points);
    }
    if (!named) continue;
    content += line(("line" + kind).c_str(), at, 28, at + 14, 28);
    content += label("label", at + 18, 32, curves[i].name);
    at += 30 + 6.2 * static_cast<double>(curves[i].name.size());
  }
  return picture(style.width, style.height,
                 (y_title.empty() ? title : title + ": " + y_title) + " over " + x_title, content);
}

std::string svg_file(const Markup& chart) {
  // The page's rules with their colours in place: programs that read SVG files know no variables.
  constexpr std::string_view kFileStyle =
      "<style>text { font: 10.5px system-ui, sans-serif; fill: #1c2024; } "
      ".title { font-size: 13px; font-weight: 600; } .label { fill: #5d666f; } "
      ".end { text-anchor: end; } .middle { text-anchor: middle; } .axis { stroke: #5d666f; } "
      ".grid { stroke: #d5dade; } "
      ".line { fill: none; stroke: #1f5fa8; stroke-width: 1.5; stroke-linejoin: round; } "
      ".faint { opacity: .3; } .c1 { stroke: #b3541e; } .c2 { stroke: #2a7a4b; } "
      ".c3 { stroke: #7a4ea3; } .c4 { stroke: #8a6d0b; } .c5 { stroke: #b03a6b; } "
      ".bar { stroke: #1f5fa8; stroke-width: 1.5; } "
      ".dot { fill: #1f5fa8; stroke: #1f5fa8; stroke-width: 1.5; } .open { fill: #fff; }</style>";
  std::string out = chart.html;
  out.insert(out.find('>') + 1, kFileStyle);
  out.insert(out.find("<svg") + 4, " xmlns=\"http://www.w3.org/2000/svg\"");
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + out + "\n";
}

Markup curve_chart(const std::string& title, const std::string& x_title, const std::string& y_title,
                   const std::vector<CurvePoint>& points, const CurveStyle& style) {
  return curve_chart(title, x_title, y_title, std::vector<Curve>{{"", points}}, style);
}

}  // namespace ponder::report
