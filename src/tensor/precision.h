// The arithmetic in which a model computes (docs/arithmetic.md). It decides the last bits of every
// number a model gives, so it is part of what a job is, and stands beside what is kept of it.
#pragma once

#include <optional>
#include <string_view>

namespace ponder::tensor {

enum class Precision {
  kF32,         // float32 throughout
  kBf16,        // operands of matrix products are rounded to bf16
  kBf16Second,  // bf16 as it was defined before, and
  kBf16First,   // first: in what was kept then, and nothing computes in them
};

// For people and as the value of an option: "f32", "bf16"; "bf16 (first definition)".
std::string_view to_string(Precision precision);
std::optional<Precision> precision_from_string(std::string_view text);  // of those that compute

// As it is kept: a changed definition is another name, "f32", "bf16-3"; "bf16" is the first.
std::string_view stored_name(Precision precision);
std::optional<Precision> precision_from_stored(std::string_view name);
// Of bf16 as it was defined before.
bool is_former(Precision precision);

}  // namespace ponder::tensor
