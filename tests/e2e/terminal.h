// The program on a terminal of its own: what a person types and sees.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace ponder::e2e {

class Terminal {
 public:
  // Starts argv on a pseudo-terminal of so many columns, with `environment` ("NAME=value") on top of the
  // test's own. Throws std::runtime_error where there are none.
  Terminal(const std::vector<std::string>& argv, unsigned short columns,
           const std::vector<std::string>& environment = {});
  ~Terminal();  // kills what still runs
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(const std::string& text);  // "\x03" is Ctrl-C, "\x04" Ctrl-D
  // Everything shown from the end of the last call's match up to and including `text`; what there is
  // when the time is over or the program ends. Carriage returns are left out.
  std::string until(const std::string& text, std::chrono::seconds limit = std::chrono::seconds(60));
  // The exit status, 128 + signal where one ended it, after what is left to read.
  int wait();

 private:
  bool read_more(std::chrono::milliseconds limit);  // false: nothing more will come

  pid_t pid_ = -1;
  int fd_ = -1;
  std::string unread_;
};

}  // namespace ponder::e2e
