// The plainest things done to text. ASCII only, but for escaped().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ponder {

inline constexpr std::string_view kWhiteSpace = " \t\r\n\f\v";

// Without the white space at both ends.
std::string_view trimmed(std::string_view text, std::string_view white_space = kWhiteSpace);
bool is_blank(std::string_view text);   // nothing but white space
bool is_digits(std::string_view text);  // at least one, and nothing else
std::string lower_ascii(std::string_view text);

// "812 MiB", from a GiB on "1.5 GiB", below ten MiB "0.3 MiB".
std::string bytes_text(int64_t bytes);

// Text of others as it may be shown on a terminal: control characters (C0, DEL, C1) and bytes that
// are no UTF-8 become \n and \x1b, everything else stays. kKeep leaves line feeds and tabs.
enum class Lines { kEscape, kKeep };
std::string escaped(std::string_view text, Lines lines = Lines::kEscape);

}  // namespace ponder
