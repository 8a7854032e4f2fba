// Numbers of a TOML text as people write them. Internal to pipeline.
#pragma once

#include <string>
#include <string_view>

namespace ponder::pipeline {

// With every floating-point value in the fewest digits that read back as the same number: 0.1 where the
// formatter writes 0.10000000000000001. `toml`: a document without comments, or one value.
std::string short_numbers(std::string_view toml);

}  // namespace ponder::pipeline
