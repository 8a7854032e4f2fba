// How long something takes, for people.
#pragma once

#include <string>

namespace ponder {

// "40 s", "12 min", "3.5 h", "5 days", "7 months", "1.8 years".
std::string duration_text(double seconds);
// "3 h to 4 h"; "about 3 h" where both ends are much the same.
std::string duration_text(double low, double high);

}  // namespace ponder
