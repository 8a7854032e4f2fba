// A real ponder serve for tests of what asks it.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {

// A running ponder serve.
class Server {
 public:
  Server(const fs::path& model, const fs::path& log, const std::string& port = "0",
         const std::string& more = "")
      : process_({"sh", "-c",
                  fmt::format("exec {} serve {} --port {} --json --quiet {} > {}", program(),
                              model.string(), port, more, log.string())},
                 {.folder = {}, .input = "", .limit = std::chrono::seconds(250)}) {
    for (int i = 0; i < 600 && url_.empty(); ++i) {
      if (process_.ended_within(std::chrono::milliseconds(50)))
        throw std::runtime_error("no server: " + process_.wait().err);
      if (!fs::exists(log)) continue;
      const std::string text = read_file(log);
      if (text.find('\n') != std::string::npos) url_ = json_lines(text).at(0)["url"];
    }
  }
  const std::string& url() const { return url_; }
  std::string port() const { return url_.substr(url_.rfind(':') + 1); }
  void kill() {
    process_.signal(SIGKILL);
    process_.wait();
  }

 private:
  testing::Process process_;
  std::string url_;
};

}  // namespace ponder::e2e
