#include "serve/metrics.h"

#include <fmt/format.h>

namespace ponder::serve {
namespace {

std::string gauge(std::string_view name, std::string_view type, std::string_view help,
                  int64_t value) {
  return fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, help, type, value);
}

}  // namespace

void Histogram::add(double seconds) {
  size_t i = 0;
  while (i < kBounds.size() && seconds > kBounds[i]) ++i;
  ++counts_[i];
  sum_ += seconds;
  ++count_;
}

std::string Histogram::lines(std::string_view name, std::string_view help) const {
  std::string text = fmt::format("# HELP {0} {1}\n# TYPE {0} histogram\n", name, help);
  int64_t below = 0;
  for (size_t i = 0; i < kBounds.size(); ++i) {
    below += counts_[i];
    text += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, kBounds[i], below);
  }
  text += fmt::format("{0}_bucket{{le=\"+Inf\"}} {1}\n{0}_sum {2}\n{0}_count {1}\n", name, count_,
                      sum_);
  return text;
}

void Metrics::count_answer(std::string_view route, int status) {
  const std::lock_guard lock(mutex_);
  ++answers_[{std::string(route), status}];
}

void Metrics::count_refusal(int status) {
  const std::lock_guard lock(mutex_);
  ++refusals_[status];
}

void Metrics::add_first_token(double seconds) {
  const std::lock_guard lock(mutex_);
  first_token_.add(seconds);
}

void Metrics::add_request(double seconds) {
  const std::lock_guard lock(mutex_);
  request_.add(seconds);
}

std::string Metrics::text(const Now& now) const {
  const std::lock_guard lock(mutex_);
  std::string text =
      "# HELP ponder_requests_total Answers by route and status.\n"
      "# TYPE ponder_requests_total counter\n";
  for (const auto& [key, count] : answers_)
    text += fmt::format("ponder_requests_total{{route=\"{}\",code=\"{}\"}} {}\n", key.first,
                        key.second, count);
  text +=
      "# HELP ponder_refused_total Requests refused before their route was looked for.\n"
      "# TYPE ponder_refused_total counter\n";
  for (const auto& [status, count] : refusals_)
    text += fmt::format("ponder_refused_total{{code=\"{}\"}} {}\n", status, count);
  text += gauge("ponder_completions_running", "gauge", "Completions in the batch.", now.running);
  text += gauge("ponder_completions_waiting", "gauge", "Completions that wait for a place in it.",
                now.waiting);
  text += gauge("ponder_prompt_tokens_total", "counter", "Prompt tokens read.", now.prompt_tokens);
  text += gauge("ponder_sampled_tokens_total", "counter", "Tokens sampled.", now.sampled_tokens);
  text += gauge("ponder_completions_cancelled_total", "counter",
                "Completions given up because the client had left.", now.cancelled);
  text += gauge("ponder_connections", "gauge", "Open connections.", now.connections);
  text += first_token_.lines("ponder_time_to_first_token_seconds",
                             "From a request to the first token of its stream.");
  text += request_.lines("ponder_request_seconds", "From a request to the end of its answer.");
  return text;
}

}  // namespace ponder::serve
