// \boxed{...}, \fbox{...} and \framebox{...}: where they are and what they hold.
#pragma once

#include <string_view>
#include <vector>

#include "judge/find/standing.h"

namespace ponder::judge {

struct Box {
  size_t begin = 0, end = 0;  // of the whole command
  std::string_view content;
  bool repaired = false;  // its brace never closes, but the formula around it does
};

struct Boxes {
  std::vector<Box> all;
  bool unclosed = false;  // the text breaks off inside a box, after the last of `all`
};

// All balanced outermost boxes in order, in one pass; `\boxed 2` and `\boxed\frac12` count.
Boxes find_boxes(std::string_view text);

// The run of last boxes that the text joins into one answer ("\boxed{1} and \boxed{2}"): index of
// its first.
size_t first_of_last_run(std::string_view text, const std::vector<Box>& boxes);

// Does the text stand by the run of boxes from `first` to `last`? Not in "is not \boxed{5}", "at most
// \boxed{5} is the answer", "\boxed{5} is wrong".
Standing box_standing(std::string_view text, const Box& first, const Box& last);

}  // namespace ponder::judge
