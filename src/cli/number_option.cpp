#include "cli/number_option.h"

#include <fmt/format.h>

#include <charconv>

#include "base/error.h"
#include "base/text.h"

namespace ponder::cli {

CLI::Validator whole_number(uint64_t lowest, uint64_t highest) {
  const auto check = [lowest, highest](std::string& text) -> std::string {
    uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, code] = std::from_chars(text.data(), end, value);
    if (code == std::errc() && stop == end && value >= lowest && value <= highest) {
      text = std::to_string(value);  // "010" is ten: CLI11 itself would read it as octal
      return "";
    }
    return fmt::format("expected a whole number from {} to {}, found \"{}\"", lowest, highest,
                       excerpt(text));
  };
  const bool bounded = highest < static_cast<uint64_t>(kMany);
  return CLI::Validator(check, bounded ? fmt::format("{} to {}", lowest, highest)
                                       : fmt::format("{} or more", lowest));
}

CLI::Validator byte_size(uint64_t lowest, uint64_t highest) {
  const auto check = [lowest, highest](std::string& text) -> std::string {
    uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, code] = std::from_chars(text.data(), end, value);
    std::string unit = lower_ascii(trimmed({stop, static_cast<size_t>(end - stop)}));
    bool good = code == std::errc();
    if (unit.ends_with('b')) unit.pop_back();
    const uint64_t step = unit.size() == 2 && unit[1] == 'i' ? 1024 : 1000;
    const size_t power = unit.empty() ? 0 : std::string_view("kmgtpe").find(unit[0]) + 1;
    good = good && (unit.empty() || (unit.size() == (step == 1024 ? 2 : 1) && power > 0));
    for (size_t i = 0; good && i < power; ++i) good = !__builtin_mul_overflow(value, step, &value);
    if (good && value >= lowest && value <= highest) {
      text = std::to_string(value);
      return "";
    }
    return fmt::format(
        "expected a whole number from {} to {}, a unit (MB, MiB, …) may follow, found \"{}\"",
        lowest, highest, excerpt(text));
  };
  return CLI::Validator(check, "SIZE");
}

}  // namespace ponder::cli
