// Parts of a recipe that are read in files of their own. Internal to this folder.
#pragma once

#include <cstdint>
#include <limits>

#include "pipeline/recipe.h"
#include "pipeline/toml_section.h"

namespace ponder::pipeline {

// Of rows, samples and tokens: what the engine and the trainer count with.
inline constexpr int64_t kMany = std::numeric_limits<int32_t>::max();

// The keys of [sft], which other sections share.
train::TrainOptions read_training(TomlSection& section, double lr, const Recipe& recipe);
// Strategies by name.
Strategy read_strategy(TomlSection& section, const char* key, Strategy fallback);

// The keys of [explore] that limit what a round may take.
void read_budget(TomlSection& explore, ExploreOptions& options);
// [refine]. The recipe's sets must be read.
RefineOptions read_refine(TomlSection& top, const Recipe& recipe);
// [dpo], or a list [[dpo]], into recipe.dpo. The recipe's seed, sets and rounds must be read.
void read_dpo(TomlSection& top, Recipe& recipe);
// [fleet]; paths begin at `folder`.
FleetSettings read_fleet(TomlSection section, const std::filesystem::path& folder);
// [teacher] but its problems; paths begin at `folder`. The caller finishes the section.
TeacherOptions read_teacher(TomlSection& section, const std::filesystem::path& folder);
// Whether a dotted key of it says where and for how much the teacher is asked, not what.
bool is_teachers_place(std::string_view key);
// [trainer], and whether it can do what [sft] and [dpo] say. These must be read.
void read_trainer(TomlSection& top, Recipe& recipe);
// Throws Error where the results of two models would be files of one name. Once sets, variants and
// benchmarks are read.
void check_result_names(const Recipe& recipe, const TomlSection& evaluate);

}  // namespace ponder::pipeline
