// One run of a recipe in its run directory: recipe.toml (as resolved), run.db, checkpoints/M0…,
// evaluations/, report.html, log.jsonl, lock. Started again with the same recipe it goes on where
// it stopped: finished stages are skipped, rollouts that were paid for stay, training resumes bit
// for bit.
//
//   state of a stage   on disk                               a restart
//   not begun          nothing                               begins it
//   running            its row in run.db, rollouts so far    begins it again with what is there
//                      or trainer_state
//   failed             the same, after an Error               the same
//   done               its row in run.db says so, written    skips it; its checkpoint, if a later
//                      after everything else of the stage    stage needs it or it is the last asked
//                                                            for, is made again where it is damaged
//                                                            or gone
//
// A stage for which there is nothing to do (no problem left, nothing selected, no pair) is done, with
// the sentence that says why, and the stages that do not depend on it go on.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/monitor.h"
#include "base/thread_pool.h"
#include "pipeline/plan.h"
#include "pipeline/progress.h"
#include "pipeline/recipe.h"
#include "pipeline/server_commands.h"
#include "pipeline/stage_list.h"
#include "pool/pool.h"

namespace ponder::pipeline {

// Throws Error (usage) naming the recipe's stages if `until`, where it is not "", is none of them.
void check_until(const Recipe& recipe, const std::string& until);

// What becomes of a run that was begun with another recipe or other source files.
enum class Changes {
  kRefused,
  kRedone,  // the stages that do not follow from this one are done again or dropped
};

class PipelineRun {
 public:
  // `sources`: what read_sources gives. Makes or opens the directory and takes its lock. `monitor` is
  // told what happens, and so is log.jsonl. Throws Error when another process has it, when it was
  // begun with another base, or, where `changes` are refused, with a recipe that differs (naming the
  // keys) or with other source files (naming them, their hashes then and now, and the stages that
  // used them), and says what would be done again.
  PipelineRun(const Recipe& recipe, std::vector<ReadSource> sources,
              const std::filesystem::path& folder, ThreadPool& threads, Monitor& monitor,
              const std::atomic<bool>* stop, Changes changes = Changes::kRefused);
  ~PipelineRun();

  // Runs what is left, up to and including the stage named `until` ("" = all). After each stage,
  // also those found done already, calls `on_stage`. False if the stop flag ended it early. Writes
  // the report after each stage that was run and at the end, however it ends.
  bool execute(const std::string& until,
               const std::function<void(const pool::StageRecord&)>& on_stage);

  // Tells the monitor and log.jsonl of the plan's warnings, and reckons the time that is left by it.
  void expect(const RecipePlan& plan);

  const pool::Pool& pool() const { return *pool_; }

 private:
  void take_up(Changes allowed);
  // False when stopped. A stage that ends in an exception is marked as failed, with its message,
  // before it is passed on.
  bool run_stage(const Stage& planned);
  void report_so_far();
  void record_failure(const std::string& stage, const std::string& reason);
  // The model of that name or, where there was nothing to make it from, the one that stands for it;
  // "" if none does.
  std::string made(std::string model) const;
  // Makes the checkpoint of `model` again if it is damaged or gone. False when stopped.
  bool restore_model(const std::string& model);

  // Has the servers stopped, however the run ends. What fails of that is told of, and is the run's
  // failure if there is no other.
  void end_servers(bool done);

  std::optional<ExpectedSeconds> expected_of(const std::string& stage) const;
  // Keeps the hashes of a checkpoint just made; Error if it was made before and was another.
  void record_checkpoint(const std::string& model);

  const Recipe& recipe_;
  std::vector<ReadSource> sources_;  // until they are ingested
  std::filesystem::path folder_;
  ThreadPool& threads_;
  const std::atomic<bool>* stop_;
  std::map<std::string, double> planned_seconds_;  // of stages
  std::unique_ptr<LockFile> lock_;
  std::unique_ptr<JsonLinesMonitor> log_;
  std::unique_ptr<ProgressFile> progress_;
  std::unique_ptr<MonitorList> monitor_;  // the caller's, log_ and progress_
  std::unique_ptr<ServerCommands> servers_;
  std::unique_ptr<pool::Pool> pool_;
};

}  // namespace ponder::pipeline
