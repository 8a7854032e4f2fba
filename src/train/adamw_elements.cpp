// Compiled with the vectoriser on (see CMakeLists.txt): every operation is one correctly rounded
// f32 operation, so lanes, vector width and tails cannot change a bit.
#include <cmath>

#include "train/adamw.h"

namespace ponder {

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

}  // namespace ponder
