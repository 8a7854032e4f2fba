#include "pipeline/run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

#include "base/any_error.h"
#include "base/folder_swap.h"
#include "model/checkpoint.h"
#include "pipeline/redo.h"
#include "pipeline/run_files.h"
#include "pipeline/stage_inputs.h"
#include "pipeline/toml_section.h"
#include "pool/stage_result.h"
#include "report/report.h"

namespace ponder::pipeline {
namespace fs = std::filesystem;
namespace {

pool::StageSpec spec_of(const Stage& stage, const Recipe& recipe, const pool::Pool& pool) {
  pool::StageSpec spec;
  spec.name = stage.name;
  spec.kind = stage.kind->name;
  spec.round = stage.round;
  if (!stage.input.empty()) spec.inputs = {stage.input};
  spec.inputs.insert(spec.inputs.end(), stage.reads.begin(), stage.reads.end());
  if (!stage.output.empty()) spec.outputs = {stage.output};
  spec.inputs_sha256 = inputs_sha256(stage, recipe, pool);
  return spec;
}

// The recipe a run was begun with, as this program resolves it: a key that it did not know then has
// its default, which is what the program did then. As it stands where it cannot be resolved.
std::string resolved_again(const fs::path& saved) {
  try {
    return load_recipe(saved, {}, RecipeFiles::kOfARun).resolved;
  } catch (const Error&) {
    const std::string text = read_file(saved);
    parse_toml(text, saved.string());
    return text;
  }
}

// What to do about a changed recipe, as the first of three. Of the arithmetic the user may have
// changed nothing: its definition is another since, or what is taken where nothing is said.
std::string how_to_go_on(const std::string& then, const Recipe& now) {
  const std::map<std::string, std::string> keys = recipe_keys(then);
  const auto found = keys.find("precision");
  const std::string began = found == keys.end() ? "'f32'" : found->second;
  const auto began_in = [&](tensor::Precision precision) {
    return began == fmt::format("'{}'", tensor::stored_name(precision));
  };
  if (now.precision == tensor::Precision::kBf16) {
    if (began_in(tensor::Precision::kBf16First) || began_in(tensor::Precision::kBf16Second))
      return "bf16 is defined otherwise since (docs/arithmetic.md): go on with the ponder that "
             "began it";
    if (began == "'f32'")
      return "undo the change (precision = \"f32\" if nothing was said of it: a large model's is "
             "bf16)";
  }
  return "undo the change";
}

// The time that a process worked which was killed, and could not add it itself.
void add_seconds_of_killed(const fs::path& folder, pool::Pool& pool) {
  const std::optional<Json> last = read_progress(folder);
  if (!last || !last->is_object()) return;
  const auto name = last->find("stage"), seconds = last->find("stage_seconds");
  if (name == last->end() || seconds == last->end() || !name->is_string() || !seconds->is_number())
    return;
  const std::optional<pool::StageRecord> stage = pool.stage(name->get<std::string>());
  if (stage && stage->state == pool::StageState::kRunning)
    pool.stop_stage(stage->name, seconds->get<double>());
  remove_progress(folder);  // once
}

bool had_nothing_to_do(const pool::Pool& pool, const Stage& stage) {
  const std::optional<pool::StageRecord> record = pool.stage(stage.name);
  return record && !pool::nothing_of(*record).empty();
}

// The model that is asked for: the last that is made up to the stage `until` ("" = all).
std::string last_model(const Recipe& recipe, const std::string& until, const pool::Pool& pool) {
  std::string model;
  for (const Stage& stage : stages_of(recipe)) {
    if (!stage.output.empty() && !had_nothing_to_do(pool, stage)) model = stage.output;
    if (stage.name == until) break;
  }
  return model;
}

}  // namespace

void check_until(const Recipe& recipe, const std::string& until) {
  std::string names;
  bool known = until.empty();
  for (const Stage& stage : stages_of(recipe)) {
    known = known || stage.name == until;
    names += (names.empty() ? "" : ", ") + stage.name;
  }
  if (known) return;
  throw Error(ErrorKind::kUsage, "--until " + until, "no such stage", "the stages are " + names);
}

PipelineRun::PipelineRun(const Recipe& recipe, std::vector<ReadSource> sources,
                         const fs::path& folder, ThreadPool& threads, Monitor& monitor,
                         const std::atomic<bool>* stop, Changes changes)
    : recipe_(recipe),
      sources_(std::move(sources)),
      folder_(folder),
      threads_(threads),
      stop_(stop) {
  fs::create_directories(folder_ / "checkpoints");
  lock_ = std::make_unique<LockFile>(folder_ / "lock");
  pool_ = std::make_unique<pool::Pool>(pool::Pool::open(folder_ / "run.db"));
  log_ = std::make_unique<JsonLinesMonitor>(folder_ / "log.jsonl");
  add_seconds_of_killed(folder_, *pool_);
  progress_ = std::make_unique<ProgressFile>(folder_);
  monitor_ =
      std::make_unique<MonitorList>(std::vector<Monitor*>{&monitor, log_.get(), progress_.get()});
  servers_ = std::make_unique<ServerCommands>(recipe_.fleet, folder_, *monitor_, stop_);
  take_up(changes);
  const std::string base_sha256 = model::checkpoint_sha256(recipe.base);
  const std::optional<pool::ModelRecord> base = pool_->model_named("M0");
  if (!base) {
    pool_->add_model({base_sha256, "M0", "", "", recipe.base.string()});
  } else if (base->sha256 != base_sha256) {  // of a run begun before it kept its files' hashes
    throw Error(folder_.string(),
                fmt::format("was begun with another base model: {} has sha256 {} now, {} then",
                            recipe.base.string(), base_sha256, base->sha256),
                "put the old weights back, or start a new run with another --out");
  }
}

PipelineRun::~PipelineRun() = default;

void PipelineRun::expect(const RecipePlan& plan) {
  for (const std::string& warning : plan.warnings) monitor_->warning(warning);
  for (const StagePlan& stage : plan.stages) planned_seconds_[stage.name] = stage.seconds;
}

std::optional<ExpectedSeconds> PipelineRun::expected_of(const std::string& name) const {
  std::vector<StageTime> times;
  size_t index = 0;
  for (const Stage& stage : stages_of(recipe_)) {
    if (stage.name == name) index = times.size();
    StageTime& time = times.emplace_back();
    time.name = stage.name;
    time.trains = !stage.output.empty();
    if (const auto planned = planned_seconds_.find(stage.name); planned != planned_seconds_.end())
      time.planned = planned->second;
    const std::optional<pool::StageRecord> record = pool_->stage(stage.name);
    if (record && record->state == pool::StageState::kDone) time.took = record->seconds;
  }
  return expected_seconds(times, index);
}

// Goes on with what is there by this recipe: as it is, or after taking back what does not follow from
// it.
void PipelineRun::take_up(Changes allowed) {
  const fs::path saved = folder_ / "recipe.toml";
  for (const pool::StageRecord& stage : pool_->stages()) {
    if (stage.kind == pool::stage_kind::kImport) {
      throw Error(folder_.string(), "is a pool of imported responses",
                  "start the run with another --out");
    }
  }
  if (!fs::exists(saved)) write_file_atomic(saved, recipe_.resolved);
  const std::string then = resolved_again(saved);
  const std::vector<std::string> keys = recipe_differences(then, recipe_.resolved);
  const InputChanges inputs = input_changes(recipe_, *pool_);
  if (!inputs.base.empty()) {
    throw Error(folder_.string(), "was begun with other inputs: " + inputs.base,
                "put the old files back, or start a new run with another --out, which does every "
                "stage again");
  }
  if (!keys.empty() || !inputs.sources.empty()) {
    const Redo redo = plan_redo(recipe_, sources_, *pool_);
    if (allowed == Changes::kRefused) {
      const auto& changes = keys.empty() ? inputs.sources : keys;
      throw Error(
          folder_.string(),
          fmt::format("was begun with {}: {}", keys.empty() ? "other inputs" : "another recipe",
                      fmt::join(changes, "; ")),
          fmt::format("{}, start a new run with another --out, or go on with --redo ({})",
                      how_to_go_on(then, recipe_), describe(redo)));
    }
    monitor_->info(fmt::format("--redo: {}", describe(redo)));
    take_back(redo, recipe_, sources_, *pool_, folder_);
    write_file_atomic(saved, recipe_.resolved);
  }
  if (pool_->files("M0").empty() || !inputs.sources.empty() || !keys.empty())
    record_inputs(recipe_, *pool_);
}

bool PipelineRun::execute(const std::string& until,
                          const std::function<void(const pool::StageRecord&)>& on_stage) {
  check_until(recipe_, until);
  const std::string wanted = last_model(recipe_, until, *pool_);
  bool finished = true;
  std::string at;  // the stage
  try {
    for (const Stage& stage : stages_of(recipe_)) {
      at = stage.name;
      const std::optional<pool::StageRecord> record = pool_->stage(stage.name);
      if (record && record->state == pool::StageState::kDone) {
        monitor_->info(fmt::format("{}: done already", stage.name));
        if (!stage.output.empty() && stage.output == wanted) finished = restore_model(wanted);
      } else {
        monitor_->info(fmt::format("{}: {}", stage.name, record ? "going on" : "begins"));
        finished = run_stage(stage);
        if (finished) report_so_far();
      }
      if (!finished) break;
      on_stage(*pool_->stage(stage.name));
      if (stage.name == until) break;
    }
  } catch (const std::exception& any) {
    const Error error = as_error(any);
    record_failure(at, error.what());
    end_servers(false);
    const bool named = error.where() == at || error.where().starts_with(at + ":");
    throw Error(error.kind(),
                named || error.where().empty() ? at : fmt::format("{}: {}", at, error.where()),
                error.problem(), error.advice());
  }
  report::write_report(*pool_, folder_);
  end_servers(finished);
  return finished;
}

void PipelineRun::end_servers(bool done) {
  try {
    servers_->stop_at_end();
  } catch (const Error& error) {
    if (!done) {
      monitor_->warning(error.what());
      return;
    }
    record_failure("", error.what());
    throw;
  }
}

// What failed is told by the exception under way, whatever can still be written of it.
void PipelineRun::record_failure(const std::string& stage, const std::string& reason) {
  const auto trying = [](const auto& write) {
    try {
      write();
    } catch (const std::exception&) {
    }
  };
  remove_progress(folder_);  // where the disk is full it leaves room for a line
  trying([&] { monitor_->record("error", {{"stage", stage}, {"text", reason}}); });
  trying([&] { report::write_report(*pool_, folder_); });
}

// For whoever looks on: what cannot be written now is tried again at the end.
void PipelineRun::report_so_far() {
  try {
    report::write_report(*pool_, folder_);
  } catch (const std::exception& error) {
    monitor_->warning(std::string("report.html could not be written: ") + error.what());
  }
}

// A checkpoint that is not what its stage made is made again: a stage is a function of what the
// pool holds, so the same bytes come out, or an Error says that they do not.
bool PipelineRun::restore_model(const std::string& model) {
  const fs::path folder = folder_ / "checkpoints" / model;
  const std::vector<pool::FileRecord> then = pool_->files(model);
  std::string damage;
  try {
    if (then.empty()) {  // made before files were recorded
      const std::optional<pool::ModelRecord> record = pool_->model_named(model);
      if (record && record->sha256 != model::checkpoint_sha256(folder))
        damage = "weights: another hash";
    } else {
      damage = file_differences(then, checkpoint_files(folder, model));
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kBusy) throw;  // not known to be damaged: it cannot be read now
    damage = error.what();
  }
  if (damage.empty()) return true;
  for (const Stage& stage : stages_of(recipe_)) {
    if (stage.output != model) continue;
    monitor_->warning(
        fmt::format("{}: {} is not what it was ({}): made again", stage.name, model, damage));
    if (fs::exists(folder)) {
      const fs::path aside = beside(folder, ".damaged");
      fs::remove_all(aside);
      fs::rename(folder, aside);
    }
    pool_->reopen_stage(stage.name);
    return run_stage(stage);
  }
  throw Error(folder.string(), "is not what it was: " + damage, "put the old files back");
}

void PipelineRun::record_checkpoint(const std::string& model) {
  const std::vector<pool::FileRecord> then = pool_->files(model);
  const std::vector<pool::FileRecord> now =
      checkpoint_files(folder_ / "checkpoints" / model, model);
  const std::string differences = then.empty() ? "" : file_differences(then, now);
  if (!differences.empty()) {
    throw Error(model, "made again it is another: " + differences,
                "what was made from it stands on the first; begin a new run");
  }
  pool::Pool::Transaction transaction(*pool_);  // all of them or none: they are compared as a whole
  for (const pool::FileRecord& file : now) pool_->add_file(file);
  transaction.commit();
}

std::string PipelineRun::made(std::string model) const {
  const std::vector<Stage> stages = stages_of(recipe_);
  for (auto stage = stages.rbegin(); stage != stages.rend(); ++stage) {
    if (!model.empty() && stage->output == model && had_nothing_to_do(*pool_, *stage))
      model = stage->instead;
  }
  return model;
}

bool PipelineRun::run_stage(const Stage& planned) {
  Stage stage = planned;
  std::string missing;
  if (const std::string model = made(stage.input); model != stage.input) {
    if (model.empty() || stage.only_its_input)
      missing = fmt::format("there is no {}", stage.input);
    else
      stage.input = model;
  }
  if (missing.empty() && !stage.input.empty() && stage.input != "M0" && !restore_model(stage.input))
    return false;
  pool_->verify();
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  pool_->begin_stage(spec_of(stage, recipe_, *pool_));
  const std::vector<Stage> all = stages_of(recipe_);
  const auto place = std::find_if(all.begin(), all.end(),
                                  [&](const Stage& other) { return other.name == stage.name; });
  progress_->begin_stage(stage.name, static_cast<size_t>(place - all.begin()) + 1, all.size(),
                         expected_of(stage.name));
  monitor_->record("begin", {{"stage", stage.name}});
  StageContext context{recipe_,  stage,     *pool_, threads_, *monitor_,
                       sources_, *servers_, stop_,  folder_};
  StageOutcome outcome;
  try {
    outcome = missing.empty() ? stage.kind->run(context) : StageOutcome::nothing(missing);
    if (outcome.finished && !stage.output.empty() && pool_->model_named(stage.output))
      record_checkpoint(stage.output);
  } catch (const std::exception& error) {
    try {
      pool_->finish_stage(stage.name, pool::StageState::kFailed, seconds(), 0,
                          pool::failure(as_error(error).what()));
    } catch (const std::exception&) {  // a full disk; the log may still take it
    }
    throw;
  }
  if (!outcome.finished) {
    pool_->stop_stage(stage.name, seconds());
    monitor_->info(fmt::format("{}: stopped; the same command goes on from here", stage.name));
    return false;
  }
  const double elapsed = seconds();
  pool_->finish_stage(stage.name, pool::StageState::kDone, elapsed, outcome.rows, outcome.result);
  monitor_->record("stage",
                   {{"stage", stage.name}, {"rows", outcome.rows}, {"result", outcome.result}});
  const std::string nothing = pool::nothing_of(*pool_->stage(stage.name));
  if (!nothing.empty())
    monitor_->warning(fmt::format("{}: nothing to do: {}", stage.name, nothing));
  monitor_->info(fmt::format("{}: done in {:.1f} s", stage.name, elapsed));
  return true;
}

}  // namespace ponder::pipeline
