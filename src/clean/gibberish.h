// Text that is none: broken encodings, noise, words that nobody could say. Internal to this folder.
#pragma once

#include <string>
#include <string_view>

#include "clean/words.h"

namespace ponder::clean {

// What is wrong with the text, in a few words; "" where nothing is. One of
//   broken encoding   U+FFFD, control or private characters, or UTF-8 that was read as Latin-1 ("Ã©",
//                     "â€™"), at least 3 in all and 1 in 2,000 characters
//   unsayable words   of the different words of four ASCII letters and more at least 10 and a fifth
//                     without a vowel or with six consonants in a row
//   endless words     a run of more than 400 letters, or of more than 2,000 characters without a space
//                     in a text of which it is a tenth
//   no words          of a text of more than 200 characters less than a fifth letters and digits
std::string gibberish_in(std::string_view text, const Words& words);

}  // namespace ponder::clean
