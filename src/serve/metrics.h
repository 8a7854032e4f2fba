// What a server counts, as Prometheus reads it. Safe from any thread. No label is made of a client's
// text.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace ponder::serve {

class Histogram {
 public:
  void add(double seconds);
  // Lines of the exposition format.
  std::string lines(std::string_view name, std::string_view help) const;

  static constexpr std::array<double, 13> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                     0.25,  0.5,    1,     2.5,  10,    60};

 private:
  std::array<int64_t, kBounds.size() + 1> counts_{};
  double sum_ = 0;
  int64_t count_ = 0;
};

class Metrics {
 public:
  void count_answer(std::string_view route, int status);  // `route`: one of the server's own
  void count_refusal(int status);                         // before a route was looked for
  void add_first_token(double seconds);                   // of a stream, from the request
  void add_request(double seconds);                       // to the end of a completion's answer

  struct Now {
    int64_t running = 0, waiting = 0, prompt_tokens = 0, sampled_tokens = 0, cancelled = 0,
            connections = 0;
  };
  // https://prometheus.io/docs/instrumenting/exposition_formats, text version 0.0.4.
  std::string text(const Now& now) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> answers_;
  std::map<int, int64_t> refusals_;
  Histogram first_token_, request_;
};

}  // namespace ponder::serve
