// What the values of flags may be. Each says what was expected and found, in words a person reads.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace ponder::cli {

// One of these words; of anything else names the nearest.
CLI::Validator one_of(std::vector<std::string> words);

// A number from `lowest` to `highest`, both included, or any from `lowest` on.
CLI::Validator number_in(double lowest, double highest);
CLI::Validator number_from(double lowest);
// A number above `lowest`.
CLI::Validator number_above(double lowest);

}  // namespace ponder::cli
