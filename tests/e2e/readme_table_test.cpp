// The README's and docs/arithmetic.md's tables of scores and a row of docs/studies.md are what a run gives.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <map>
#include <regex>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

std::string percent(double share) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", 100 * share);
  return text.data();
}

// Of a cell "82.6 [79.0, 85.7] (82.6, 81.0, 84.2)" the score of each training seed.
std::vector<std::string> seeds_of(const std::string& cell) {
  std::smatch found;
  static const std::regex kBrackets(R"(\(([0-9.]+(?:, [0-9.]+)+)\))");
  std::vector<std::string> seeds;
  if (!std::regex_search(cell, found, kBrackets)) return seeds;
  static const std::regex kNumber("[0-9.]+");
  const std::string list = found[1];
  for (std::sregex_iterator it(list.begin(), list.end(), kNumber), end; it != end; ++it)
    seeds.push_back(it->str());
  return seeds;
}

// Model by model the cells of each benchmark.
std::map<std::string, std::vector<std::string>> table_of(const std::string& readme) {
  std::map<std::string, std::vector<std::string>> table;
  bool inside = false;
  for (const std::string& line : testing::lines_of(readme)) {
    if (line.starts_with("<!-- scores:")) inside = true;
    if (line.starts_with("<!-- end of scores")) inside = false;
    if (!inside || !line.starts_with("| M")) continue;
    std::vector<std::string> cells;
    for (size_t at = 1; at < line.size();) {
      const size_t bar = std::min(line.find('|', at), line.size());
      cells.push_back(line.substr(at, bar - at));
      at = bar + 1;
    }
    if (cells.size() < 3) continue;
    std::string name = cells[0].substr(1);
    name.erase(name.find_last_not_of(' ') + 1);
    table[name].assign(cells.begin() + 2, cells.end());
  }
  return table;
}

// Holds the run's models against the first training seed's cells of the page's table. How many were compared.
size_t compare_with_table(const std::map<std::string, std::vector<std::string>>& table,
                          const std::string& run) {
  const std::vector<Json> lines = json_lines(ponder({"compare", run, "--json"}).out);
  EXPECT_EQ(lines.size(), 1u);
  size_t compared = 0;
  for (const Json& model : lines.at(0)["models"]) {
    const std::string name = model["model"].get<std::string>();
    EXPECT_TRUE(table.contains(name)) << name;
    if (!table.contains(name)) continue;
    size_t column = 0;
    for (const auto& [benchmark, score] : model["scores"].items()) {
      const std::string& cell = table.at(name).at(column++);
      const std::vector<std::string> seeds = seeds_of(cell);
      EXPECT_GE(seeds.size(), 3u) << cell;
      EXPECT_EQ(percent(score["mean"].get<double>()), seeds.empty() ? "" : seeds[0])
          << name << " on " << benchmark << ": the page has " << cell
          << "; write it anew with tools/score_table";
      ++compared;
    }
  }
  return compared;
}

void run_quickstart(const std::string& out, const std::vector<std::string>& more) {
  testing::Launch launch;
  launch.limit = std::chrono::seconds(1700);
  std::vector<std::string> words =
      command({"run", testing::source_dir() / "recipes/quickstart.toml", "--set", "train_seed=1",
               "--quiet", "--json", "--out", out});
  words.insert(words.end(), more.begin(), more.end());
  const testing::Outcome run = testing::run(words, launch);
  ASSERT_EQ(run.status, 0) << run.err;
}

TEST(SlowReadmeTable, IsWhatAFreshRunOfTheQuickstartGives) {
  const auto table = table_of(read_file(testing::source_dir() / "README.md"));
  ASSERT_EQ(table.size(), 6u);
  const testing::TemporaryFolder folder;
  ASSERT_NO_FATAL_FAILURE(run_quickstart(folder / "run", {}));
  EXPECT_EQ(compare_with_table(table, folder / "run"), 18u);
}

