// The plainest things done to text. ASCII only.
#pragma once

#include <string>
#include <string_view>

namespace ponder {

inline constexpr std::string_view kWhiteSpace = " \t\r\n\f\v";

// Without the white space at both ends.
std::string_view trimmed(std::string_view text, std::string_view white_space = kWhiteSpace);
bool is_blank(std::string_view text);   // nothing but white space
bool is_digits(std::string_view text);  // at least one, and nothing else
std::string lower_ascii(std::string_view text);

}  // namespace ponder
