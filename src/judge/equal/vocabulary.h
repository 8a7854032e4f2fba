// Answers that are words of mathematics: yes and no, no solution, all real numbers. Judged as words,
// never as products of letters.
#pragma once

#include <optional>
#include <string_view>

namespace ponder::judge {

enum class Saying { kYes, kNo, kTrue, kFalse, kNoSolution, kUndefined, kAllReals, kInfinitelyMany };

// What `text` says, in words of some languages or in symbols ("no solution", \\emptyset); nothing
// where it says something else. "Yes, it converges" says yes.
std::optional<Saying> saying_of(std::string_view text);

}  // namespace ponder::judge
