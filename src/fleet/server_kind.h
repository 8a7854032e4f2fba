// The kinds of inference servers that can be asked. docs/fleet.md says what each is asked for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ponder::fleet {

enum class ServerKind {
  kPonder,       // ponder serve: token ids, our own random numbers, our own log-probabilities
  kVllm,         // /v1/completions with token ids
  kSglang,       // /generate
  kLlamaServer,  // /completion of llama.cpp
  kOpenai,       // /v1/chat/completions of anybody: text alone
};

std::string_view to_string(
    ServerKind kind);  // "ponder", "vllm", "sglang", "llama-server", "openai"
std::optional<ServerKind> server_kind_from_string(std::string_view text);
std::vector<std::string> server_kind_names();
// Whether it takes and gives token ids, and so can make rollouts to train on.
inline bool has_token_ids(ServerKind kind) { return kind != ServerKind::kOpenai; }

}  // namespace ponder::fleet
