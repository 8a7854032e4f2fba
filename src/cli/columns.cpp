#include "cli/columns.h"

#include <algorithm>

#include "base/text.h"

namespace ponder::cli {
namespace {

struct ColumnLine {
  std::string text;
  bool dim = false;
};

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

size_t num_characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

// The bytes of the first `count` characters.
size_t bytes_of(std::string_view text, size_t count) {
  size_t seen = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (begins_character(text[i]) && seen++ == count) return i;
  }
  return text.size();
}

// Where a line of at most `width` characters ends: behind its last word that fits, or in a word that is
// longer than a line.
size_t line_end(std::string_view text, size_t width) {
  const size_t most = bytes_of(text, width);
  if (most == text.size()) return most;
  const size_t space = text.substr(0, most + 1).rfind(' ');
  return space == std::string_view::npos || space == 0 ? most : space;
}

std::vector<ColumnLine> wrapped(const AnswerPieces& pieces, size_t width) {
  std::vector<ColumnLine> lines;
  std::string open;  // pieces of one part follow each other within a line
  const auto close = [&](bool dim) {
    std::string_view rest = open;
    do {
      const std::string_view line = rest.substr(0, std::min(rest.size(), rest.find('\n')));
      std::string_view part = line;
      do {
        const size_t end = line_end(part, width);
        lines.push_back({std::string(part.substr(0, end)), dim});
        part.remove_prefix(end);
        if (part.starts_with(' ')) part.remove_prefix(1);
      } while (!part.empty());
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    } while (!rest.empty());
    open.clear();
  };
  for (size_t i = 0; i < pieces.size(); ++i) {
    open += escaped(pieces[i].text, Lines::kKeep);
    if (i + 1 < pieces.size() && pieces[i + 1].is_thought == pieces[i].is_thought) continue;
    std::replace(open.begin(), open.end(), '\t', ' ');
    close(pieces[i].is_thought);
    if (i + 1 < pieces.size()) lines.push_back({});
  }
  return lines;
}

std::string shown_line(const ColumnLine& line, bool colours) {
  return colours && line.dim && !line.text.empty() ? "\x1b[2m" + line.text + "\x1b[0m" : line.text;
}

}  // namespace

std::vector<std::string> side_by_side(const AnswerPieces& left, const AnswerPieces& right,
                                      size_t width, bool colours) {
  const size_t column = std::max<size_t>(8, (width > 3 ? width - 3 : 0) / 2);
  const std::vector<ColumnLine> a = wrapped(left, column), b = wrapped(right, column);
  std::vector<std::string> lines;
  for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const ColumnLine none, &l = i < a.size() ? a[i] : none, &r = i < b.size() ? b[i] : none;
    std::string line = shown_line(l, colours) + std::string(column - num_characters(l.text), ' ') +
                       " │ " + shown_line(r, colours);
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace ponder::cli
