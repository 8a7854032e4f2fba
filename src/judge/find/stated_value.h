// The value that one sentence states, and what kind of sentence it is.
#pragma once

#include <optional>
#include <string>

#include "judge/find/sentence.h"
#include "judge/find/value_run.h"

namespace ponder::judge {

// "Therefore, …", "The answer is …": one of its first words draws a conclusion.
bool is_conclusion(const Sentence& sentence);

// "This is correct.", "Let me verify …"
bool speaks_of_checking(const Sentence& sentence);

// The value run that ends a sentence right after its verb, at most two words (a unit) behind it:
// "…, the number of ways is indeed \(6\)." Where it begins, or t.size().
size_t final_statement(const Pieces& t);

// The value that the sentence states and stands by.
std::optional<std::string> stated_in(const Sentence& sentence);

// "There are exactly eight of them.", "Eight ways.": a count in words, after the verb or first.
std::optional<std::string> spoken_count(const Sentence& sentence);

// "No, the group is not abelian.": a sentence that begins with the answer to a question.
std::optional<std::string> yes_or_no(const Sentence& sentence);

}  // namespace ponder::judge
