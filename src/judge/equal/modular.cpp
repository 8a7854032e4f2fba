#include "judge/equal/modular.h"

#include <cmath>
#include <cstdint>
#include <string_view>

namespace ponder::judge {
namespace {

__extension__ typedef unsigned __int128 Wide;

constexpr double kMostSize = 1e9;  // of the degree and of the bits of the coefficients
constexpr int kPointsNeeded = 2;
constexpr int kPointsTried = 6;

uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

uint64_t hash_of(std::string_view text, uint64_t seed) {
  uint64_t hash = 1469598103934665603u ^ seed;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return mix(hash);
}

uint64_t multiply(uint64_t a, uint64_t b, uint64_t prime) {
  return static_cast<uint64_t>(static_cast<Wide>(a) * b % prime);
}

uint64_t power(uint64_t base, uint64_t exponent, uint64_t prime) {
  uint64_t result = 1;
  for (; exponent; exponent >>= 1) {
    if (exponent & 1) result = multiply(result, base, prime);
    base = multiply(base, base, prime);
  }
  return result;
}

// Miller and Rabin with the first twelve primes as bases: exact below 2^64.
bool is_prime(uint64_t n) {
  for (uint64_t p : {2u, 3u, 5u, 7u, 11u, 13u, 17u, 19u, 23u, 29u, 31u, 37u}) {
    if (n % p == 0) return n == p;
  }
  const int twos = __builtin_ctzll(n - 1);
  for (uint64_t base : {2u, 3u, 5u, 7u, 11u, 13u, 17u, 19u, 23u, 29u, 31u, 37u}) {
    uint64_t x = power(base, (n - 1) >> twos, n);
    if (x == 1 || x == n - 1) continue;
    bool composite = true;
    for (int i = 1; i < twos && composite; ++i) {
      x = multiply(x, x, n);
      composite = x != n - 1;
    }
    if (composite) return false;
  }
  return true;
}

uint64_t prime_from(uint64_t hash) {
  uint64_t candidate = ((uint64_t{1} << 60) + (hash >> 4)) | 1;
  while (!is_prime(candidate)) candidate += 2;
  return candidate;
}

// Bounds of numerator and denominator written over whole numbers: degree, and the base-two
// logarithm of the sum of absolute coefficients.
struct Size {
  double degree = 0, bits = 0;
};

Size size_of(const Rational& value) {
  return {0, static_cast<double>(std::max(bits(numerator(value)), bits(denominator(value))))};
}

// The whole exponent of a power, without names.
std::optional<long> whole_exponent(View view, Budget& budget) {
  if (has_names(view)) return std::nullopt;
  const auto value = exact_value(view, budget);
  if (!value || denominator(*value) != 1 || mp::abs(numerator(*value)) > 1000000000)
    return std::nullopt;
  return static_cast<long>(numerator(*value));
}

std::optional<Size> size_of(View view, Budget& budget) {
  if (!budget.spend(1)) return std::nullopt;
  const Node& node = view.get();
  switch (node.kind) {
    case Kind::kNumber:
      return size_of(node.value);
    case Kind::kName:
      return Size{1, 0};
    case Kind::kApply:  // a name for each value of the argument
      return size_of(view.child(1), budget) ? std::optional(Size{1, 0}) : std::nullopt;
    case Kind::kAdd:
    case Kind::kMul:
    case Kind::kDiv: {
      Size total{0, node.kind == Kind::kAdd ? std::log2(static_cast<double>(view.size())) : 0};
      for (size_t i = 0; i < view.size(); ++i) {
        const auto part = size_of(view.child(i), budget);
        if (!part) return std::nullopt;
        total.degree += part->degree;
        total.bits += part->bits;
      }
      return total;
    }
    case Kind::kNeg:
    case Kind::kPlusMinus:
    case Kind::kDegree:
      return size_of(view.child(0), budget);
    case Kind::kPercent: {
      auto part = size_of(view.child(0), budget);
      if (part) part->bits += 7;
      return part;
    }
    case Kind::kPow: {
      const auto exponent = whole_exponent(view.child(1), budget);
      const auto base = size_of(view.child(0), budget);
      if (!exponent || !base) return std::nullopt;
      const double n = std::fabs(static_cast<double>(*exponent));
      return Size{base->degree * n, base->bits * n};
    }
    case Kind::kFactorial:
    case Kind::kBinomial: {
      if (has_names(view)) return std::nullopt;
      const auto value = exact_value(view, budget);
      return value ? std::optional<Size>(size_of(*value)) : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

class Residues {
 public:
  Residues(uint64_t prime, uint64_t seed, Budget& budget)
      : prime_(prime), seed_(seed), budget_(budget) {}

  // Nothing where a denominator is zero or the budget is spent.
  std::optional<uint64_t> value(View view);

 private:
  std::optional<uint64_t> ratio(uint64_t top, uint64_t bottom) const {
    if (bottom == 0) return std::nullopt;
    return multiply(top, power(bottom, prime_ - 2, prime_), prime_);
  }
  uint64_t residue(const BigInt& value) const {
    const uint64_t rest = static_cast<uint64_t>(BigInt(mp::abs(value) % prime_));
    return value < 0 && rest ? prime_ - rest : rest;
  }
  std::optional<uint64_t> residue(const Rational& value) const {
    const BigInt bottom = denominator(value);
    return bottom == 1 ? residue(numerator(value))
                       : ratio(residue(numerator(value)), residue(bottom));
  }

  uint64_t prime_, seed_;
  Budget& budget_;
};

std::optional<uint64_t> Residues::value(View view) {
  if (!budget_.spend(1)) return std::nullopt;
  const Node& node = view.get();
  switch (node.kind) {
    case Kind::kNumber:
      return residue(node.value);
    case Kind::kName:
      return hash_of(node.name, seed_) % prime_;
    case Kind::kApply: {
      const auto argument = value(view.child(1));
      if (!argument) return std::nullopt;
      return hash_of(view.child(0).get().name, seed_ ^ mix(*argument + 1)) % prime_;
    }
    case Kind::kAdd:
    case Kind::kMul: {
      uint64_t total = node.kind == Kind::kAdd ? 0 : 1;
      for (size_t i = 0; i < view.size(); ++i) {
        const auto part = value(view.child(i));
        if (!part) return std::nullopt;
        total = node.kind == Kind::kAdd ? (total + *part) % prime_ : multiply(total, *part, prime_);
      }
      return total;
    }
    case Kind::kDiv: {
      const auto top = value(view.child(0)), bottom = value(view.child(1));
      return top && bottom ? ratio(*top, *bottom) : std::nullopt;
    }
    case Kind::kNeg:
    case Kind::kPlusMinus: {
      const auto part = value(view.child(0));
      const bool negative = node.kind == Kind::kNeg || (view.sign < 0) == (node.name == "+");
      return part && negative && *part ? std::optional<uint64_t>(prime_ - *part) : part;
    }
    case Kind::kDegree:
      return value(view.child(0));
    case Kind::kPercent: {
      const auto part = value(view.child(0));
      return part ? ratio(*part, 100) : std::nullopt;
    }
    case Kind::kPow: {
      const auto exponent = whole_exponent(view.child(1), budget_);
      const auto base = value(view.child(0));
      if (!base || !exponent || (*base == 0 && *exponent <= 0)) return std::nullopt;
      const uint64_t size = static_cast<uint64_t>(*exponent < 0 ? -*exponent : *exponent);
      const uint64_t result = power(*base, size, prime_);
      return *exponent < 0 ? ratio(1, result) : result;
    }
    default: {
      const auto exact = exact_value(view, budget_);
      return exact ? residue(*exact) : std::nullopt;
    }
  }
}

}  // namespace

std::optional<bool> equal_modulo_primes(View gold, View prediction, Budget& budget) {
  const auto a = size_of(gold, budget), b = size_of(prediction, budget);
  if (!a || !b || a->degree + b->degree > kMostSize || a->bits + b->bits + 1 > kMostSize)
    return std::nullopt;
  uint64_t seed = hash_of(gold.tree->source, hash_of(prediction.tree->source, 0));
  int agreed = 0;
  for (int point = 0; point < kPointsTried && agreed < kPointsNeeded; ++point) {
    seed = mix(seed + 0x9E3779B97F4A7C15u);
    Residues residues(prime_from(seed), mix(seed + 1), budget);
    const auto x = residues.value(gold), y = residues.value(prediction);
    if (!x || !y) continue;
    if (*x != *y) return false;
    ++agreed;
  }
  return agreed == kPointsNeeded ? std::optional<bool>(true) : std::nullopt;
}

}  // namespace ponder::judge
