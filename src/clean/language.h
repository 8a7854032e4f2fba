// Which languages a text is written in, as far as its letters and commonest words tell. Internal to this
// folder.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "clean/words.h"

namespace ponder::clean {

// Letters of each script.
std::array<size_t, kScripts> letters_of(std::string_view text);

// "English", "German", "French", "Spanish", "Italian", "Portuguese" or "Dutch" where their commonest
// words say so, "Chinese", "Japanese", "Korean", "Russian" (or another in Cyrillic), "Arabic", "Hebrew",
// "Thai" where a fifth of the letters does; "" where neither does.
std::string language_of(std::string_view text);

// What of a response is in another language or script than the question it answers.
struct Foreign {
  double share = 0;     // of its letters (script) or of its words (language)
  std::string writing;  // "Han", "German"
  std::string
      asked;  // the language of the question or, where nobody can tell, of the response's most
};

// Scripts: letters of a script that the question has none of, Latin and Greek aside, which formulas
// and names have everywhere. Languages: of stretches of 60 words, those whose language can be told and is
// not the question's (or, of a question too short to tell, not the most frequent one). The larger
// share of both.
Foreign foreign_part(std::string_view question, std::string_view response);

}  // namespace ponder::clean
