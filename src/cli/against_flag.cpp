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

data::ContaminationFilter filter_against(const std::vector<std::string>& files) {
  data::ContaminationFilter filter;
  for (const std::string& file : files) {
    data::RowAccount report;
    filter.add(data::dataset_name(file), data::read_problems(file, report));
  }
  return filter;
}

}  // namespace ponder::cli
