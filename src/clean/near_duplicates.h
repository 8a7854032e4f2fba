// Texts that nearly repeat an earlier one: MinHash (Broder, 1997) over word 5-grams. Of each text that
// is kept 256 numbers stay, about 3 kB, so a file of any size is read once. The Jaccard similarity of two
// texts is estimated as the share of equal numbers (standard error 0.025 at 0.8); bands of these numbers
// say which texts are looked at, so that one pair of 0.8 in 300 is missed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "clean/words.h"

namespace ponder::clean {

constexpr size_t kShingle = 5;  // words
constexpr size_t kMinHashes = 256;
using Signature = std::array<uint32_t, kMinHashes>;

// Of a text of fewer than five words: of all of them as one. All ones for no word.
Signature signature_of(const Words& words);
double similarity(const Signature& a, const Signature& b);  // estimated Jaccard

class NearDuplicates {
 public:
  // Texts of at least this similarity are near duplicates; above 0, at most 1.
  explicit NearDuplicates(double jaccard);

  struct Match {
    std::string file;  // where the earlier text stands
    uint64_t line = 0;
    double similarity = 0;
  };
  // The most similar earlier text, if it is similar enough; otherwise the text becomes one of these.
  // Two texts with different keys are different, however similar; 0 is no key.
  std::optional<Match> see(const Words& words, const std::string& file, uint64_t line,
                           uint64_t key = 0);

 private:
  struct Text {
    Signature signature;
    uint64_t key;
    uint32_t file;
    uint64_t line;
  };
  uint64_t band(const Signature& signature, size_t index) const;

  double jaccard_;
  size_t band_rows_;
  std::vector<Text> texts_;
  std::vector<std::string> files_;
  std::unordered_map<uint64_t, std::vector<uint32_t>> texts_of_band_;
};

}  // namespace ponder::clean
