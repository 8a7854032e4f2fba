// What the words of an answer say, without reading them as mathematics.
#pragma once

#include <string_view>

#include "judge/equal/comparison.h"

namespace ponder::judge {

// Prose in which neither a figure nor a word for one stands: equal to no number, list or interval.
bool is_prose_without_value(std::string_view text);

// Letters and no figures: what a sentence may state without any mark.
bool is_words(std::string_view text);

// Overlaid strokes (7̸) and signs that turn the writing direction: what is seen is not what is
// read.
bool is_masked(std::string_view text);

// Two answers in words, lower case: articles and a few spellings aside; not to be decided where one
// holds the other and more ("odd function" for "odd").
Comparison compare_words(std::string_view gold, std::string_view words);

}  // namespace ponder::judge
