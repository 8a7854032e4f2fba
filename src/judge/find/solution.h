// Which part of a response may hold its answer: what follows the thought.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ponder::judge {

// The solution between its tags, what follows the last closed thought, or the text itself where
// there are no tags; up to the end of the assistant's turn. Empty when a thought was opened and
// never closed. Tags: <|begin_of_thought|>, <think>, <thinking>, <thought>, <reasoning> (any case),
// "# Thinking" before "# Solution"; <|begin_of_solution|>, <output>, <answer>. One pass.
std::string_view solution_part(std::string_view response);

// `text` without HTML comments and without boxes' lines that are LaTeX or code comments; nothing
// where it has none.
std::optional<std::string> without_comments(std::string_view text);

}  // namespace ponder::judge
