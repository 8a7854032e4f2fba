// What to say of a path that is given as a run and is none. Internal to this folder.
#pragma once

#include <filesystem>

namespace ponder::pool {

// Throws Error for a run database that is not there: what stands in the folder's place, and what to
// give instead.
[[noreturn]] void fail_as_run(const std::filesystem::path& database);

}  // namespace ponder::pool
