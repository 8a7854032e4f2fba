#include "pool/no_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"

namespace ponder::pool {
namespace fs = std::filesystem;
namespace {

std::vector<std::string> runs_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator(folder, gone)) {
    if (fs::exists(entry.path() / "run.db", gone))
      names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

void fail_as_run(const fs::path& database) {
  // Of "DIR/run.db" DIR was given; else a file.
  const fs::path given = database.filename() == "run.db" ? database.parent_path() : database;
  const std::string name = given.empty() ? "." : given.string();
  const auto fail = [&](const std::string& problem, const std::string& advice) {
    throw Error(ErrorKind::kNotFound, name, problem, advice);
  };
  if (fs::is_regular_file(given)) {
    if (given.extension() == ".toml")
      fail("expected the folder of a run, found a recipe",
           fmt::format("give the folder, e.g. runs/{}", given.stem().string()));
    fail("expected the folder of a run, found a file",
         "give the folder that `ponder run` or `ponder pool import` made");
  }
  if (fs::exists(given / "config.json"))
    fail("expected the folder of a run, found a checkpoint",
         fmt::format("ponder inspect {} shows it", name));
  const bool there = fs::is_directory(given);
  const fs::path parent = given.has_parent_path() ? given.parent_path() : fs::path(".");
  const std::vector<std::string> inside = there ? runs_in(given) : std::vector<std::string>();
  if (!inside.empty())
    fail("expected the folder of a run, found a folder of runs",
         fmt::format("give one of them: {}", fmt::join(inside, ", ")));
  const std::vector<std::string> names = there ? std::vector<std::string>() : runs_in(parent);
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string near = nearest(given.filename().string(), views.data(), views.size());
  std::string advice = "give the folder that `ponder run` or `ponder pool import` made";
  if (!near.empty())
    advice = fmt::format("did you mean {}?",
                         (given.has_parent_path() ? parent / near : fs::path(near)).string());
  else if (!names.empty())
    advice = fmt::format("the runs there are {}", fmt::join(names, ", "));
  throw Error(ErrorKind::kNotFound, name,
              there ? "expected the folder of a run, found no run.db in it"
                    : "expected the folder of a run, found nothing",
              advice);
}

}  // namespace ponder::pool
