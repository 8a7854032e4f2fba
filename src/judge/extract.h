// Finds the final answer in a whole response: in the solution part the last box, or a final-answer
// phrase after it; without a box a phrase, a bold or written-out result at the very end. Linear in
// the response.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "judge/judge.h"

namespace ponder::judge {

struct Extraction {
  std::string answer;
  std::string_view how;  // "box", "several boxes", "final-answer phrase", ... for the proof
};

// What follows the thought: the solution between its tags, or the text itself where there are none.
// Empty when a thought was opened and never closed.
std::string_view solution_part(std::string_view response);

// Nothing when there is no answer; `problem` then says why.
std::optional<Extraction> extract(std::string_view response, AnswerType type, std::string& problem);

// The joined contents of the last boxes of `text`, or nothing. For answers that are handed over
// boxed.
std::optional<std::string> boxed_answer(std::string_view text);

}  // namespace ponder::judge
