#include "fleet/update_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace ponder::fleet {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kLookEvery{50};
constexpr size_t kShownBytes = 1000;  // of a failed command's log

std::vector<std::string> environment_of(const CommandValues& values,
                                        const std::vector<std::string>& hidden) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text = *entry;
    const std::string name(text.substr(0, text.find('=')));
    if (std::ranges::find(hidden, name) == hidden.end()) all.emplace_back(text);
  }
  for (const auto& [name, value] : values) {
    std::string upper = "PONDER_" + name;
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    all.push_back(upper + "=" + value);
  }
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::string end_of_log(const std::filesystem::path& log) {
  std::string text = read_file(log);
  if (text.size() > kShownBytes) text = "…" + text.substr(text.size() - kShownBytes);
  return std::string(trimmed(text));
}

}  // namespace

std::vector<std::string> filled(const std::string& where, const std::vector<std::string>& words,
                                const CommandValues& values) {
  std::vector<std::string> out;
  for (const std::string& word : words) {
    std::string& text = out.emplace_back();
    for (size_t at = 0; at < word.size();) {
      const size_t open = word.find('{', at), close = word.find('}', open);
      text += word.substr(at, open - at);
      if (open == std::string::npos) break;
      if (close == std::string::npos) {
        text += word.substr(open);
        break;
      }
      const std::string name = word.substr(open + 1, close - open - 1);
      const auto value = values.find(name);
      if (value == values.end()) {
        std::string names;
        for (const auto& [known, what] : values) names += fmt::format(" {{{}}}", known);
        throw Error(ErrorKind::kUsage, where,
                    fmt::format("nothing stands for {{{}}}", excerpt(name)), "there are" + names);
      }
      text += value->second;
      at = close + 1;
    }
  }
  return out;
}

bool run_update_command(const std::string& where, const std::vector<std::string>& words,
                        const CommandValues& values, const std::vector<std::string>& hidden,
                        const std::filesystem::path& log, const std::atomic<bool>* stop,
                        CommandLimit limit) {
  std::vector<std::string> argv = filled(where, words, values),
                           env = environment_of(values, hidden);
  std::filesystem::create_directories(log.parent_path());
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);  // a group of its own
  pid_t pid = -1;
  const int failed = ::posix_spawnp(&pid, argv[0].c_str(), &files, &attributes,
                                    pointers(argv).data(), pointers(env).data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) {
    throw Error(
        kind_of_errno(failed), where,
        fmt::format("\"{}\" cannot be started: {}", excerpt(argv[0]), std::strerror(failed)),
        "is it there and executable?");
  }
  int status = 0;
  bool told = false;
  std::optional<Clock::time_point> too_long;
  const Clock::time_point start = Clock::now();
  while (::waitpid(pid, &status, WNOHANG) == 0) {
    if (stop && stop->load() && !std::exchange(told, true)) ::kill(-pid, SIGTERM);
    const Clock::time_point now = Clock::now();
    if (limit.time.count() > 0 && !too_long && now - start >= limit.time) {
      too_long = now;
      ::kill(-pid, SIGTERM);
    }
    if (too_long && now - *too_long >= limit.grace) ::kill(-pid, SIGKILL);
    std::this_thread::sleep_for(kLookEvery);
  }
  if (told) return false;
  if (too_long) {
    throw Error(where,
                fmt::format("\"{}\" took longer than {:g} s and was ended: {}", excerpt(argv[0]),
                            static_cast<double>(limit.time.count()) / 1000,
                            excerpt(end_of_log(log), kShownBytes)),
                fmt::format("does it stay with its servers? It need not: the run waits for them by "
                            "itself; else raise fleet.command_timeout. Its output is in {}",
                            log.string()));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  throw Error(where,
              fmt::format("\"{}\" ended with {} {}: {}", excerpt(argv[0]),
                          WIFEXITED(status) ? "status" : "signal",
                          WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
                          excerpt(end_of_log(log), kShownBytes)),
              "its output is in " + log.string());
}

}  // namespace ponder::fleet
