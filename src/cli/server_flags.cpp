#include "cli/server_flags.h"

#include <fmt/format.h>

#include "base/error.h"
#include "cli/number_option.h"
#include "net/url.h"

namespace ponder::cli {
namespace {

std::chrono::milliseconds milliseconds_of(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

}  // namespace

void add_server_flags(CLI::App& command, ServerFlags& flags) {
  command
      .add_option("--server", flags.servers,
                  "addresses of servers that have the model and sample in this process's stead, "
                  "separated by commas")
      ->delimiter(',');
  command.add_option("--servers-file", flags.servers_file,
                     "file of servers' addresses, one a line, read again when it changes");
  command
      .add_option("--server-kind", flags.kind,
                  "ponder (ponder serve: the same rows as without a server), vllm, sglang, "
                  "llama-server or openai (default: ponder)")
      ->check(CLI::IsMember(fleet::server_kind_names()));
  command.add_option("--served-model", flags.served_model,
                     "the model's name on the servers (default: ponder-… by its weights, else the "
                     "only one there is)");
  add_connection_flags(command, flags);
}

void add_connection_flags(CLI::App& command, ServerFlags& flags) {
  command.add_option("--api-key-env", flags.api_key_env,
                     "environment variable that holds the servers' key");
  command.add_option("--ca-file", flags.ca_file, "certificates to trust instead of the system's");
  command.add_flag("--insecure-key", flags.insecure_key,
                   "a key may go over plain http to another machine");
  add_number_option(command, "--max-inflight", flags.max_inflight, 1, 65536,
                    "requests at once to one server, at most (default: 512)");
  add_number_option(command, "--rpm", flags.rpm, 1, 1'000'000,
                    "requests a minute to one server, at most (default: no limit)");
  add_number_option(
      command, "--tpm", flags.tpm, 1, 1'000'000'000'000,
      "tokens a minute of one server, at most: of prompts and answers; one without an "
      "answer yet counts with its --max-tokens (default: no limit)");
  command
      .add_option(
          "--idle-timeout", flags.idle_timeout,
          "seconds without a byte after which a begun answer counts as cut (default: 120, of a "
          "chat endpoint 660)")
      ->check(CLI::Range(1.0, 86'400.0));
  command
      .add_option("--patience", flags.patience,
                  "seconds without an answer of any server after which to stop (default: 1800)")
      ->check(CLI::Range(1.0, 1e7));
}

fleet::FleetOptions fleet_options(const ServerFlags& flags, fleet::ServerKind kind) {
  fleet::FleetOptions options;
  options.kind = flags.kind.empty() ? kind : *fleet::server_kind_from_string(flags.kind);
  for (const std::string& server : flags.servers)
    options.servers.push_back(net::parse_url(server, "--server").text());
  options.servers_file = flags.servers_file;
  options.api_key_env = flags.api_key_env;
  options.served_model = flags.served_model;
  options.http.ca_file = flags.ca_file;
  options.http.insecure_key = flags.insecure_key;
  options.rules.max_inflight = flags.max_inflight;
  options.rules.pace = {flags.rpm, flags.tpm};
  const double usual = fleet::has_token_ids(options.kind) ? 120 : 660;
  options.limits.silence = milliseconds_of(flags.idle_timeout > 0 ? flags.idle_timeout : usual);
  options.rules.patience = milliseconds_of(flags.patience);
  return options;
}

namespace {

// What would change nothing, and was meant to.
void refuse_without_servers(const ServerFlags& flags) {
  const std::pair<const char*, bool> given[] = {{"--server-kind", !flags.kind.empty()},
                                                {"--api-key-env", !flags.api_key_env.empty()},
                                                {"--served-model", !flags.served_model.empty()},
                                                {"--ca-file", !flags.ca_file.empty()},
                                                {"--rpm", flags.rpm > 0},
                                                {"--tpm", flags.tpm > 0},
                                                {"--insecure-key", flags.insecure_key}};
  for (const auto& [flag, is_given] : given) {
    if (!is_given) continue;
    throw Error(ErrorKind::kUsage, flag, "is of servers, and none is named",
                "name them with --server, or leave it out: then this process samples");
  }
}

}  // namespace

Json job_of_servers(const ServerFlags& flags) {
  if (!flags.any() || flags.kind.empty() || flags.kind == "ponder") return Json::object();
  return {{"server kind", flags.kind}, {"served model", flags.served_model}};
}

Sampler::Sampler(const SamplingFlags& sampling, const ServerFlags& servers,
                 generate::InferenceModel& model, Monitor& monitor) {
  if (!servers.any()) {
    refuse_without_servers(servers);
    engine_ = std::make_unique<generate::Engine>(
        model.decoder(), &model.text().tokenizer(), model.threads(),
        model.engine_options(sampling.max_batch, static_cast<int64_t>(sampling.kv_cache_bytes)));
    return;
  }
  fleet::FleetOptions options = fleet_options(servers, fleet::ServerKind::kPonder);
  if (!fleet::has_token_ids(options.kind)) {
    throw Error(ErrorKind::kUsage, "--server-kind openai",
                "a chat endpoint takes no token ids, and --model is a folder with a tokenizer",
                "ponder eval --model URL --served-model NAME asks a chat endpoint by itself");
  }
  options.model_sha256 = model.sha256();
  options.precision = model.precision();
  fleet_ = std::make_unique<fleet::Fleet>(&model.text().tokenizer(), std::move(options), monitor);
}

rollout::Generator& Sampler::generator() {
  if (fleet_) return *fleet_;
  return *engine_;
}

std::string Sampler::summary() const {
  return fleet_ ? fleet_->summary()
                : fmt::format("{:.1f} sequences at once", engine_->report().mean_running);
}

}  // namespace ponder::cli
