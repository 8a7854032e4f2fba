// Does a text stand by a value that it names? Denied, bounded, changed, supposed and rejected
// values, and those that others are said to give, are no answers.
#pragma once

#include "judge/find/sentence.h"
#include "judge/find/value_run.h"

namespace ponder::judge {

enum class Standing {
  kStated,
  kNegative,  // "negative 7": the value with the other sign
  kSpoilt,    // "not 7", "at most 7", "7 squared", "7 is wrong"
};

// Of the value run [begin, end) in its own sentence.
Standing standing_of(const Pieces& t, size_t begin, size_t end);

// "Had we counted zero, …", "Some would say …", "It is false that …", "A common mistake is …".
bool is_supposed(const Sentence& sentence);

// "This is wrong.", "But that is impossible.": takes back what was said before.
bool takes_back(const Sentence& sentence);

// "So the final answer is …": nothing before the word "answer" at `word` makes it the answer to
// something else ("with n = 3 the answer …") or somebody else's ("some books say the answer …").
bool is_plainly_announced(const Pieces& t, size_t word);

// "Another answer is …", "Or the answer is …": offered beside the one before.
bool is_further_offer(const Pieces& t, size_t word);

// The values of the sentence that it throws away ("we discard x = -3"), as indices.
std::vector<size_t> rejected_values(const Pieces& t);

// Without bracketed remarks behind a value: "n = 8 (n = 7 is too small)".
Pieces without_asides(const Pieces& t);

}  // namespace ponder::judge
