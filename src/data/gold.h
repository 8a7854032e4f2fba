// Gold answers as they stand in files: finding and checking them, the same for every command.
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

// The gold answer of a row under any of its names (gold, answer, final_answer, expected_answer,
// gold_answer, ground_truth, reward_model.ground_truth, target, reference_answer,
// gold_standard_solution). A list (also as JSON text) is its element, its first where all are equal,
// or all of them, by commas, where is_multiple_answer is true. "" where there is none. Rejection
// "bad_field" for anything but text and numbers, and for different answers of which any may be meant.
std::string gold_of(const RowFields& row);
// Whether the row has a field of one of these names.
bool has_gold(const RowFields& row);
// gold_of; where the row has no such field the last box of `solution`, or a solution that is nothing
// but an answer.
std::string gold_or_solution(const RowFields& row, Changes& changes);

// OlympiadBench's `error`, how far a number may be off, as a share of `gold`. Nothing where the row
// has none; Rejection "bad_tolerance" where a share cannot say it.
std::optional<double> tolerance_of_error(const RowFields& row, const std::string& gold);

// The answer type a set names in its own words ("Integer", "exactMatch", "Multiple Choice"), as far
// as this gold can be read as it; nullopt for a word nobody knows.
std::optional<judge::AnswerType> answer_type_named(std::string_view name, std::string_view gold);

}  // namespace ponder::data
