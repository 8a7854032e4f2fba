// Values that belong together in a sentence, and the words that may stand between a verb and them.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "judge/find/sentence.h"

namespace ponder::judge {

using Pieces = std::vector<Piece>;

inline constexpr size_t kMostDifferent = 8;  // a text that states more answers states none

template <size_t N>
bool any_word(const Piece& token, const std::array<std::string_view, N>& words) {
  return token.kind == Piece::Kind::kWord &&
         std::any_of(words.begin(), words.end(),
                     [&](std::string_view w) { return token.is_word(w); });
}

bool is_copula(const Piece& token);  // is, equals, gives, ":", "="
bool is_filler(const Piece& token);  // indeed, about, the, of, total
inline bool is_value(const Piece& token) { return token.kind == Piece::Kind::kValue; }

// Where the values that begin at `i` and belong together end: "2, 3 and 5", "5 or perhaps 7".
size_t end_of_run(const Pieces& t, size_t i);

// The values of a run as one answer; nothing for too many.
std::optional<std::string> run_text(const Pieces& t, size_t begin, size_t end);

// The value that follows token `i` with nothing but fillers in between; t.size() where none does.
size_t value_after(const Pieces& t, size_t i);

// Those of the last part of a text, in which prose is read.
std::vector<Sentence> last_sentences(std::string_view text);
// A question or a supposition: "You ask whether the answer is 7."
bool asks(const Sentence& sentence);

}  // namespace ponder::judge
