// Questions with choices, in every form that benchmarks keep them apart from the question. Internal
// to this folder.
#pragma once

#include <string>
#include <vector>

#include "data/row_fields.h"

namespace ponder::data {

// Whether the row keeps choices apart: `options` or `choices`, or columns A, B, C, … .
bool has_choices(const RowFields& row);

struct Choices {
  std::vector<std::string> texts;   // of A, B, …
  std::vector<std::string> labels;  // what the row calls them, "A", "B", … or "1", "2", …
};
// An array of texts, an object with the keys "A", "B", …, an object of text[] and label[] (ARC), an
// array of objects with text and label, any of them as JSON text, or columns A to J. Throws Rejection
// "bad_options".
Choices choices_of(const RowFields& row);

// The letter of the right choice: a label, a letter, an index from 0 (a number) or a choice's own
// text, in answer_letter, answer_idx, answer_index, answerKey, answer, label, gold or target; where a
// letter and an index are both there they must agree. Throws Rejection "no_answer" or "bad_answer".
std::string choice_letter_of(const RowFields& row, const Choices& choices);

// A letter as "C", "(C)", "C." or "c".
std::string choice_letter(std::string_view gold);

}  // namespace ponder::data
