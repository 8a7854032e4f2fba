// \boxed{...} and \fbox{...}: where they are and what they hold.
#pragma once

#include <string_view>
#include <vector>

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

// "is not \boxed{5}".
bool is_denied(std::string_view text, const Box& box);

}  // namespace ponder::judge
