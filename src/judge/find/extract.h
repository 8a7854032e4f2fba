// Finds the final answer in a whole response: in the solution part the last box, unless an answer
// phrase or a correction follows it; without a box an explicit mark ("####", <answer>), an answer
// phrase, a conclusion, a result at the very end. Linear in the response.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "judge/options.h"

namespace ponder::judge {

struct Extraction {
  std::string answer;
  std::string_view how;  // "last box", "answer phrase", ... for the proof
};

// The problem of a response that may state an answer in words which nothing marks.
inline constexpr std::string_view kNothingMarked = "no final answer found";

// Nothing when there is no answer; `problem` then says why.
std::optional<Extraction> extract(std::string_view response, const JudgeOptions& options,
                                  std::string& problem);

// The joined contents of the last boxes of `text`, or nothing. For answers that are handed over
// boxed.
std::optional<std::string> boxed_answer(std::string_view text);

}  // namespace ponder::judge
