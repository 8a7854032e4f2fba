// The commands of a recipe's [fleet]: one gives servers a stage's model, the other ends them, so that a
// machine's GPUs serve or train and never do both. Servers outlive the process that had them started;
// what a run finds when it begins is not known, and counts as running.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>

#include "base/monitor.h"
#include "fleet/update_command.h"
#include "pipeline/recipe.h"

namespace ponder::pipeline {

class ServerCommands {
 public:
  // Borrows settings, monitor and the stop flag. Output goes to files in `folder`/logs.
  ServerCommands(const FleetSettings& settings, std::filesystem::path folder, Monitor& monitor,
                 const std::atomic<bool>* stop);

  // Runs fleet.command, where there is one, for `stage`; of `values` "stage" is filled in here. False if
  // the run was told to stop meanwhile. Throws Error as run_update_command does.
  bool start(const std::string& stage, fleet::CommandValues values);
  // Servers were found, whoever started them.
  void found() { may_run_ = true; }
  // Runs fleet.stop_command, where there is one and servers may run, before `stage` trains. As start().
  bool stop(const std::string& stage);
  // The same when the run ends, told to stop or not.
  void stop_at_end();

 private:
  bool run(const char* key, const std::vector<std::string>& words,
           const fleet::CommandValues& values, const std::string& log,
           const std::atomic<bool>* stop);

  const FleetSettings& settings_;
  const std::filesystem::path folder_;
  Monitor& monitor_;
  const std::atomic<bool>* stop_;
  bool may_run_ = true;
};

}  // namespace ponder::pipeline
