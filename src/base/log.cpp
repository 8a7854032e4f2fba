#include "base/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "base/file.h"

namespace ponder {

Log::Log(LogLevel level)
    : level_(level), terminal_(::isatty(2) != 0), start_(std::chrono::steady_clock::now()) {}

Log::~Log() {
  if (progress_open_) std::fputc('\n', stderr);
}

void Log::to_file(const std::filesystem::path& path) { file_ = std::make_unique<AppendLog>(path); }

void Log::line(std::string_view prefix, std::string_view text) {
  if (progress_open_) std::fputs("\r\x1b[K", stderr);
  progress_open_ = false;
  fmt::print(stderr, "{}{}\n", prefix, text);
}

void Log::info(std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (level_ >= LogLevel::kInfo) line("", text);
  if (file_) file_->append(dump_json({{"event", "info"}, {"text", text}}));
}

void Log::warning(std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (level_ >= LogLevel::kWarning) line("warning: ", text);
  if (file_) file_->append(dump_json({{"event", "warning"}, {"text", text}}));
}

void Log::event(std::string_view name, Json fields) {
  const std::lock_guard lock(mutex_);
  if (!file_) return;
  const std::chrono::duration<double> age = std::chrono::steady_clock::now() - start_;
  Json object = {{"event", name}, {"seconds", age.count()}};
  for (auto& [key, value] : fields.items()) object[key] = value;
  file_->append(dump_json(object));
}

void Log::progress(std::string_view task, uint64_t done, uint64_t total, std::string_view detail) {
  const std::lock_guard lock(mutex_);
  if (level_ < LogLevel::kInfo) return;
  const auto now = std::chrono::steady_clock::now();
  const bool last = total > 0 && done >= total;
  const auto pause = std::chrono::milliseconds(terminal_ ? 200 : 5000);
  if (!last && task == last_task_ && now - last_progress_ < pause) return;
  if (!last && task != last_task_ && !terminal_) {  // a new task: its first line after a pause
    last_task_ = task;
    last_progress_ = now;
    return;
  }
  last_task_ = task;
  last_progress_ = now;
  const std::string text = total > 0 ? fmt::format("{}  {}/{}  {}", task, done, total, detail)
                                     : fmt::format("{}  {}  {}", task, done, detail);
  if (terminal_) {
    fmt::print(stderr, "\r\x1b[K{}", text);
    progress_open_ = !last;
    if (last) std::fputc('\n', stderr);
    std::fflush(stderr);
  } else {
    fmt::print(stderr, "{}\n", text);
  }
}

}  // namespace ponder
