// A text as the words that filters count and compare. Internal to this folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ponder::clean {

// The writing a letter belongs to; kNone for digits, signs, punctuation and space.
enum class Script {
  kNone,
  kLatin,
  kGreek,
  kCyrillic,
  kHan,
  kKana,
  kHangul,
  kArabic,
  kHebrew,
  kIndic,
  kThai,
  kOther
};
constexpr size_t kScripts = static_cast<size_t>(Script::kOther) + 1;
std::string_view to_string(Script script);  // "Latin"

// The code point at `at`, which moves behind it; a byte that begins none is U+FFFD.
char32_t next_code_point(std::string_view text, size_t& at);
Script script_of(char32_t letter);

// Words: runs of letters of one writing with the marks and apostrophes between them, in ASCII lower
// case; each Han or Kana character; numbers with their decimals, without the commas of thousands; each
// of the signs + - * / = < > ^ ! % | . Everything else (punctuation, brackets, $, \) parts words.
class Words {
 public:
  explicit Words(std::string_view text);
  size_t size() const { return hashes_.size(); }
  std::string_view operator[](size_t i) const {
    return std::string_view(text_).substr(begins_[i], ends_[i] - begins_[i]);
  }
  uint64_t hash(size_t i) const { return hashes_[i]; }
  // Words first … first + count, one space between.
  std::string phrase(size_t first, size_t count) const;
  // Whether they are a word each or parts of numbers, in their order.
  bool is_number(size_t i) const { return text_[begins_[i]] >= '0' && text_[begins_[i]] <= '9'; }

 private:
  void add(size_t begin);

  std::string text_;  // the words, one after the other
  std::vector<uint32_t> begins_, ends_;
  std::vector<uint64_t> hashes_;
};

// Spreads the bits of a number.
constexpr uint64_t mixed(uint64_t x) {
  x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCDULL;
  x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53ULL;
  return x ^ (x >> 33);
}

// A hash of `count` words in their order.
uint64_t gram_hash(const Words& words, size_t first, size_t count);

}  // namespace ponder::clean
