// Who samples in a stage: this process's engine, or the servers of the recipe's [fleet], which make the
// same rows. Internal to pipeline.
#pragma once

#include <memory>
#include <span>

#include "fleet/fleet.h"
#include "generate/engine.h"
#include "generate/inference_model.h"
#include "pipeline/server_records.h"
#include "pipeline/stage.h"

namespace ponder::pipeline {

bool samples_on_servers(const StageContext& context);

class StageSampler {
 public:
  // Borrows all. Servers that do not have the model yet are given it by fleet.command, where there is
  // one, and waited for as long as fleet.ready_timeout says; those that cannot say the hash of its weights
  // prove them by canaries, which come of the answers to `requests`. `records` is told of what servers are
  // asked and found to be. Throws Error as Engine and Fleet do.
  StageSampler(const StageContext& context, generate::InferenceModel& model,
               std::span<const rollout::RolloutRequest> requests, ServerRecords& records);
  // Null if the run was told to stop meanwhile.
  rollout::Generator* generator();
  // The run's monitor; with servers one that adds to progress what each of them does now ("fleet").
  // For the thread that works with the generator.
  Monitor& monitor(const StageContext& context) const;
  // Servers whose answers are provisional prove their weights once more, now. Returns the addresses of those that
  // did not. Early where the run is told to stop.
  std::vector<std::string> prove(const StageContext& context);
  // Tells the monitor what the servers did.
  void tell(const StageContext& context) const;

 private:
  void open_fleet(const StageContext& context, const generate::InferenceModel& model,
                  std::span<const rollout::RolloutRequest> requests, ServerRecords& records);

  std::unique_ptr<generate::Engine> engine_;
  std::unique_ptr<fleet::Fleet> fleet_;
  std::unique_ptr<Monitor> with_fleet_;
};

}  // namespace ponder::pipeline
