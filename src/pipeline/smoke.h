// A recipe's shortest form: five rows of everything, to see before hours of work that all of it runs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ponder::pipeline {

// What load_recipe is to be given beside `overrides`, behind them: five rows of every source (of problems
// five a round), one epoch, four samples, responses of 256 tokens, steps of five rows, no probes, and
// another name, so that its run goes to a folder of its own.
std::vector<std::string> smoke_overrides(const std::filesystem::path& recipe,
                                         const std::vector<std::string>& overrides);

}  // namespace ponder::pipeline
