// The recipe's [fleet].
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "fleet/update_command.h"
#include "net/url.h"
#include "pipeline/recipe_parts.h"

namespace ponder::pipeline {
namespace {

constexpr double kManySeconds = 1e7;

void check_stages(const TomlSection& section, const std::vector<std::string>& stages) {
  for (const std::string& stage : stages) {
    if (stage == "screen" || stage == "explore" || stage == "evaluate") continue;
    section.fail("stages", fmt::format("\"{}\" does not sample", excerpt(stage)),
                 "screen, explore and evaluate do");
  }
}

std::vector<std::string> read_command(TomlSection& section, const char* key,
                                      const fleet::CommandValues& values) {
  std::vector<std::string> words = section.texts(key);
  try {
    (void)fleet::filled(key, words, values);
  } catch (const Error& error) {
    section.fail(key, error.problem(), error.advice());
  }
  return words;
}

}  // namespace

bool FleetSettings::samples(std::string_view stage_kind) const {
  return any() && std::ranges::find(stages, stage_kind) != stages.end();
}

FleetSettings read_fleet(TomlSection section, const std::filesystem::path& folder) {
  FleetSettings fleet;
  const std::string kind = section.text("kind", "ponder");
  if (kind == "openai") {
    section.fail(
        "kind", "a chat endpoint takes and gives text, and what is trained on are token ids",
        "servers of the run's own models are ponder, vllm, sglang or llama-server; somebody "
        "else's model is a [teacher], and is scored by ponder eval --model URL");
  }
  fleet.kind = *fleet::server_kind_from_string(
      section.choice("kind", "ponder", {"ponder", "vllm", "sglang", "llama-server"}));
  for (const std::string& server : section.texts("servers")) {
    try {
      fleet.servers.push_back(net::parse_url(server, "fleet.servers").text());
    } catch (const Error& error) {
      section.fail("servers", error.problem(), error.advice());
    }
  }
  const std::string file = section.text("servers_file", "");
  if (!file.empty())
    fleet.servers_file = std::filesystem::absolute(folder / file).lexically_normal();
  if (!fleet.any())
    section.fail("servers", "names no server", "servers = [\"http://gpu1:8321\"], or servers_file");
  fleet.api_key_env = section.text("api_key_env", "");
  for (const char c : fleet.api_key_env) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '_') continue;
    section.fail("api_key_env", "is no name of an environment variable",
                 "a key itself never stands in a recipe: export it, and name the variable here");
  }
  fleet.insecure_key = section.boolean("insecure_key", false);
  const std::string ca_file = section.text("ca_file", "");
  if (!ca_file.empty()) fleet.ca_file = std::filesystem::absolute(folder / ca_file);
  fleet.command = read_command(
      section, "command",
      {{"model_dir", ""}, {"served_name", ""}, {"model_sha256", ""}, {"model", ""}, {"stage", ""}});
  fleet.stop_command = read_command(section, "stop_command", {{"stage", ""}});
  if (!fleet.stop_command.empty() && fleet.command.empty()) {
    section.fail("stop_command", "stops servers, and nothing would start them again",
                 "give command too");
  }
  fleet.command_timeout = section.number("command_timeout", 0, 0, kManySeconds);
  fleet.ready_timeout = section.number("ready_timeout", 1800, 0, kManySeconds);
  fleet.max_inflight = section.integer("max_inflight", 512, 1, 65536);
  fleet.rpm = section.integer("rpm", 0, 0, 1'000'000);
  fleet.tpm = section.integer("tpm", 0, 0, 1'000'000'000'000);
  fleet.idle_timeout = section.number("idle_timeout", 120, 1, kManySeconds);
  fleet.patience = section.number("patience", 1800, 1, kManySeconds);
  fleet.canary_every = section.number("canary_every", 1800, 0, kManySeconds);
  if (section.has("stages")) {
    fleet.stages = section.texts("stages");
    check_stages(section, fleet.stages);
  }
  section.finish();
  return fleet;
}

}  // namespace ponder::pipeline
