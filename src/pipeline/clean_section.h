// The table [clean] of a recipe. Internal to this folder.
#pragma once

#include "clean/filters.h"
#include "pipeline/toml_section.h"

namespace ponder::pipeline {

// Throws Error for a filter that is not known, limits that are upside down and limits of no filter.
void read_clean(TomlSection section, clean::Options& demonstrations, clean::Options& problems);

}  // namespace ponder::pipeline
