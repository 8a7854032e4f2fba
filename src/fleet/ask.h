// What is asked of each kind of server, as pure functions. Every sampling field is sent: servers fill
// the missing ones from the model's generation_config or from defaults of their own.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/json.h"
#include "fleet/server_kind.h"
#include "rollout/generator.h"

namespace ponder::fleet {

struct Ask {
  std::string path;  // from the server's address: "/v1/completions"
  Json body;
  bool streams = true;
};

// A completion by token ids, going on behind `so_far`, which were sampled before. For every kind but
// kOpenai.
Ask ask_tokens(ServerKind kind, const rollout::CompletionRequest& request,
               std::span<const int32_t> so_far, const std::string& model);

// A chat's answer, of any OpenAI-compatible endpoint.
struct ChatSettings {
  std::string model;
  std::string max_tokens_field = "max_tokens";  // or max_completion_tokens
  bool send_sampling = true;                    // temperature, top_p: some models refuse them
  bool send_seed = false;
  Json extra = Json::object();  // fields of the body, untouched
};
Ask ask_chat(const rollout::CompletionRequest& request, const ChatSettings& settings);

// The whole address: `path` behind that of a server. A server's address may have a path, mostly "/v1",
// which then stands for the "/v1" of `path`, as in OpenAI's clients.
std::string address_of(const std::string& server, const std::string& path);

// The seed of a request for servers that draw otherwise than we do: of (seed, problem, sample, how many
// tokens are there), below 2^63 (below 2^32 - 1 for kLlamaServer).
uint64_t server_seed(ServerKind kind, const rollout::SeedKey& key, size_t so_far);

}  // namespace ponder::fleet
