// What a word that no command knows was probably meant to be.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace ponder::cli {

// After `app` refused its arguments: the flag or command whose name is nearest to the first
// argument that was not understood; "" where none is near.
std::string suggestion_for(const CLI::App& app);

}  // namespace ponder::cli
