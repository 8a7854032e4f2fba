// Gold answers as they stand in problem files: finding and checking them. Internal to this folder.
#pragma once

#include <string>
#include <string_view>

#include "judge/judge.h"

namespace ponder::data {

// The content of the last \boxed{…} or \fbox{…} (also `\boxed 2`), "" when there is none.
std::string last_boxed(std::string_view text);

// Whether `gold` can be read as an answer of this type: a number (decimal, grouped, fraction,
// percent, powers of ten), a letter, LaTeX whose braces balance, any text.
bool gold_is_readable(std::string_view gold, judge::AnswerType type);

}  // namespace ponder::data
