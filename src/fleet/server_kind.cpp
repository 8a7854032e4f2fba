#include "fleet/server_kind.h"

#include <array>
#include <utility>

namespace ponder::fleet {
namespace {

constexpr std::array<std::pair<ServerKind, std::string_view>, 5> kNames = {
    {{ServerKind::kPonder, "ponder"},
     {ServerKind::kVllm, "vllm"},
     {ServerKind::kSglang, "sglang"},
     {ServerKind::kLlamaServer, "llama-server"},
     {ServerKind::kOpenai, "openai"}}};

}  // namespace

std::string_view to_string(ServerKind kind) {
  for (const auto& [value, name] : kNames)
    if (value == kind) return name;
  return "";
}

std::optional<ServerKind> server_kind_from_string(std::string_view text) {
  for (const auto& [value, name] : kNames)
    if (name == text) return value;
  return std::nullopt;
}

std::vector<std::string> server_kind_names() {
  std::vector<std::string> names;
  for (const auto& [value, name] : kNames) names.emplace_back(name);
  return names;
}

}  // namespace ponder::fleet
