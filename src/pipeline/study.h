// A study: variants of one recipe, each trained under the same training seeds. Every variant and seed is a
// run of its own, OUT/VARIANT/seed-N, which begins with what the run it differs least from has done
// (share.h), so that it computes only what differs, and goes on when it was stopped.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/monitor.h"
#include "base/thread_pool.h"
#include "report/study_table.h"

namespace ponder::pipeline {

struct StudyVariant {
  std::string name;
  std::string from;                    // the variant it begins with; "" for the first
  std::vector<std::string> overrides;  // "key=value", as --set
  std::vector<std::string> models;     // that the table shows; none: the last evaluated
};

struct Study {
  std::string name, title;
  std::filesystem::path recipe;  // absolute
  std::vector<uint64_t> train_seeds;
  std::vector<StudyVariant> variants;  // at least one
  std::vector<report::StudyQuestion> questions;
  std::string watch;  // see study_table
};

// Throws Error naming file, line and key. Keys: docs/recipes.md, "Studies".
Study load_study(const std::filesystem::path& file);

// What of a study is asked for; empty: all.
struct StudyPart {
  std::vector<std::string> variants;
  std::vector<uint64_t> train_seeds;
  std::vector<std::string> overrides;  // of every variant, after its own
  std::filesystem::path from;  // a folder of runs seed-N that variants without a `from` begin with
};

struct StudyFailure {
  std::string variant;
  uint64_t train_seed = 1;
  std::string reason;
};

// Runs what is left, seed after seed, in each the variants in the study's order; a run that fails is told
// to the monitor and the others go on. Every variant's recipe is read before anything runs, so a wrong
// key ends it at once. `stopped` is set where the stop flag ended it early. Throws Error where `part`
// names what there is not.
std::vector<StudyFailure> run_study(const Study& study, const StudyPart& part,
                                    const std::filesystem::path& out, ThreadPool& threads,
                                    Monitor& monitor, const std::atomic<bool>* stop, bool& stopped);

std::filesystem::path study_run_folder(const std::filesystem::path& out, const std::string& variant,
                                       uint64_t train_seed);

// From what is in `out`, whoever runs there.
report::StudyTable study_table_of(const Study& study, const StudyPart& part,
                                  const std::filesystem::path& out);

}  // namespace ponder::pipeline
