#include "trainers/launch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "trainers/follow.h"

extern char** environ;

namespace ponder::trainers {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kLookMs = 200;
constexpr size_t kLastLines = 400;  // several processes' tracebacks, and a launcher's words on them

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

std::vector<std::string> environment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text(*entry);
    if (!added.contains(std::string(text.substr(0, text.find('='))))) out.emplace_back(text);
  }
  for (const auto& [name, value] : added) out.push_back(name + "=" + value);
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// A group of processes, ended with this object.
class Group {
 public:
  explicit Group(const LaunchOptions& options) {
    std::array<int, 2> output{}, failure{};
    if (::pipe2(output.data(), O_CLOEXEC) != 0) throw_errno(options.folder, "make a pipe");
    output_ = std::make_unique<Descriptor>(output[0]);
    Descriptor write_end(output[1]);
    if (::pipe2(failure.data(), O_CLOEXEC) != 0) throw_errno(options.folder, "make a pipe");
    Descriptor failed(failure[0]), fail(failure[1]);
    std::vector<std::string> argv = options.argv, env = environment(options.env);
    const std::vector<char*> arguments = pointers(argv), variables = pointers(env);
    const std::string folder = options.folder.string();
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw_errno(options.folder, "start a process");
    if (pid_ == 0) {
      ::setpgid(0, 0);
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (::getppid() != parent) ::_exit(127);
      ::signal(SIGPIPE, SIG_DFL);
      const int nothing = ::open("/dev/null", O_RDONLY);
      if (nothing >= 0) ::dup2(nothing, 0);
      ::dup2(write_end.get(), 1);
      ::dup2(write_end.get(), 2);
      if (::chdir(folder.c_str()) == 0) ::execvpe(arguments[0], arguments.data(), variables.data());
      const int code = errno;
      [[maybe_unused]] const auto ignored = ::write(fail.get(), &code, sizeof code);
      ::_exit(127);
    }
    ::setpgid(pid_, pid_);
    write_end.close();
    fail.close();
    int code = 0;
    if (::read(failed.get(), &code, sizeof code) == sizeof code) {
      ::waitpid(pid_, nullptr, 0);
      pid_ = -1;
      throw Error(kind_of_errno(code), options.argv.front(),
                  fmt::format("cannot be started: {}", std::strerror(code)),
                  "trainer.launch names the program that starts the trainer, in PATH or by its "
                  "whole path");
    }
  }
  ~Group() {
    if (pid_ < 0) return;
    ::kill(-pid_, SIGKILL);
    if (!status_) ::waitpid(pid_, nullptr, 0);
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  int output() const { return output_->get(); }
  void signal(int number) const { ::kill(-pid_, number); }
  // Its exit status once it has ended.
  std::optional<int> ended() {
    if (status_) return status_;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return status_;
  }

 private:
  pid_t pid_ = -1;
  std::unique_ptr<Descriptor> output_;
  std::optional<int> status_;
};

std::string without_secrets(std::string line, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    for (size_t at = line.find(secret); at != line.npos; at = line.find(secret, at + 3))
      line.replace(at, secret.size(), "***");
  }
  return line;
}

}  // namespace

LaunchResult launch(const LaunchOptions& options,
                    const std::function<bool(const std::vector<std::string>& lines)>& look) {
  AppendLog log(options.output);
  Group group(options);
  LineSplitter splitter;
  std::deque<std::string> last;
  std::vector<std::string> fresh;
  const auto keep = [&](std::vector<std::string> lines) {
    for (std::string& line : lines) {
      line = without_secrets(std::move(line), options.secrets);
      log.append(line);
      last.push_back(line);
      if (last.size() > kLastLines) last.pop_front();
      fresh.push_back(std::move(line));
    }
  };
  LaunchResult result;
  auto sign_of_life = Clock::now();
  std::optional<Clock::time_point> told;  // to end
  const auto seconds_since = [](Clock::time_point then) {
    return std::chrono::duration<double>(Clock::now() - then).count();
  };
  const auto read_some = [&](int wait_ms) {
    pollfd ready{group.output(), POLLIN, 0};
    bool any = false;
    while (::poll(&ready, 1, any ? 0 : wait_ms) > 0) {
      std::array<char, 1 << 14> buffer{};
      const ssize_t count = ::read(group.output(), buffer.data(), buffer.size());
      if (count <= 0) return std::pair(any, true);  // nobody holds its other end
      any = true;
      keep(splitter.add({buffer.data(), static_cast<size_t>(count)}));
      if (fresh.size() > 10000) break;
    }
    return std::pair(any, false);
  };
  std::optional<int> status;
  bool closed = false;
  while (!(status = group.ended())) {
    bool alive = false;
    if (closed) {
      ::poll(nullptr, 0, kLookMs);
    } else {
      std::tie(alive, closed) = read_some(kLookMs);
    }
    alive = look(std::exchange(fresh, {})) || alive;
    if (alive) sign_of_life = Clock::now();
    if (!told && options.stop && options.stop->load()) {
      result.end = End::kStopped;
      told = Clock::now();
      group.signal(SIGTERM);
    } else if (!told && seconds_since(sign_of_life) > options.silence) {
      result.end = End::kSilent;
      told = Clock::now();
      group.signal(SIGTERM);
    }
    if (told && seconds_since(*told) > options.grace) group.signal(SIGKILL);
  }
  while (!closed && read_some(0).first) {
  }
  if (const std::string rest = splitter.rest(); !rest.empty()) keep({rest});
  look(fresh);
  result.status = *status;
  if (!told) result.end = *status == 0 ? End::kFinished : End::kFailed;
  result.last_lines.assign(last.begin(), last.end());
  return result;
}

std::vector<std::string> secret_values(const std::vector<std::string>& names) {
  std::vector<std::string> values;
  for (const std::string& name : names) {
    const char* value = std::getenv(name.c_str());
    if (!value || !*value)
      throw Error("trainer.env", fmt::format("the environment has no variable {}", excerpt(name)),
                  "export it where ponder is started, or take its name out of the recipe");
    values.emplace_back(value);
  }
  return values;
}

}  // namespace ponder::trainers
