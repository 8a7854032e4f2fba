// Runs a trainer's launcher to its end: its own process group, no shell, everything it prints into
// a file. Ended when it is told to stop, when it gives no sign of life, and with this process.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace ponder::trainers {

struct LaunchOptions {
  std::vector<std::string> argv;            // argv[0]: a path, or a name looked up in PATH
  std::filesystem::path folder;             // working directory
  std::map<std::string, std::string> env;   // beside this process's
  std::filesystem::path output;             // what it prints is appended here
  std::vector<std::string> secrets;         // values that become *** in what it prints
  double silence = 1800;                    // seconds
  double grace = 60;                        // from SIGTERM to SIGKILL, seconds
  const std::atomic<bool>* stop = nullptr;  // set: SIGTERM to all of it
};

enum class End { kFinished, kFailed, kStopped, kSilent };

struct LaunchResult {
  End end = End::kFinished;
  int status = 0;                       // exit status; 128 + signal when a signal ended it
  std::vector<std::string> last_lines;  // of what it printed, at most 400
};

// `look` is called a few times a second and at the end, with the lines printed since; true: there
// was another sign of life (a longer log). What it throws ends the program and is passed on. Throws
// Error where the program cannot be started.
LaunchResult launch(const LaunchOptions& options,
                    const std::function<bool(const std::vector<std::string>& lines)>& look);

// Values of the variables `names`. Throws Error for one that is not set.
std::vector<std::string> secret_values(const std::vector<std::string>& names);

}  // namespace ponder::trainers
