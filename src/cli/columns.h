// Two texts side by side on a terminal.
#pragma once

#include <string>
#include <vector>

#include "tokenizer/thought_stream.h"

namespace ponder::cli {

using AnswerPieces = std::vector<tokenizer::ThoughtStream::Piece>;

// The lines of a table of two columns, `width` characters in all: words are wrapped, thoughts dimmed
// where `colours`, an empty line stands between thought and solution. A character counts one column.
std::vector<std::string> side_by_side(const AnswerPieces& left, const AnswerPieces& right,
                                      size_t width, bool colours);

}  // namespace ponder::cli
