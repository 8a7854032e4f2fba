// What to say of a path that is given as a model and is none. Internal to this folder.
#pragma once

#include <filesystem>

namespace ponder::model {

// Throws Error saying what the path is instead (an address, a name on the Hub, a run, a file, an
// adapter, …) and what to give in its place.
[[noreturn]] void fail_as_checkpoint(const std::filesystem::path& path);

}  // namespace ponder::model
