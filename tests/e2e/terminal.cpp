#include "e2e/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

namespace ponder::e2e {

Terminal::Terminal(const std::vector<std::string>& argv, unsigned short columns,
                   const std::vector<std::string>& environment) {
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  winsize size = {.ws_row = 40, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
  pid_ = ::forkpty(&fd_, nullptr, nullptr, &size);
  if (pid_ < 0) throw std::runtime_error("no pseudo-terminals here");
  if (pid_ == 0) {
    for (const std::string& variable : environment) ::putenv(const_cast<char*>(variable.c_str()));
    ::execv(words[0], words.data());
    ::_exit(127);
  }
}

Terminal::~Terminal() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(fd_);
}

void Terminal::type(const std::string& text) {
  if (::write(fd_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw std::runtime_error("the terminal takes no more");
}

bool Terminal::read_more(std::chrono::milliseconds limit) {
  pollfd ready = {.fd = fd_, .events = POLLIN, .revents = 0};
  if (::poll(&ready, 1, static_cast<int>(limit.count())) <= 0) return true;
  char buffer[4096];
  const ssize_t n = ::read(fd_, buffer, sizeof buffer);
  if (n <= 0) return false;  // its other end was closed
  unread_.append(buffer, static_cast<size_t>(n));
  std::erase(unread_, '\r');
  return true;
}

std::string Terminal::until(const std::string& text, std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  size_t at = unread_.find(text);
  while (at == std::string::npos && std::chrono::steady_clock::now() < deadline) {
    if (!read_more(std::chrono::milliseconds(100))) break;
    at = unread_.find(text);
  }
  const size_t end = at == std::string::npos ? unread_.size() : at + text.size();
  std::string seen = unread_.substr(0, end);
  unread_.erase(0, end);
  return seen;
}

int Terminal::wait() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  int status = 0;
  pid_t ended = 0;
  while (ended == 0 && std::chrono::steady_clock::now() < deadline) {
    read_more(std::chrono::milliseconds(50));
    ended = ::waitpid(pid_, &status, WNOHANG);
  }
  if (ended == 0) throw std::runtime_error("still running");
  pid_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace ponder::e2e
