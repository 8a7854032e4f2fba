// Gold answers as they stand in problem files: finding and checking them. Internal to this folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "data/row_fields.h"
#include "judge/judge.h"

namespace ponder::data {

// The content of the last \boxed{…} or \fbox{…} (also `\boxed 2`), "" when there is none.
std::string last_boxed(std::string_view text);

// Whether `gold` can be read as an answer of this type: a number (decimal, grouped, fraction,
// percent, powers of ten), a letter, LaTeX whose braces balance, any text.
bool gold_is_readable(std::string_view gold, judge::AnswerType type);

// What sets write where there is no answer: "proof", "notfound", "n/a", "null", …
bool stands_for_no_gold(std::string_view gold);

// The gold answer of a row under any of its names (answer, final_answer, expected_answer, gold,
// gold_answer, ground_truth, reward_model.ground_truth, target, reference_answer,
// gold_standard_solution); a list of one is its element, also as JSON text. "" where there is none.
// Rejection "bad_field" for anything but text and numbers.
std::string gold_of(const RowFields& row);
// Whether the row has a field of one of these names.
bool has_gold(const RowFields& row);

// The answer type a set names in its own words ("Integer", "exactMatch", "Multiple Choice"), as far
// as this gold can be read as it; nullopt for a word nobody knows.
std::optional<judge::AnswerType> answer_type_named(std::string_view name, std::string_view gold);

}  // namespace ponder::data
