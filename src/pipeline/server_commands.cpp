#include "pipeline/server_commands.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

namespace ponder::pipeline {

ServerCommands::ServerCommands(const FleetSettings& settings, std::filesystem::path folder,
                               Monitor& monitor, const std::atomic<bool>* stop)
    : settings_(settings), folder_(std::move(folder)), monitor_(monitor), stop_(stop) {}

bool ServerCommands::run(const char* key, const std::vector<std::string>& words,
                         const fleet::CommandValues& values, const std::string& log,
                         const std::atomic<bool>* stop) {
  std::vector<std::string> hidden;
  if (!settings_.api_key_env.empty()) hidden.push_back(settings_.api_key_env);
  const std::chrono::milliseconds time(static_cast<int64_t>(1000 * settings_.command_timeout));
  return fleet::run_update_command(key, words, values, hidden, folder_ / "logs" / log, stop,
                                   {.time = time});
}

bool ServerCommands::start(const std::string& stage, fleet::CommandValues values) {
  if (settings_.command.empty()) return true;
  may_run_ = true;  // also where it fails halfway
  values["stage"] = stage;
  return run("fleet.command", settings_.command, values, fmt::format("fleet-{}.log", stage), stop_);
}

bool ServerCommands::stop(const std::string& stage) {
  if (settings_.stop_command.empty() || !may_run_) return true;
  monitor_.info(fmt::format("{}: servers are stopped first", stage));
  if (!run("fleet.stop_command", settings_.stop_command, {{"stage", stage}},
           fmt::format("fleet-stop-{}.log", stage), stop_))
    return false;
  may_run_ = false;
  return true;
}

void ServerCommands::stop_at_end() {
  if (settings_.stop_command.empty() || !may_run_) return;
  monitor_.info("servers are stopped");
  (void)run("fleet.stop_command", settings_.stop_command, {{"stage", "end"}}, "fleet-stop-end.log",
            nullptr);
  may_run_ = false;
}

}  // namespace ponder::pipeline
