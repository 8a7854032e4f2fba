// Dates and times of day: "March 5, 2024", "5 March 2024", "2024-03-05"; "3:30 pm", "15:30".
#pragma once

#include <optional>
#include <string_view>

#include "judge/equal/comparison.h"

namespace ponder::judge {

// Nothing where a side is no date or time, or where both may as well be ratios (20:34).
std::optional<Comparison> compare_dates(std::string_view gold, std::string_view prediction);

}  // namespace ponder::judge
