// The part of ponder compare that holds models and files of responses against each other.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/sampling_flags.h"

namespace ponder::cli {

struct ResponsesToCompare {
  std::vector<std::string> contestants;  // model folders and files; each is held against the first
  std::vector<std::string> benchmarks;
  int samples = 1;
  SamplingFlags sampling = {};
};

// Prints a table for each benchmark (files of verdicts alone need none). Throws Error for a folder that is
// no model, for a model or responses without a benchmark, and for other problems under one id.
void compare_responses(const ResponsesToCompare& what, const CommonOptions& common);

}  // namespace ponder::cli
