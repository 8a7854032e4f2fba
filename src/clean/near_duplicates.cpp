#include "clean/near_duplicates.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ponder::clean {
namespace {

// Hash functions a x + b of hashes that are spread already, the upper half of the bits: fixed for ever,
// as what is taken for a duplicate depends on them.
struct HashFunctions {
  std::array<uint64_t, kMinHashes> a, b;
  HashFunctions() {
    for (size_t i = 0; i < kMinHashes; ++i) {
      a[i] = mixed(2 * i + 1) | 1;
      b[i] = mixed(2 * i + 2);
    }
  }
};

const HashFunctions& hash_functions() {
  static const HashFunctions functions;
  return functions;
}

// The widest bands that miss fewer than one pair of that similarity in 200.
size_t widest_band(double jaccard) {
  for (const size_t rows : {size_t{16}, size_t{8}, size_t{4}, size_t{2}}) {
    const size_t bands = kMinHashes / rows;
    const double missed =
        std::pow(1 - std::pow(jaccard, static_cast<double>(rows)), static_cast<double>(bands));
    if (missed < 0.005) return rows;
  }
  return 1;
}

}  // namespace

Signature signature_of(const Words& words) {
  Signature signature;
  signature.fill(std::numeric_limits<uint32_t>::max());
  if (words.size() == 0) return signature;
  const size_t length = std::min(kShingle, words.size());
  const HashFunctions& functions = hash_functions();
  for (size_t first = 0; first + length <= words.size(); ++first) {
    const uint64_t x = gram_hash(words, first, length);
    for (size_t i = 0; i < kMinHashes; ++i) {
      const auto value = static_cast<uint32_t>((functions.a[i] * x + functions.b[i]) >> 32);
      signature[i] = std::min(signature[i], value);
    }
  }
  return signature;
}

double similarity(const Signature& a, const Signature& b) {
  size_t equal = 0;
  for (size_t i = 0; i < kMinHashes; ++i) equal += a[i] == b[i];
  return static_cast<double>(equal) / kMinHashes;
}

NearDuplicates::NearDuplicates(double jaccard)
    : jaccard_(jaccard), band_rows_(widest_band(jaccard)) {}

uint64_t NearDuplicates::band(const Signature& signature, size_t index) const {
  uint64_t hash = index;
  for (size_t i = 0; i < band_rows_; ++i) hash = mixed(hash + signature[index * band_rows_ + i]);
  return hash;
}

std::optional<NearDuplicates::Match> NearDuplicates::see(const Words& words,
                                                         const std::string& file, uint64_t line,
                                                         uint64_t key) {
  Text text{signature_of(words), key, 0, line};
  const size_t bands = kMinHashes / band_rows_;
  std::vector<uint32_t> candidates;
  for (size_t i = 0; i < bands; ++i) {
    const auto found = texts_of_band_.find(band(text.signature, i));
    if (found != texts_of_band_.end())
      candidates.insert(candidates.end(), found->second.begin(), found->second.end());
  }
  std::sort(candidates.begin(), candidates.end());
  candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  const Text* best = nullptr;
  double most = 0;
  for (const uint32_t index : candidates) {
    const Text& other = texts_[index];
    const double shared = similarity(text.signature, other.signature);
    const bool different = key != 0 && other.key != 0 && key != other.key;
    if (different || shared < jaccard_ || shared <= most) continue;
    best = &other;
    most = shared;
  }
  if (best) return Match{files_[best->file], best->line, most};
  if (files_.empty() || files_.back() != file) files_.push_back(file);
  text.file = static_cast<uint32_t>(files_.size() - 1);
  for (size_t i = 0; i < bands; ++i)
    texts_of_band_[band(text.signature, i)].push_back(static_cast<uint32_t>(texts_.size()));
  texts_.push_back(text);
  return std::nullopt;
}

}  // namespace ponder::clean
