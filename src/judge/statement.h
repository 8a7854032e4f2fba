// The answer that prose states: "the answer is 7", "so there are 7 ways", "Therefore, \[x = 3\]".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ponder::judge {

// The value or the few words with which `text` begins, as they follow "the answer is".
std::optional<std::string> leading_answer(std::string_view text, bool words_allowed);

struct PhraseAnswer {
  std::string answer;
  bool is_value = false;  // else words
};
// What the last sentence with an answer phrase ("the final answer is", "Answer:") states. Nothing
// where the phrases commit themselves to more than eight different values; `several` then says so.
std::optional<PhraseAnswer> phrase_answer(std::string_view text, bool* several = nullptr);

// What a correction after the answer states: "Wait, it should be 8."
std::optional<std::string> corrected_answer(std::string_view text);

// The answer stated at the end of `text`: a result on a line of its own, an answer phrase, a
// conclusion, or the last sentence that is no remark. `how` names which.
std::optional<std::string> stated_answer(std::string_view text, std::string_view& how);

}  // namespace ponder::judge
