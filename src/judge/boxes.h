// \boxed{...} and \fbox{...}: where they are and what they hold.
#pragma once

#include <string_view>
#include <vector>

namespace ponder::judge {

struct Box {
  size_t begin = 0, end = 0;  // of the whole command
  std::string_view content;
};

// All balanced outermost boxes in order, in one pass; `\boxed 2` counts, an unclosed one does not.
// `unclosed` tells whether the text breaks off inside a box.
std::vector<Box> find_boxes(std::string_view text, bool& unclosed);

// The run of last boxes that the text joins into one answer ("\boxed{1} and \boxed{2}"): index of
// its first.
size_t first_of_last_run(std::string_view text, const std::vector<Box>& boxes);

}  // namespace ponder::judge
