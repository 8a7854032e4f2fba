// A small made-up run for the tests of the report.
#pragma once

#include "pool/pool.h"

namespace ponder {

// M0, M1, M1-large, M2, M3 and M1-dpo on the benchmarks easy, hard and choice; two rounds of
// exploration.
void fill_run(Pool& pool);
// One model's score with a `correct` field of n characters, the first `right` of them x.
void add_fixture_score(Pool& pool, const std::string& model, const std::string& benchmark, int n,
                       int right, int offset = 0);

}  // namespace ponder
