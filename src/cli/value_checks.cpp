#include "cli/value_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>
#include <functional>

#include "base/error.h"

namespace ponder::cli {
namespace {

CLI::Validator number_check(const std::string& range, std::function<bool(double)> fits) {
  const auto check = [range, fits = std::move(fits)](const std::string& text) -> std::string {
    double value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, code] = std::from_chars(text.data(), end, value);
    if (code == std::errc() && stop == end && std::isfinite(value) && fits(value)) return "";
    return fmt::format("expected a number {}, found \"{}\"", range, excerpt(text));
  };
  return CLI::Validator(check, range);
}

}  // namespace

CLI::Validator one_of(std::vector<std::string> words) {
  const std::string all = fmt::format("{{{}}}", fmt::join(words, ","));
  const auto check = [words = std::move(words)](const std::string& text) -> std::string {
    const std::vector<std::string_view> names(words.begin(), words.end());
    if (std::find(names.begin(), names.end(), text) != names.end()) return "";
    const std::string near = nearest(text, names.data(), names.size());
    return fmt::format("expected one of {}, found \"{}\"{}", fmt::join(words, ", "), excerpt(text),
                       near.empty() ? "" : fmt::format("; did you mean {}?", near));
  };
  return CLI::Validator(check, all);
}

CLI::Validator number_in(double lowest, double highest) {
  return number_check(fmt::format("from {} to {}", lowest, highest),
                      [=](double value) { return value >= lowest && value <= highest; });
}

CLI::Validator number_from(double lowest) {
  return number_check(fmt::format("from {} on", lowest),
                      [=](double value) { return value >= lowest; });
}

CLI::Validator number_above(double lowest) {
  return number_check(fmt::format("above {}", lowest),
                      [=](double value) { return value > lowest; });
}

}  // namespace ponder::cli
