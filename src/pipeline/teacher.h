// A recipe's teacher: asked before anything else of a run, it fills the file that sources of kind teacher
// are. Its answers lie in a folder of their own, so that every run of the recipe reads what was paid once.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/monitor.h"
#include "pipeline/recipe.h"

namespace ponder::pipeline {

// Whether the run in `out` was begun with another recipe than this, and so must not cost anything.
bool recipe_has_changed(const Recipe& recipe, const std::filesystem::path& out);

struct Taught {
  bool finished = true;          // false: the stop flag ended it; what came is kept
  Json result = Json::object();  // as `ponder teach --json`
};
// Asks for what is missing, and writes the rows. Throws what teach::Teacher throws; what came is kept and
// the rows that there are have been written either way.
Taught ask_teacher(const Recipe& recipe, Monitor& monitor, const std::atomic<bool>* stop);

// Keeps in the run's folder (teacher.json) how its teacher stands, and where its database is.
void keep_teacher(const Recipe& recipe, const std::filesystem::path& run);
// How a run's teacher stands now (teach::standing) or, where its database cannot be read any more, stood when that
// was kept; null where the run has none.
Json teacher_of(const std::filesystem::path& run);

// For a plan: whether sources wait for a teacher that has not been asked, and up to how many requests and how
// much money that would take; "" where it has been.
std::string unasked_teacher(const Recipe& recipe);

// For a plan: what the recipe's teacher will likely take, by the answers that its folder has. Nothing is written, and
// another process may be asking.
struct LikelyTeacher {
  // None where nothing was answered yet, or nothing is left to ask; what is wrong with the answers, where they are not
  // this teacher's or cannot be read.
  std::vector<std::string> lines;
  Json json;  // teach::Estimate::json(); null in all these cases
};
LikelyTeacher likely_teacher(const Recipe& recipe);

}  // namespace ponder::pipeline
