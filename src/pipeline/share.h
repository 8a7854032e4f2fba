// A run that begins with what another has done.
#pragma once

#include <filesystem>

namespace ponder::pipeline {

// Makes the run directory `out` out of the run in `from`: its database and its small files are copied,
// its checkpoints are the same files under a second name (hard links; copies on another file system).
// Nothing of `from` changes, then or later: whoever makes a checkpoint again replaces its folder. `out`
// appears whole or not at all. Where it is there already, made from `from`, nothing is done.
// Throws Error where `from` is no run, or is being worked on, and where `out` is something else.
void share_run(const std::filesystem::path& from, const std::filesystem::path& out);

}  // namespace ponder::pipeline
