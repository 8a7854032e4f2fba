// Progress and diagnostics: plain lines on standard error and, for a run, JSON lines in a file.
// Results never go through here. A Log is passed down to those who report; there is no global one.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/json.h"

namespace ponder {

class AppendLog;

enum class LogLevel { kQuiet, kWarning, kInfo };

// Thread-safe.
class Log {
 public:
  explicit Log(LogLevel level = LogLevel::kInfo);
  ~Log();

  // Also appends every event to this file, one JSON object a line.
  void to_file(const std::filesystem::path& path);

  void info(std::string_view text);
  void warning(std::string_view text);
  // A structured event: only the file gets it.
  void event(std::string_view name, Json fields);
  // Progress of a long task: at most one line every few seconds (a terminal: one line, rewritten),
  // and always when done == total.
  void progress(std::string_view task, uint64_t done, uint64_t total, std::string_view detail = "");

 private:
  void line(std::string_view prefix, std::string_view text);

  LogLevel level_;
  bool terminal_;
  bool progress_open_ = false;
  std::mutex mutex_;
  std::unique_ptr<AppendLog> file_;
  std::chrono::steady_clock::time_point start_, last_progress_{};
  std::string last_task_;
};

}  // namespace ponder
