// What is said of a command line that cannot be understood: which word, and what to write instead.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace ponder::cli {

// One line for an error of parsing, without its end: the word that is wrong and the command, flag or
// value that was likely meant (the nearest by letters, or ours for another program's name); where
// something is missing, an example of the command.
std::string usage_error(const CLI::App& app, const CLI::ParseError& error);

// The same of a word that is no command of `parent`.
std::string unknown_command(const CLI::App& parent, const std::string& word);

}  // namespace ponder::cli
