// Every command that README.md quotes is executed, in order, in a folder that looks like a checkout
// but whose quickstart recipe is the tiny one. A quoted command is a line of a ```sh block.
#include <algorithm>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

// Not executed here: they build and test the whole checkout, which is what runs this test.
const std::vector<std::string> kExempt = {"scripts/quickstart", "scripts/test"};

std::vector<std::string> quoted_commands() {
  std::vector<std::string> commands;
  bool within = false;
  for (const std::string& line :
       testing::lines_of(read_file(testing::source_dir() / "README.md"))) {
    if (line.starts_with("```")) {
      within = !within && line == "```sh";
    } else if (within && !line.empty() && !line.starts_with("#")) {
      commands.push_back(line.substr(0, line.find("  # ")));
    }
  }
  return commands;
}

TEST(Readme, QuotesTheTwoCommandsAndEveryExemptionIsUsed) {
  const std::vector<std::string> quoted = quoted_commands();
  for (const std::string& name : kExempt) {
    EXPECT_EQ(std::count(quoted.begin(), quoted.end(), name), 1) << name;
    EXPECT_TRUE(fs::exists(testing::source_dir() / name)) << name;
  }
}

TEST(Readme, EveryQuotedCommandWorks) {
  const testing::TemporaryFolder folder;
  fs::create_directories(folder / "build/release");
  fs::create_directories(folder / "models");
  fs::create_directories(folder / "recipes");
  fs::create_symlink(program(), folder / "build/release/ponder");
  make_tiny_base(folder / "models/nano-base");
  fs::copy_file(testing::source_dir() / "recipes/tiny.toml", folder / "recipes/quickstart.toml");

  int executed = 0;
  for (const std::string& line : quoted_commands()) {
    if (std::find(kExempt.begin(), kExempt.end(), line) != kExempt.end()) continue;
    const testing::Outcome outcome =
        testing::run({"bash", "-e", "-o", "pipefail", "-c", line},
                     {.folder = folder.path(), .input = "", .limit = std::chrono::minutes(5)});
    EXPECT_EQ(outcome.status, 0) << line << "\n" << outcome.err;
    ++executed;
  }
  EXPECT_GE(executed, 5);
}

}  // namespace
}  // namespace ponder::e2e
