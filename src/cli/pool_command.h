// The parts of ponder pool, a file each.
#pragma once

#include <functional>
#include <string>

#include "cli/command.h"
#include "pool/pool.h"

namespace ponder::cli {

// A run directory or its run.db, for reading.
pool::Pool open_pool(const std::string& run);

// Each adds a subcommand to `pool` and gives what it does: called where it was given, with the pool's
// own RUN ("" for none) and common options.
using PoolPart = std::function<void(const std::string& run, const CommonOptions& common)>;
PoolPart register_pool_import(CLI::App& pool);
PoolPart register_pool_export(CLI::App& pool);
PoolPart register_pool_rejudge(CLI::App& pool);

}  // namespace ponder::cli
