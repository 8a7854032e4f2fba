// A response parted into thought and solution as it comes, for somebody who watches: tags are left
// out, and so is the white space around the parts. Of a well-formed response, and of one that is
// cut in its thought or solution or has no tags at all, the pieces joined are parse_thought's
// parts. Of any other nothing is lost either: what stands outside of the parts is shown as
// solution.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ponder::tokenizer {

class ThoughtStream {
 public:
  struct Piece {
    bool is_thought = false;
    std::string text;  // never empty
  };

  // What is certain after this much text; the beginning of a tag and white space are held back.
  std::vector<Piece> push(std::string_view text);
  // What was held back. The stream is then as new.
  std::vector<Piece> finish();

 private:
  void show(std::string_view text, std::vector<Piece>& pieces);
  void take_tag(size_t role);

  std::string held_;         // the beginning of a tag, perhaps
  std::string space_;        // white space that counts once more text follows
  int family_ = -1;          // whose tags count; -1: no tag so far
  bool in_thought_ = false;  // the part at hand
  bool begun_ = false;       // it has text
  bool solution_ = false;    // some solution was shown
};

}  // namespace ponder::tokenizer
