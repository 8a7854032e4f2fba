#include "judge/read/conditions.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;
constexpr size_t kLongestTail = 160;  // bytes at the end in which the condition is looked for
constexpr size_t kMostLetters = 4;

// A word, a command or one character; what only dresses is `plain`.
struct TailPiece {
  string_view text;
  size_t begin = 0;
  bool dress = false;
  bool opens = false;  // a dress that may be cut with the condition behind it

  bool is(string_view other) const { return text == other; }
};

template <size_t N>
bool is_one_of(string_view text, const std::array<string_view, N>& words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

// Where a character of several bytes ends.
size_t end_of_character(string_view text, size_t i) {
  ++i;
  while (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) ++i;
  return i;
}

std::vector<TailPiece> pieces_of(string_view text, size_t from) {
  static constexpr std::array<string_view, 12> kDresses = {
      "\\text", "\\mathrm", "\\mathbb", "\\mathbf", "\\mbox", "\\textbf",
      "\\quad", "\\qquad",  "\\rm",     "\\bf",     "\\left", "\\right"};
  std::vector<TailPiece> pieces;
  for (size_t i = from; i < text.size();) {
    size_t end = end_of_character(text, i);
    if (text[i] == '\\' && end < text.size()) {
      if (is_letter(text[end])) {
        while (end < text.size() && is_letter(text[end])) ++end;
      } else {
        ++end;
      }
    } else if (is_letter(text[i])) {
      while (end < text.size() && is_letter(text[end])) ++end;
    }
    TailPiece piece{text.substr(i, end - i), i};
    const char last = piece.text.back();
    const bool control = piece.text.size() == 2 && piece.text[0] == '\\';
    if (control ? string_view(",;!: ()[]").find(last) != string_view::npos
                : piece.text.size() == 1 &&
                      string_view(" \t\n\r$~{}().").find(last) != string_view::npos) {
      piece.dress = true;
    } else {
      piece.dress = is_one_of(piece.text, kDresses);
    }
    piece.opens = piece.dress && last != '}' && last != ')';
    pieces.push_back(piece);
    i = end;
  }
  return pieces;
}

// Reads the pieces from the last one to the first.
class Backwards {
 public:
  explicit Backwards(std::span<const TailPiece> pieces) : pieces_(pieces), left_(pieces.size()) {
    skip_dress();
  }
  const TailPiece* peek() const { return left_ > 0 ? &pieces_[left_ - 1] : nullptr; }
  void take() {
    first_ = left_ - 1;
    --left_;
    skip_dress();
  }
  bool take(string_view text) {
    if (!peek() || !peek()->is(text)) return false;
    take();
    return true;
  }
  template <size_t N>
  bool take_any(const std::array<string_view, N>& words) {
    if (!peek() || !is_one_of(peek()->text, words)) return false;
    take();
    return true;
  }
  // Where the pieces taken so far begin, with what opens directly before them.
  size_t begin() const {
    size_t first = first_;
    while (first > 0 && pieces_[first - 1].opens) --first;
    return pieces_[first].begin;
  }

 private:
  void skip_dress() {
    while (left_ > 0 && pieces_[left_ - 1].dress) --left_;
  }

  std::span<const TailPiece> pieces_;
  size_t left_;
  size_t first_ = 0;
};

constexpr std::array<string_view, 10> kJoining = {",",    ";", "where", "for", "with",
                                                  "here", "|", "\\mid", ":",   "and"};
constexpr std::array<string_view, 10> kAny = {"any", "all", "every",     "some",     "each",
                                              "an",  "the", "arbitrary", "\\forall", "∀"};
constexpr std::array<string_view, 2> kIntegers = {"integer", "integers"};

bool is_letter_piece(const TailPiece* piece) {
  return piece && piece->text.size() == 1 && is_letter(piece->text[0]);
}

// "n", "k, n", "k and n", from the end. In "2n, n" and "x = n, n" the first n is the answer's.
bool take_letters(Backwards& tail, std::vector<string_view>& letters) {
  for (;;) {
    if (!is_letter_piece(tail.peek())) return !letters.empty();
    letters.push_back(tail.peek()->text);
    tail.take();
    Backwards next = tail;
    if (letters.size() == kMostLetters || !(next.take(",") || next.take("and")) ||
        !is_letter_piece(next.peek()) ||
        std::find(letters.begin(), letters.end(), next.peek()->text) != letters.end())
      return true;
    Backwards before = next;
    before.take();
    const TailPiece* piece = before.peek();
    if (!piece || !(is_one_of(piece->text, kJoining) || is_one_of(piece->text, kAny) ||
                    is_one_of(piece->text, kIntegers)))
      return true;
    tail = next;
  }
}

bool take_condition(Backwards& tail, std::vector<string_view>& letters) {
  static constexpr std::array<string_view, 2> kIn = {"\\in", "∈"};
  static constexpr std::array<string_view, 2> kWhole = {"Z", "ℤ"};
  if (tail.take_any(kWhole)) return tail.take_any(kIn) && take_letters(tail, letters);
  if (tail.take_any(kIntegers)) {  // n is an integer, n any integer
    while (tail.take_any(kAny)) {
    }
    tail.take("is") || tail.take("are") || tail.take("being") || tail.take("be");
    return take_letters(tail, letters);
  }
  if (!take_letters(tail, letters) || !tail.take_any(kIntegers)) return false;
  while (tail.take_any(kAny)) {
  }
  return true;
}

}  // namespace

std::optional<std::string> with_conditions_as_items(string_view text) {
  const size_t from = text.size() > kLongestTail ? text.size() - kLongestTail : 0;
  const string_view searched = text.substr(from);
  if (searched.find("integer") == string_view::npos && searched.find("∈") == string_view::npos) {
    size_t in = searched.find("\\in");
    while (in != string_view::npos && in + 3 < searched.size() && is_letter(searched[in + 3]))
      in = searched.find("\\in", in + 1);
    if (in == string_view::npos) return std::nullopt;
  }
  std::vector<TailPiece> pieces = pieces_of(text, from);
  string_view rest;  // the brace that closes a set around the condition
  size_t last = pieces.size();
  while (last > 0 && pieces[last - 1].dress) --last;
  if (last > 0 && pieces[last - 1].is("\\}")) {
    rest = pieces[last - 1].text;
    pieces.resize(last - 1);
  }
  Backwards tail(pieces);
  std::vector<string_view> letters;
  if (!take_condition(tail, letters)) return std::nullopt;
  bool joined = false;
  while (tail.take_any(kAny)) {
  }
  while (tail.take_any(kJoining)) joined = true;
  const size_t begin = tail.begin();
  const bool brackets = begin < text.size() && text.find('(', begin) != string_view::npos;
  if ((!joined && !brackets) || begin == 0 || trimmed(text.substr(0, begin)).empty())
    return std::nullopt;
  std::string items(text.substr(0, begin));
  for (auto letter = letters.rbegin(); letter != letters.rend(); ++letter)
    items += ", " + std::string(*letter) + " \\in Z";
  if (!rest.empty()) items += " " + std::string(rest);
  return items;
}

}  // namespace ponder::judge
