// The answer that a sentence of prose states: "so there are 7 ways", "**12**", "$x = 3$ and $x =
// 5$".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ponder::judge {

// Where the last `tag` of `text` ends, or npos.
size_t after_last(std::string_view text, std::string_view tag);

// Digits, a formula or a single letter: more than words.
bool looks_like_answer(std::string_view text);

// The answer that directly follows a phrase such as "the answer is".
std::optional<std::string> after_phrase(std::string_view text);

// The answer stated by one of the last two sentences.
std::optional<std::string> at_the_end(std::string_view text);

}  // namespace ponder::judge
