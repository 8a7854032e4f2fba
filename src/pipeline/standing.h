// How a run stands, for whoever looks at it: at work, stopped, failed or done, in which stage, why, and
// what makes it go on. Reads the run's folder and its pool alone.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pool/pool.h"

namespace ponder::pipeline {

struct Standing {
  std::string word;    // "running", "stopped", "failed" or "done"
  std::string stage;   // that it stopped or failed in, or before; "" of one that runs or is done
  bool begun = false;  // in it
  std::string reason;  // how it failed; of one that stopped without a word, that it did
  std::optional<std::string> holder;  // "pid 12 on host" of one that runs
  std::vector<std::string> to_come;   // stages not begun

  // "running (pid 12 on host)", "failed in explore-1: …", "stopped before dpo; the same … goes on".
  std::string sentence() const;
};

// `planned`: the names of its recipe's stages; none where it is not known.
Standing standing_of(const pool::Pool& pool, const std::filesystem::path& folder,
                     const std::vector<std::string>& planned);

// The names of the stages of DIR/recipe.toml; none where it cannot be read.
std::vector<std::string> planned_stages(const std::filesystem::path& folder);

// Writes into the log of the run in `folder` why it cannot go on, for whoever looks at it later. Nothing
// where there is no run, one is at work, or the log cannot be written.
void record_refusal(const std::filesystem::path& folder, const std::string& reason);

}  // namespace ponder::pipeline
