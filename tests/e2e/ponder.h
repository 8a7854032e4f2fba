// What the end-to-end tests share: the real binary, run as a user runs it.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "base/json.h"
#include "testing/folders.h"
#include "testing/process.h"
#include "testing/temporary_folder.h"

namespace ponder::e2e {

namespace fs = std::filesystem;

inline std::string program() { return testing::binary_dir() / "ponder"; }

inline std::vector<std::string> command(std::initializer_list<std::string> arguments) {
  std::vector<std::string> argv = {program()};
  argv.insert(argv.end(), arguments);
  return argv;
}

inline testing::Outcome ponder(std::initializer_list<std::string> arguments,
                               const testing::Launch& launch = {}) {
  return testing::run(command(arguments), launch);
}

// The JSON objects of an output that must hold nothing else, one a line.
std::vector<Json> json_lines(const std::string& text);

// The names of the commands that `ponder --help` lists.
std::vector<std::string> listed_commands();

// A checkpoint of random weights in `folder`, made by ponder init; the sizes are those of the base of
// recipes/tiny.toml unless others are given.
void make_tiny_base(const fs::path& folder, int hidden_size = 64, int num_layers = 2);

}  // namespace ponder::e2e
