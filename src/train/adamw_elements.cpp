// Compiled with the vectoriser on (see CMakeLists.txt): every operation is one correctly rounded
// f32 operation, so lanes, vector width and tails cannot change a bit.
#include <bit>
#include <cmath>

#include "train/adamw.h"
#include "train/moments.h"

namespace ponder::train {

void adamw_elements(const AdamWConstants& constants, int64_t count, float* __restrict w,
                    float* __restrict m, float* __restrict v, const float* __restrict gradient) {
  const AdamWConstants c = constants;
  for (int64_t i = 0; i < count; ++i) {
    const float g = c.scale * gradient[i];
    const float mi = m[i] + c.one_minus_beta1 * (g - m[i]);
    const float vi = v[i] + c.one_minus_beta2 * (g * g - v[i]);
    m[i] = mi;
    v[i] = vi;
    const float step = c.rate * mi / (std::sqrt(vi) * c.correct + c.epsilon);
    w[i] = w[i] - (step + c.decay * w[i]);
  }
}

void round_stochastically(uint16_t* to, const float* values, int64_t count, uint64_t first,
                          uint64_t key) {
  // MurmurHash3's final mix of 32 bits (Appleby, public domain) of the element's number and the
  // key.
  const auto key_low = static_cast<uint32_t>(key ^ (first >> 32));
  const auto key_high = static_cast<uint32_t>(key >> 32);
  for (int64_t i = 0; i < count; ++i) {
    uint32_t h = (static_cast<uint32_t>(first) + static_cast<uint32_t>(i)) * 0x9E3779B9u ^ key_low;
    h ^= h >> 16;
    h *= 0x85EBCA6Bu;
    h ^= (h >> 13) ^ key_high;
    h *= 0xC2B2AE35u;
    h ^= h >> 16;
    to[i] = static_cast<uint16_t>((std::bit_cast<uint32_t>(values[i]) + (h & 0xFFFFu)) >> 16);
  }
}

}  // namespace ponder::train
