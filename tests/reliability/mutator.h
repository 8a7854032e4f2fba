// Seeded damage to what a program reads: bytes, JSON, rows of JSON, TOML, words of a command line.
// The same seed damages in the same way everywhere.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace ponder::reliability {

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  uint64_t below(uint64_t n) { return random_() % n; }  // n > 0
  bool one_in(uint64_t n) { return below(n) == 0; }
  template <class List>
  const auto& one_of(const List& list) {
    return list[below(std::size(list))];
  }

  // One to four times: bits flipped, bytes cut out, doubled, put in or overwritten with an extreme
  // integer, the end cut off.
  std::string bytes(std::string text);
  // One to three members or elements of a value, anywhere in it: taken out, exchanged for a value of
  // another type or an extreme one, doubled, renamed, wrapped.
  Json json(Json value);
  // The same to a text that is JSON; now and then what no JSON value can be: a key twice, a broken
  // byte, NaN, a depth of thousands, anything of bytes().
  std::string json_text(std::string_view text);
  // Rows of JSON: some damaged as by json_text, some doubled, lost, joined or cut; line ends too.
  std::string rows(std::string_view text);
  // Lines of a recipe: values exchanged for extreme ones, lines lost, doubled, moved, keys renamed.
  std::string toml(std::string_view text);

  std::string number();  // as text: extreme, not finite, in odd notation, or none at all
  // The same but for large numbers that may be meant: of rows to make, of steps to take.
  std::string amount();
  std::string word();  // empty, long, with quotes, escapes, control bytes, paths, broken UTF-8

 private:
  Json odd_value();
  void damage(Json& value);

  std::mt19937_64 random_;
};

}  // namespace ponder::reliability
