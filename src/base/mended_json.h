// Rows that are JSON but for values JSON does not have, as other programs write them: Python's NaN and
// Infinity, numbers beyond 64 bits, halves of surrogate pairs. A row is not lost for a field that
// nobody reads, and a field that is read says what stands there.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace ponder {

// The one key of the object that stands for a value which cannot be read; its value says why. No
// reader of text, numbers or lists takes it for one.
inline constexpr const char* kUnreadable = "unreadable";
Json unreadable_value(const std::string& why);

// `text` with such values in a form that JSON has: a number beyond 64 bits becomes the text of its
// digits, the others an object of kUnreadable. "" where there are none. Half of a pair in a key stays.
std::string mended_json(std::string_view text);

}  // namespace ponder
