// A teacher's response, as it stands in a file, as thought and solution. Internal to this folder.
#pragma once

#include <string>
#include <string_view>

#include "data/row_fields.h"
#include "data/rows.h"
#include "tokenizer/thought_format.h"

namespace ponder::data {

// Where the row has a thought apart from the response.
struct ApartThought {
  std::string text = {};  // "" for none
  // Of the row rather than of the turn, in a field that elsewhere holds other things: it counts only
  // where the response has no tags.
  bool doubtful = false;
};
// reasoning_content, reasoning or thinking of a turn or a row. A switch ("on", "high") is no thought.
ApartThought apart_thought(const RowFields& fields, bool of_row);

// Fills in thought, solution and the text as written. Cut, and counted in `changes`: an end token of
// any model at the end, `<answer>` tags around the solution; a thought that stands both apart and in
// tags is taken once. Throws Rejection for an empty response and for what parse_teacher_response
// finds, but for an empty thought, which is none.
void take_response(std::string_view response, const ApartThought& apart,
                   const tokenizer::ThoughtTags& tags, Demonstration& demonstration,
                   Changes& changes);

// Likewise of a thought and a solution that the row has in two fields.
void take_parts(std::string_view thought, std::string_view solution, Demonstration& demonstration,
                Changes& changes);

// The text without the end tokens behind it.
std::string without_end_tokens(std::string_view text, Changes& changes);

}  // namespace ponder::data
