#include "cli/against_flag.h"

#include "data/readers.h"

namespace ponder::cli {

void add_against_option(CLI::App& command, std::vector<std::string>& files) {
  command
      .add_option("--against", files,
                  "benchmarks (files, by commas): rows that stand in one are contaminated and left "
                  "out")
      ->delimiter(',');
}

ContaminationFilter filter_against(const std::vector<std::string>& files) {
  ContaminationFilter filter;
  for (const std::string& file : files) {
    ReadReport report;
    filter.add(dataset_name(file), read_problems(file, report));
  }
  return filter;
}

}  // namespace ponder::cli
