#include "base/monitor.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <ctime>

#include "base/duration_text.h"
#include "base/file.h"
#include "base/text.h"
#include "base/utc.h"

namespace ponder {

using Kind = MonitorEvent::Kind;

namespace {

std::string utc_now() { return utc_text(std::chrono::system_clock::now()); }

}  // namespace

void Monitor::info(std::string_view text) { take({.kind = Kind::kInfo, .text = text}); }

void Monitor::warning(std::string_view text) { take({.kind = Kind::kWarning, .text = text}); }

void Monitor::record(std::string_view name, Json fields) {
  take({.kind = Kind::kRecord, .name = name, .fields = std::move(fields)});
}

void Monitor::progress(std::string_view task, int64_t done, int64_t total, std::string_view text,
                       Json fields) {
  take({Kind::kProgress, task, text, done, total, std::move(fields)});
}

void TaskClock::take(const MonitorEvent& event) {
  now_ = Clock::now();
  if (event.name != task_ || event.done < done_) {
    task_ = event.name;
    first_done_ = event.done;
    begun_ = now_;
  }
  done_ = event.done;
  total_ = event.total;
}

double TaskClock::seconds() const { return std::chrono::duration<double>(now_ - begun_).count(); }

std::optional<double> TaskClock::seconds_left() const {
  const auto made = static_cast<double>(done_ - first_done_);
  if (made <= 0 || total_ <= 0) return std::nullopt;
  return seconds() / made * static_cast<double>(total_ - done_);
}

TerminalMonitor::TerminalMonitor(Level level, std::FILE* file)
    : level_(level), file_(file), terminal_(::isatty(::fileno(file)) != 0) {}

TerminalMonitor::~TerminalMonitor() {
  if (progress_open_) std::fputc('\n', file_);
}

void TerminalMonitor::take(const MonitorEvent& event) {
  const std::lock_guard lock(mutex_);
  switch (event.kind) {
    case Kind::kInfo:
      if (level_ >= Level::kInfo) line("", event.text);
      return;
    case Kind::kWarning:
      if (level_ >= Level::kWarning) line("warning: ", event.text);
      return;
    case Kind::kRecord:
      return;
    case Kind::kProgress:
      if (level_ >= Level::kInfo) show_progress(event);
      return;
  }
}

// A line that nobody can read (a full disk, a closed terminal) is no reason to end the task.
void TerminalMonitor::put(const std::string& text) { std::fputs(text.c_str(), file_); }

void TerminalMonitor::line(std::string_view prefix, std::string_view text) {
  if (progress_open_) std::fputs("\r\x1b[K", file_);
  progress_open_ = false;
  put(fmt::format("{}{}\n", prefix, escaped(text)));
}

// As many code points as fit in a line of the terminal, whose last column stays free: a longer one
// would wrap, and could not be rewritten.
static std::string fitting(const std::string& text, std::FILE* terminal) {
  winsize size = {};
  if (::ioctl(::fileno(terminal), TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return text;
  size_t points = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool begins = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (begins && ++points == size.ws_col) return text.substr(0, i);
  }
  return text;
}

void TerminalMonitor::show_progress(const MonitorEvent& event) {
  const auto now = std::chrono::steady_clock::now();
  clock_.take(event);
  const bool last = event.total > 0 && event.done >= event.total;
  const bool new_task = event.name != last_task_;
  const auto pause = std::chrono::milliseconds(terminal_ ? 200 : 5000);
  if (!last && !new_task && now - last_progress_ < pause) return;
  last_task_ = event.name;
  last_progress_ = now;
  if (!last && new_task && !terminal_) return;  // a new task: its first line after a pause
  std::string text =
      escaped(event.total > 0
                  ? fmt::format("{}  {}/{}  {}", event.name, event.done, event.total, event.text)
                  : fmt::format("{}  {}  {}", event.name, event.done, event.text));
  constexpr double kTooSoon = 2;  // seconds, to tell by
  const std::optional<double> left = clock_.seconds_left();
  if (left && !last && clock_.seconds() >= kTooSoon && event.text.find(" left") == text.npos)
    text += fmt::format("  about {} left", duration_text(*left));
  if (terminal_) {
    put("\r\x1b[K" + fitting(text, file_));
    progress_open_ = !last;
    if (last) std::fputc('\n', file_);
    std::fflush(file_);
  } else {
    put(text + "\n");
  }
}

JsonLinesMonitor::JsonLinesMonitor(const std::filesystem::path& path)
    : file_(std::make_unique<AppendLog>(path)), start_(std::chrono::steady_clock::now()) {}

JsonLinesMonitor::~JsonLinesMonitor() = default;

void JsonLinesMonitor::take(const MonitorEvent& event) {
  if (event.kind == Kind::kProgress) return;
  const std::lock_guard lock(mutex_);
  if (event.kind != Kind::kRecord) {
    const char* name = event.kind == Kind::kInfo ? "info" : "warning";
    file_->append(dump_json({{"time", utc_now()}, {"event", name}, {"text", event.text}}));
    return;
  }
  const std::chrono::duration<double> age = std::chrono::steady_clock::now() - start_;
  Json object = {{"time", utc_now()}, {"event", event.name}, {"seconds", age.count()}};
  for (const auto& [key, value] : event.fields.items()) object[key] = value;
  file_->append(dump_json(object));
}

void JsonProgressMonitor::put(const Json& object) {
  std::fputs((dump_json(object) + "\n").c_str(), file_);
  std::fflush(file_);
}

void JsonProgressMonitor::take(const MonitorEvent& event) {
  using Level = TerminalMonitor::Level;
  const std::lock_guard lock(mutex_);
  if (event.kind == Kind::kRecord) {
    if (event.name == "begin") stage_ = event.fields.value("stage", Json());
    return;
  }
  if (level_ < (event.kind == Kind::kWarning ? Level::kWarning : Level::kInfo)) return;
  if (event.kind != Kind::kProgress) {
    const char* level = event.kind == Kind::kInfo ? "info" : "warning";
    return put({{"time", utc_now()}, {"level", level}, {"stage", stage_}, {"message", event.text}});
  }
  clock_.take(event);
  constexpr std::chrono::seconds kPause{5};
  const auto now = std::chrono::steady_clock::now();
  const bool last = event.total > 0 && event.done >= event.total;
  if (!last && event.name == last_task_ && now - last_progress_ < kPause) return;
  last_task_ = event.name;
  last_progress_ = now;
  const std::optional<double> left = clock_.seconds_left();
  Json object = {{"time", utc_now()}, {"stage", stage_}, {"task", event.name}};
  for (const auto& [key, value] : event.fields.items()) object[key] = value;
  object["step"] = event.done;
  object["steps"] = event.total > 0 ? Json(event.total) : Json();
  object["seconds_left"] = left ? Json(*left) : Json();
  object["message"] = event.text;
  put(object);
}

void MonitorList::take(const MonitorEvent& event) {
  for (Monitor* monitor : monitors_) monitor->take(event);
}

}  // namespace ponder
