#include "pipeline/clean_section.h"

#include <fmt/format.h>

#include <limits>

#include "base/error.h"

namespace ponder::pipeline {
namespace {

std::vector<clean::Filter> read_filters(TomlSection& section, const char* key) {
  std::vector<clean::Filter> filters;
  for (const std::string& name : section.texts(key)) {
    const std::optional<clean::Filter> filter = clean::filter_from_string(name);
    if (!filter) {
      section.fail(key, fmt::format("there is no filter \"{}\"", excerpt(name)),
                   "the filters are " + clean::filter_names());
    }
    filters.push_back(*filter);
  }
  return filters;
}

}  // namespace

void read_clean(TomlSection section, clean::Options& demonstrations, clean::Options& problems) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  clean::Options& o = demonstrations;
  o.filters = read_filters(section, "filters");
  problems.filters = read_filters(section, "problem_filters");
  for (const clean::Filter filter : problems.filters) {
    if (filter == clean::Filter::kNearDuplicate || filter == clean::Filter::kGibberish) continue;
    section.fail("problem_filters", fmt::format("{} is no filter of problems", to_string(filter)),
                 "those of problems are near-duplicate and gibberish; lengths, levels and domains: "
                 "`where` of the source");
  }
  o.jaccard = problems.jaccard = section.number("jaccard", o.jaccard, 0.3, 1);
  o.repeated = section.number("repeated", o.repeated, 0.01, 1);
  o.foreign = section.number("foreign", o.foreign, 0.001, 1);
  o.min_words = section.integer("min_words", 0, 0, kMost);
  o.max_words = section.integer("max_words", 0, 0, kMost);
  o.min_quantile = section.number("min_quantile", 0, 0, 1);
  o.max_quantile = section.number("max_quantile", 1, 0, 1);
  if (o.filters.empty() && problems.filters.empty())
    section.fail("filters", "[clean] has no filter", "the filters are " + clean::filter_names());
  try {
    clean::check(o, "");
  } catch (const Error& error) {
    section.fail("", error.problem(), error.advice());
  }
  section.finish();
}

}  // namespace ponder::pipeline
