// The flags of commands whose model may be asked on servers instead of in this process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/sampling_flags.h"
#include "fleet/fleet.h"

namespace ponder::cli {

struct ServerFlags {
  std::vector<std::string> servers;
  std::string servers_file, kind, api_key_env, served_model, ca_file;
  bool insecure_key = false;
  int max_inflight = 512;
  int64_t rpm = 0, tpm = 0;  // 0: no limit
  double idle_timeout = 0;   // seconds; 0: 120, of a chat endpoint 660
  double patience = 1800;    // seconds

  bool any() const { return !servers.empty() || !servers_file.empty(); }
};

// Adds --server, --servers-file, --server-kind and what goes with them.
void add_server_flags(CLI::App& command, ServerFlags& flags);
// Of these the ones about connections: keys, certificates, limits.
void add_connection_flags(CLI::App& command, ServerFlags& flags);
// As they would be given to a fleet; `kind` where no flag says one. Throws Error (usage) for an address that is none.
fleet::FleetOptions fleet_options(const ServerFlags& flags, fleet::ServerKind kind);

// What of them decides the rows, for a RowFile's job: nothing of ponder servers, whose rows are this process's.
Json job_of_servers(const ServerFlags& flags);

// Servers have weights of their own.
inline generate::Weights weights_for(const ServerFlags& flags) {
  return flags.any() ? generate::Weights::kLeave : generate::Weights::kLoad;
}

// Who samples from the model: this process's engine or servers.
class Sampler {
 public:
  // Borrows the model. Throws Error for what Engine and Fleet refuse.
  Sampler(const SamplingFlags& sampling, const ServerFlags& servers,
          generate::InferenceModel& model, Monitor& monitor);
  rollout::Generator& generator();
  // What it did beside tokens and time, for people: "12.1 sequences at once".
  std::string summary() const;

 private:
  std::unique_ptr<generate::Engine> engine_;
  std::unique_ptr<fleet::Fleet> fleet_;
};

}  // namespace ponder::cli
