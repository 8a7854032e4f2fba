// What a run reads from outside and what it made, held against the hashes it had then: the files of
// the base and of the recipe's sources, and the checkpoints of its stages. Where they lie does not
// matter, so a project may be moved.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/recipe.h"
#include "pool/pool.h"

namespace ponder::pipeline {

// The files of a checkpoint that decide what it does, under the owner `model`; its weights are one
// entry, "weights". Throws Error when they cannot be read.
std::vector<pool::FileRecord> checkpoint_files(const std::filesystem::path& folder,
                                               const std::string& model);

// What differs of `now` from `then`, for people ("config.json: sha256 1234… then, 5678… now"); ""
// for nothing.
std::string file_differences(const std::vector<pool::FileRecord>& then,
                             const std::vector<pool::FileRecord>& now);

// Records the base (M0) and the source files of a run.
void record_inputs(const Recipe& recipe, pool::Pool& pool);

// What of them is not what was recorded; each a text that says file, then, now, and which stages have
// used it. Nothing where nothing was recorded.
struct InputChanges {
  std::string base;
  std::vector<std::string> sources;
};
InputChanges input_changes(const Recipe& recipe, const pool::Pool& pool);

}  // namespace ponder::pipeline
