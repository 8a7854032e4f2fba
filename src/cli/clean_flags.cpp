#include "cli/clean_flags.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "cli/number_option.h"

namespace ponder::cli {

void add_clean_options(CLI::App& command, CleanFlags& flags) {
  clean::Options& o = flags.options;
  command
      .add_option("--filters", flags.filters,
                  "leave rows out, by commas: " + clean::filter_names() + ", or all")
      ->delimiter(',');
  const auto share = [&](const char* name, double& value, const char* text) {
    command.add_option(name, value, text)->check(number_in(0.0, 1.0))->capture_default_str();
  };
  command
      .add_option("--jaccard", o.jaccard,
                  "near-duplicate: from this share of common word 5-grams on")
      ->check(number_in(0.3, 1.0))
      ->capture_default_str();
  share("--repeated", o.repeated, "repetition: from this share of repeated words on");
  share("--foreign", o.foreign, "mixed-language: from this share of words or letters on");
  add_number_option(command, "--min-words", o.min_words, 0, kMany, "too-short: words at least");
  add_number_option(command, "--max-words", o.max_words, 0, kMany, "too-long: words at most");
  share("--min-quantile", o.min_quantile, "too-short: below this quantile of the rows' words");
  share("--max-quantile", o.max_quantile, "too-long: above this quantile of the rows' words");
}

clean::Options clean_options(const CleanFlags& flags) {
  using clean::Filter;
  clean::Options options = flags.options;
  const auto add = [&](Filter filter) {
    if (!options.has(filter)) options.filters.push_back(filter);
  };
  for (const std::string& name : flags.filters) {
    if (const auto filter = clean::filter_from_string(name)) {
      add(*filter);
    } else if (name == "all") {
      for (const Filter each : clean::all_filters()) {
        const bool short_limit = options.min_words > 0 || options.min_quantile > 0;
        const bool long_limit = options.max_words > 0 || options.max_quantile < 1;
        if (each == Filter::kTooShort && !short_limit) continue;
        if (each == Filter::kTooLong && !long_limit) continue;
        add(each);
      }
    } else {
      throw Error(ErrorKind::kUsage, "--filters",
                  fmt::format("there is no filter \"{}\"", excerpt(name)),
                  "the filters are " + clean::filter_names());
    }
  }
  clean::check(options, "--filters");
  return options;
}

std::string own_flags(const CleanFlags& flags) {
  if (flags.filters.empty()) return "";
  const clean::Options &o = flags.options, standard;
  std::string text = fmt::format(" --filters {}", fmt::join(flags.filters, ","));
  const auto add = [&](const char* name, auto value, auto usual) {
    if (value != usual) text += fmt::format(" {} {}", name, value);
  };
  add("--jaccard", o.jaccard, standard.jaccard);
  add("--repeated", o.repeated, standard.repeated);
  add("--foreign", o.foreign, standard.foreign);
  add("--min-words", o.min_words, standard.min_words);
  add("--max-words", o.max_words, standard.max_words);
  add("--min-quantile", o.min_quantile, standard.min_quantile);
  add("--max-quantile", o.max_quantile, standard.max_quantile);
  return text;
}

}  // namespace ponder::cli
