#include "fleet/server_load.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace ponder::fleet {
namespace {

struct Names {
  std::string_view waiting, preempted;  // "": it says nothing of that
};

Names names_of(ServerKind kind) {
  switch (kind) {
    case ServerKind::kVllm:
      return {"vllm:num_requests_waiting", "vllm:num_preemptions_total"};
    case ServerKind::kSglang:
      return {"sglang:num_queue_reqs", "sglang:num_retracted_requests_total"};
    case ServerKind::kLlamaServer:
      return {"llamacpp:requests_deferred", ""};
    case ServerKind::kPonder:
    case ServerKind::kOpenai:
      return {};
  }
  return {};
}

// Behind a name's labels, {name="value",…}, in whose values anything may stand.
std::string_view behind_labels(std::string_view text) {
  if (!text.starts_with('{')) return text;
  bool quoted = false;
  for (size_t i = 1; i < text.size(); ++i) {
    if (quoted && text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (text[i] == '}' && !quoted)
      return text.substr(i + 1);
  }
  return {};
}

// "vllm:num_requests_waiting{engine="0"} 3.0 1790000000": a count, if the line is of that name.
std::optional<int64_t> count_in(std::string_view line, std::string_view name) {
  if (name.empty() || !line.starts_with(name)) return std::nullopt;
  std::string_view text = line.substr(name.size());
  if (!text.starts_with('{') && !text.starts_with(' ')) return std::nullopt;  // a longer name
  text = behind_labels(text);
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || !(value >= 0) || value > 1e15) return std::nullopt;
  return std::llround(value);
}

}  // namespace

bool says_load(ServerKind kind) { return !names_of(kind).waiting.empty(); }

std::optional<ServerLoad> read_load(ServerKind kind, std::string_view metrics) {
  const Names names = names_of(kind);
  ServerLoad load;
  bool found = false;
  while (!metrics.empty()) {
    const std::string_view line = metrics.substr(0, metrics.find('\n'));
    metrics.remove_prefix(std::min(line.size() + 1, metrics.size()));
    for (const auto& [name, sum] :
         {std::pair{names.waiting, &load.waiting}, {names.preempted, &load.preempted}}) {
      if (const std::optional<int64_t> count = count_in(line, name)) {
        *sum += *count;
        found = true;
      }
    }
  }
  return found ? std::optional(load) : std::nullopt;
}

}  // namespace ponder::fleet
