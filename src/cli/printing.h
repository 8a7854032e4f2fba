// The doors through which commands speak to people. Text of others (ids, questions, names, paths)
// goes through them as it is: control characters come out as \x1b, so that nothing that a file holds
// can move a terminal's cursor or pass for a line of ours. JSON and rows have doors of their own.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace ponder::cli {

template <class T>
const T& shown(const T& value) {
  return value;
}
template <std::convertible_to<std::string_view> T>
std::string shown(const T& text) {
  return escaped(text);
}

// Several lines on standard output; line feeds and tabs stay.
void print_text(std::string_view text);

// As fmt::print; arguments that are texts come out on one line.
template <class... Args>
void print(fmt::format_string<Args...> format, const Args&... args) {
  print_text(fmt::vformat(fmt::string_view(format), fmt::make_format_args(shown(args)...)));
}

// Whether standard output may have colours: a terminal that is no dumb one, and no NO_COLOR
// (no-color.org) in the environment.
bool colours();

// One line on standard error. That it cannot be written is no error.
void tell(std::string_view line);
// Over the line that was told last; "" takes it away. For terminals.
void tell_over(std::string_view line);

// Lines whose texts are escaped already and whose colours are ours.
void print_drawn(const std::vector<std::string>& lines);

}  // namespace ponder::cli
