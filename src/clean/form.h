// Whether a response is whole and written as it should be. Internal to this folder.
#pragma once

#include <string>
#include <string_view>

namespace ponder::clean {

// What is broken in the text of a thought or a solution, "" where nothing is:
//   a tag of thoughts, of chat templates or of answers left in it ("<think>", "<|im_end|>", "[/INST]")
//   a fence of code, \[ or \begin{…} without its end, or an end without its begin
//   a \boxed{ that is not closed
//   line breaks as the two characters \n, where there is none of the real ones
//   HTML outside of code: entities (&lt; &amp; &#39;) at least three times, or <br>, <p>, <div>, <span>
std::string broken_form(std::string_view text);

// Why the text seems to be cut off, "" where it does not: it ends with a comma, an opening bracket, an
// operator, a backslash, or with a word that wants another one ("the", "of", "and", …).
std::string cut_off(std::string_view text);

}  // namespace ponder::clean
