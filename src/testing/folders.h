// Where the tests find what is not theirs: the source tree, the build folder, shared test data.
#pragma once

#include <filesystem>

namespace ponder::testing {

std::filesystem::path source_dir();
std::filesystem::path binary_dir();  // of this build; the program is binary_dir() / "ponder"
// Large test data that is not part of the repository. May not exist: what reads it skips itself.
std::filesystem::path shared_data();

}  // namespace ponder::testing
