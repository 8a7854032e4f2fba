#include "base/duration_text.h"

#include <fmt/format.h>

namespace ponder {

std::string duration_text(double seconds) {
  struct Unit {
    double seconds, below;  // used below so many seconds
    const char* name;
  };
  constexpr double kMinute = 60, kHour = 3600, kDay = 86400, kMonth = 30.44 * kDay,
                   kYear = 365.25 * kDay;
  constexpr Unit kUnits[] = {{1, 90, " s"},
                             {kMinute, 90 * kMinute, " min"},
                             {kHour, 36 * kHour, " h"},
                             {kDay, 60 * kDay, " days"},
                             {kMonth, 1.5 * kYear, " months"},
                             {kYear, 1e300, " years"}};
  for (const Unit& unit : kUnits) {
    if (seconds >= unit.below) continue;
    const double value = seconds / unit.seconds;
    const bool fine = value < 9.95 && unit.seconds > kMinute;
    std::string number = fmt::format("{:.{}f}", value, fine ? 1 : 0);
    if (number.ends_with(".0")) number.resize(number.size() - 2);
    return number + unit.name;
  }
  return "forever";
}

std::string duration_text(double low, double high) {
  constexpr double kMuchTheSame = 1.15;
  if (high <= kMuchTheSame * low || duration_text(low) == duration_text(high))
    return "about " + duration_text(high);
  return duration_text(low) + " to " + duration_text(high);
}

}  // namespace ponder
