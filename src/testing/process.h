// Runs real programs for tests: start, wait with a limit, signals, everything they print.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ponder::testing {

struct Outcome {
  int status = -1;  // exit status; 128 + signal when a signal ended it
  std::string out, err;
};

constexpr std::chrono::seconds kLimit{120};

struct Launch {
  std::filesystem::path folder;  // working directory, "" for the test's own
  std::string input;             // standard input
  std::chrono::seconds limit = kLimit;
};

// A child process; its output goes to unnamed files, so it never blocks on a full pipe. Killed with
// SIGKILL when it outlives its limit (in wait) or this object.
class Process {
 public:
  // argv[0] is a path, or a name looked up in PATH. Throws std::runtime_error if it cannot start.
  explicit Process(const std::vector<std::string>& argv, const Launch& launch = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number);
  // True once it has ended; waits at most this long.
  bool ended_within(std::chrono::milliseconds time);
  Outcome wait();

 private:
  void reap(int status);

  pid_t pid_ = -1;
  int out_ = -1, err_ = -1;
  std::chrono::steady_clock::time_point deadline_;
  std::optional<int> status_;
};

Outcome run(const std::vector<std::string>& argv, const Launch& launch = {});

std::vector<std::string> lines_of(const std::string& text);

}  // namespace ponder::testing
