// Answers and responses made to take for ever, to fill the memory or to deepen a stack, for tests
// and for the bench. The same ones every time.
#pragma once

#include <string>
#include <vector>

namespace ponder::judge::testing {

struct Bomb {
  std::string family;
  std::string text;    // an answer that is not 13
  std::string second;  // another as heavy one that is not equal to it, or empty
};

std::vector<Bomb> answer_bombs();           // more than 500
std::vector<std::string> response_bombs();  // megabytes without an answer that is 13
std::vector<std::string>
stuffed_responses();  // 200 that try to be right whatever gold is; gold: 13

}  // namespace ponder::judge::testing
