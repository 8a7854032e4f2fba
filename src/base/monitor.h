// What a long task tells whoever watches it: lines for people, records for programs, progress. A task
// is given one Monitor and does not know who listens; results never go through here.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace ponder {

class AppendLog;

struct MonitorEvent {
  enum class Kind {
    kInfo,      // text
    kWarning,   // text
    kRecord,    // name and fields: "rejected", "stage"
    kProgress,  // of the task `name`: done of total (0: not known), text for people, fields
  };
  Kind kind;
  std::string_view name = {}, text = {};
  int64_t done = 0, total = 0;
  Json fields = Json::object();
};

// Reckons the time that is left of a task from its progress: what this process did of it, and how long
// that took.
class TaskClock {
 public:
  // Of a progress event; begins anew with a task of another name.
  void take(const MonitorEvent& event);
  double seconds() const;  // since the task was first heard of
  std::optional<double> seconds_left() const;

 private:
  using Clock = std::chrono::steady_clock;
  std::string task_;
  int64_t first_done_ = 0, done_ = 0, total_ = 0;
  Clock::time_point begun_, now_;
};

// All functions of all monitors may be called from any thread.
class Monitor {
 public:
  virtual ~Monitor() = default;
  virtual void take(const MonitorEvent& event) = 0;

  void info(std::string_view text);
  void warning(std::string_view text);
  void record(std::string_view name, Json fields);
  void progress(std::string_view task, int64_t done, int64_t total, std::string_view text = "",
                Json fields = Json::object());
};

// Nobody watches.
class NullMonitor final : public Monitor {
 public:
  void take(const MonitorEvent& /*event*/) override {}
};

// Info, warnings and progress in lines, escaped(); records are for programs. Of progress at most a
// line every few seconds (on a terminal one line, rewritten, no longer than the terminal is wide), and
// always when done == total; with the time that is left where the task does not say it itself.
class TerminalMonitor final : public Monitor {
 public:
  enum class Level { kQuiet, kWarning, kInfo };  // kWarning: warnings alone
  explicit TerminalMonitor(Level level, std::FILE* file = stderr);
  ~TerminalMonitor() override;
  void take(const MonitorEvent& event) override;

 private:
  void put(const std::string& text);
  void line(std::string_view prefix, std::string_view text);
  void show_progress(const MonitorEvent& event);

  const Level level_;
  std::FILE* const file_;
  const bool terminal_;
  bool progress_open_ = false;  // the terminal's line has no end yet
  std::mutex mutex_;
  std::chrono::steady_clock::time_point last_progress_{};
  std::string last_task_;
  TaskClock clock_;
};

// The same for programs: one JSON object a line, {"time": …, "level": "info" or "warning", "stage": …,
// "message": …}, and of progress {"time": …, "stage": …, "task": …, "step": done, "steps": total (null:
// not known), "seconds_left": …, "message": …, fields…} every few seconds and when done == total. The
// stage is that of the last record "begin".
class JsonProgressMonitor final : public Monitor {
 public:
  explicit JsonProgressMonitor(TerminalMonitor::Level level, std::FILE* file = stderr)
      : level_(level), file_(file) {}
  void take(const MonitorEvent& event) override;

 private:
  void put(const Json& object);

  const TerminalMonitor::Level level_;
  std::FILE* const file_;
  std::mutex mutex_;
  Json stage_;  // null: none yet
  TaskClock clock_;
  std::string last_task_;
  std::chrono::steady_clock::time_point last_progress_{};
};

// Appends everything but progress to a file, one JSON object a line: {"time": …, "event": "info",
// "text": …}, {"time": …, "event": "warning", "text": …}, or {"time": …, "event": NAME, "seconds": since
// it was opened, fields…}. The time is UTC, "2026-11-29T16:52:03.417Z".
class JsonLinesMonitor final : public Monitor {
 public:
  explicit JsonLinesMonitor(const std::filesystem::path& path);
  ~JsonLinesMonitor() override;
  void take(const MonitorEvent& event) override;

 private:
  std::mutex mutex_;
  const std::unique_ptr<AppendLog> file_;
  const std::chrono::steady_clock::time_point start_;
};

// Passes every event on to several, in their order. Borrows them.
class MonitorList final : public Monitor {
 public:
  explicit MonitorList(std::vector<Monitor*> monitors) : monitors_(std::move(monitors)) {}
  void take(const MonitorEvent& event) override;

 private:
  const std::vector<Monitor*> monitors_;
};

}  // namespace ponder
