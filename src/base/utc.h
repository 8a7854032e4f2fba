// Times of the day for records.
#pragma once

#include <chrono>
#include <string>

namespace ponder {

// "2026-11-29T16:52:03.417Z": in the order of time as texts too.
std::string utc_text(std::chrono::system_clock::time_point time);

}  // namespace ponder
