// Flags that are whole numbers: what does not fit their type or range is wrong usage.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

namespace ponder::cli {

// The most of anything a flag counts, as in recipes.
inline constexpr int64_t kMany = std::numeric_limits<int32_t>::max();

// Accepts the decimal numbers from `lowest` to `highest`; of anything else (a sign, more than 64
// bits, other characters) says what is expected and was found.
CLI::Validator whole_number(uint64_t lowest, uint64_t highest);

// The same for bytes: a unit may follow, of thousands (kB, MB, …, or k, M, …) or of 1024 (KiB, MiB,
// …, or Ki, Mi, …), in any case of letters.
CLI::Validator byte_size(uint64_t lowest, uint64_t highest);

// Adds `name`, a number from `lowest` (0 or more) to `highest`, both of which the value's type holds.
template <class T>
CLI::Option* add_number_option(CLI::App& command, const std::string& name, T& value,
                               std::type_identity_t<T> lowest, std::type_identity_t<T> highest,
                               const std::string& description) {
  static_assert(std::is_integral_v<T>);
  return command.add_option(name, value, description)
      ->transform(whole_number(static_cast<uint64_t>(lowest), static_cast<uint64_t>(highest)));
}

}  // namespace ponder::cli