TEST(SlowArithmeticPage, ItsTableIsWhatTheQuickstartGivesInBf16) {
  const auto table = table_of(read_file(testing::source_dir() / "docs/arithmetic.md"));
  ASSERT_EQ(table.size(), 6u);
  const testing::TemporaryFolder folder;
  ASSERT_NO_FATAL_FAILURE(
      run_quickstart(folder / "run", {"--set", "precision=bf16", "--until", "evaluate-M1"}));
  EXPECT_EQ(compare_with_table(table, folder / "run"), 6u);
}

// The cells of one row of a study's first table, behind variant, model and label.
std::vector<std::string> cells_of(const std::string& page, const std::string& title,
                                  const std::string& row) {
  bool inside = false;
  for (const std::string& line : testing::lines_of(page)) {
    if (line.starts_with("## ")) inside = line == "## " + title;
    if (!inside || !line.starts_with(row)) continue;
    std::vector<std::string> cells;
    for (size_t at = 1; at < line.size();) {
      const size_t bar = std::min(line.find('|', at), line.size());
      cells.push_back(line.substr(at, bar - at));
      at = bar + 1;
    }
    cells.erase(cells.begin(), cells.begin() + std::min<ptrdiff_t>(3, std::ssize(cells)));
    return cells;
  }
  return {};
}

TEST(StudiesPage, HasTheDifferencesThatTheReadmeNames) {
  const std::string readme = read_file(testing::source_dir() / "README.md");
  const std::string page = read_file(testing::source_dir() / "docs/studies.md");
  static const std::regex kDifference(R"(\(\+([0-9.]+) \[([0-9.]+), ([0-9.]+)\]\))");
  int named = 0;
  for (std::sregex_iterator it(readme.begin(), readme.end(), kDifference), end; it != end; ++it) {
    const std::string cell = "| +" + it->str(1) + " [+" + it->str(2) + ", +" + it->str(3) + "] (";
    EXPECT_NE(page.find(cell), std::string::npos) << "README has " << it->str();
    ++named;
  }
  EXPECT_EQ(named, 4);
}

TEST(StudiesPage, EveryStudyHasThreeTrainingSeeds) {
  const std::string page = read_file(testing::source_dir() / "docs/studies.md");
  const size_t begin = page.find("<!-- studies: "), end = page.find("<!-- end of studies -->");
  ASSERT_LT(begin, end);
  size_t studies = 0, of_three = 0;
  for (const std::string& line : testing::lines_of(page.substr(begin, end - begin))) {
    studies += line.starts_with("## ");
    of_three += line.starts_with("training seeds 1, 2, 3; ");
    EXPECT_EQ(line.find("one seed"), std::string::npos) << line;
  }
  EXPECT_EQ(studies, 6u);
  EXPECT_EQ(of_three, studies);
}

TEST(SlowStudiesPage, ARowIsWhatAFreshTrainingGives) {
  const std::string page = read_file(testing::source_dir() / "docs/studies.md");
  const std::vector<std::string> cells = cells_of(page, "One domain or several", "| choice | M1 |");
  ASSERT_EQ(cells.size(), 5u) << "three benchmarks, finished, tokens";
  const testing::TemporaryFolder folder;
  testing::Launch launch;
  launch.limit = std::chrono::seconds(900);
  const testing::Outcome run =
      ponder({"study", testing::source_dir() / "recipes/studies/domains.toml", "--variant",
              "choice", "--train-seed", "1", "--quiet", "--json", "--out", folder / "study"},
             launch);
  ASSERT_EQ(run.status, 0) << run.err;
  const std::vector<Json> lines = json_lines(run.out);
  ASSERT_EQ(lines.size(), 1u);
  ASSERT_EQ(lines[0]["rows"].size(), 1u) << lines[0].dump(1);
  size_t column = 0;
  for (const auto& [benchmark, score] : lines[0]["rows"][0]["scores"].items()) {
    const std::string& cell = cells.at(column++);
    const std::vector<std::string> seeds = seeds_of(cell);
    ASSERT_EQ(seeds.size(), 3u) << cell;
    EXPECT_EQ(percent(score["mean"].get<double>()), seeds[0])
        << benchmark << ": docs/studies.md has " << cell
        << "; write it anew with tools/run_studies";
  }
  EXPECT_EQ(column, 3u);
}

}  // namespace
}  // namespace ponder::e2e
