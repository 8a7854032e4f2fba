// The answer that prose states: "the answer is 7", "so there are 7 ways", "Therefore, \[x = 3\]".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ponder::judge {

// What a correction after the answer states: "Wait, it should be 8."
std::optional<std::string> corrected_answer(std::string_view text);

// The answer stated at the end of `text`: a result on a line of its own, an answer phrase, a
// conclusion, or the last sentence that is no remark. `how` names which.
std::optional<std::string> stated_answer(std::string_view text, std::string_view& how);

// The value on the first line of a text that goes on to explain it: "**8**" above "We add 3 and 5."
std::optional<std::string> answer_first(std::string_view text);

}  // namespace ponder::judge
