#include "tensor/precision.h"

namespace ponder::tensor {

std::string_view to_string(Precision precision) {
  switch (precision) {
    case Precision::kF32:
      return "f32";
    case Precision::kBf16:
      return "bf16";
    case Precision::kBf16Second:
      return "bf16 (second definition)";
    case Precision::kBf16First:
      return "bf16 (first definition)";
  }
  return "";
}

std::optional<Precision> precision_from_string(std::string_view text) {
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    if (to_string(precision) == text) return precision;
  }
  return std::nullopt;
}

std::string_view stored_name(Precision precision) {
  switch (precision) {
    case Precision::kF32:
      return "f32";
    case Precision::kBf16:
      return "bf16-3";
    case Precision::kBf16Second:
      return "bf16-2";
    case Precision::kBf16First:
      return "bf16";
  }
  return "";
}

std::optional<Precision> precision_from_stored(std::string_view name) {
  for (const Precision precision :
       {Precision::kF32, Precision::kBf16, Precision::kBf16Second, Precision::kBf16First}) {
    if (stored_name(precision) == name) return precision;
  }
  return std::nullopt;
}

bool is_former(Precision precision) {
  return precision == Precision::kBf16Second || precision == Precision::kBf16First;
}

}  // namespace ponder::tensor
