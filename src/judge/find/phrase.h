// Answers that a text announces: "The answer is 5", "Answer: x^2 + 1", "#### [12 or 13]".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "judge/find/sentence.h"

namespace ponder::judge {

// The value or the few words with which `text` begins, as they follow "the answer is".
std::optional<std::string> leading_answer(std::string_view text, bool words_allowed);

struct PhraseAnswer {
  std::string answer;
  bool is_value = false;  // else words
  bool plain = false;     // of this text itself, and not of another case or somebody else's
  bool further = false;   // offered beside the one before
};
// What one sentence of `text` states with an answer phrase.
std::optional<PhraseAnswer> in_phrase(const Sentence& sentence, std::string_view text);

// What the last sentence with an answer phrase ("the final answer is", "Answer:") states. Nothing
// where the phrases commit themselves to more than eight different values, or offer one beside
// another; `several` then says so. With `plainly` alone what the text plainly announces counts.
std::optional<PhraseAnswer> phrase_answer(std::string_view text, bool* several = nullptr,
                                          bool plainly = false);

}  // namespace ponder::judge
