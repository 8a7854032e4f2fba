// Rules about the repository's files: golden files are used and explained, nothing names the
// machine it was written on, sources stay small enough to read.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/file.h"
#include "testing/folders.h"
#include "testing/process.h"

namespace ponder {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = testing::source_dir();

std::vector<fs::path> files_under(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool is_source(const fs::path& path) {
  return path.extension() == ".cpp" || path.extension() == ".h";
}

std::string test_sources() {
  std::string all;
  for (const char* folder : {"src", "tests"}) {
    for (const fs::path& path : files_under(kRoot / folder)) {
      const std::string name = path.filename().string();
      const bool in_tests = std::string_view(folder) == "tests";
      if (is_source(path) &&
          (in_tests || name.ends_with("_test.cpp") || name.starts_with("test_"))) {
        all += read_file(path);
      }
    }
  }
  return all;
}

TEST(Repository, EveryGoldenFileIsNamedByATest) {
  const std::string sources = test_sources();
  int golden = 0;
  for (const fs::path& path : files_under(kRoot / "tests/golden")) {
    const std::string name = path.filename().string();
    if (name == "README.md") continue;
    ++golden;
    // By its name, or as "stem" where a test goes through several.
    const bool named = sources.find(name) != std::string::npos ||
                       sources.find('"' + path.stem().string() + '"') != std::string::npos;
    EXPECT_TRUE(named) << path << " is named by no test";
  }
  EXPECT_GT(golden, 0);
}

TEST(Repository, EveryGoldenFolderSaysHowItWasMade) {
  for (const auto& entry : fs::directory_iterator(kRoot / "tests/golden")) {
    EXPECT_TRUE(entry.is_directory()) << entry.path() << " stands outside a folder";
    EXPECT_TRUE(fs::exists(entry.path() / "README.md")) << entry.path() << " has no README.md";
  }
}

// A path of somebody's machine works there only, and says things that are nobody's business.
TEST(Repository, NothingNamesTheMachineItWasWrittenOn) {
  const std::vector<std::string> forbidden = {
      std::string("/wo") + "rk/", std::string("/ro") + "ot/", std::string("/ho") + "me/",
      std::string("/Us") + "ers/"};
  std::vector<fs::path> files;
  for (const char* folder : {"src", "tests", "bench", "fuzz", "tools", "scripts", "docs", "recipes",
                             "examples", "cmake", "models", ".ci"}) {
    for (const fs::path& path : files_under(kRoot / folder)) files.push_back(path);
  }
  for (const char* name : {"CMakeLists.txt", "CMakePresets.json", "README.md", "CONTRIBUTING.md"}) {
    files.push_back(kRoot / name);
  }
  for (const fs::path& path : files) {
    const std::string extension = path.extension().string();
    if (extension == ".safetensors" || extension == ".gz") continue;
    const std::string text = read_file(path);
    for (const std::string& machine : forbidden) {
      const size_t at = text.find(machine);
      if (at == std::string::npos) continue;
      ADD_FAILURE() << path << ":"
                    << 1 + std::count(text.begin(), text.begin() + static_cast<long>(at), '\n')
                    << ": names " << machine;
    }
  }
}

TEST(Repository, SourcesAreShortEnoughToRead) {
  for (const char* folder : {"src", "tests", "bench", "fuzz"}) {
    for (const fs::path& path : files_under(kRoot / folder)) {
      if (!is_source(path)) continue;
      const std::string text = read_file(path);
      EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 600) << path << ": split it";
    }
  }
}

// The names of a folder are in the namespace of its name, base's in ponder itself.
TEST(Repository, AFolderIsANamespace) {
  int looked_at = 0;
  for (const fs::path& path : files_under(kRoot / "src")) {
    if (!is_source(path)) continue;
    const std::string folder = path.lexically_relative(kRoot / "src").begin()->string();
    if (folder == "base") continue;
    ++looked_at;
    const std::string text = read_file(path);
    EXPECT_NE(text.find("namespace ponder::" + folder), std::string::npos) << path;
    EXPECT_EQ(text.find("namespace ponder {"), std::string::npos) << path;
  }
  EXPECT_GT(looked_at, 300);
}

// Commands speak to people through cli/printing.h, which shows what a terminal would obey.
TEST(Repository, CommandsPrintThroughTheirDoors) {
  for (const fs::path& path : files_under(kRoot / "src/cli")) {
    if (!is_source(path)) continue;
    const std::string text = read_file(path);
    for (const char* way : {"fmt::print(", "printf(", "std::cout", "std::cerr", "puts("}) {
      size_t at = text.find(way);
      // A terminal's own colours are ours; fputs writes them and nothing else.
      while (at != std::string::npos && way == std::string_view("puts(") &&
             (text.compare(at, 11, "puts(colour") == 0 ||
              text.compare(at, 10, "puts(\"\\x1b") == 0 || path.filename() == "printing.cpp")) {
        at = text.find(way, at + 1);
      }
      EXPECT_EQ(at, std::string::npos) << path << " uses " << way;
    }
  }
}

TEST(Repository, ScriptsParse) {
  for (const char* folder : {"scripts", "tools", "bench", "examples", ".ci"}) {
    for (const fs::path& path : files_under(kRoot / folder)) {
      if (!read_file(path).starts_with("#!/usr/bin/env bash")) continue;
      const testing::Outcome outcome = testing::run({"bash", "-n", path.string()});
      EXPECT_EQ(outcome.status, 0) << path << ": " << outcome.err;
      EXPECT_NE(fs::status(path).permissions() & fs::perms::owner_exec, fs::perms::none) << path;
    }
  }
}

}  // namespace
}  // namespace ponder
