#include "train/training_job.h"

#include <fmt/format.h>

#include <chrono>

#include "base/error.h"
#include "base/file.h"
#include "base/folder_swap.h"
#include "base/hash.h"
#include "base/output_name.h"
#include "base/version.h"
#include "model/added_rows.h"
#include "train/model_card.h"
#include "train/step_log.h"
#include "train/trainer_state.h"

namespace ponder::train {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

// The state to go on from, if `out` has one of this very job.
std::optional<TrainerState> resumable(const fs::path& out, const Json& identity) {
  recover_folder(out);
  if (!fs::exists(out) || (fs::is_directory(out) && fs::is_empty(out))) return std::nullopt;
  auto state = read_trainer_state(out);
  if (!state) {
    throw Error(out.string(),
                "expected a new or empty folder, or a job to resume; found something else",
                "choose another --out, or remove it");
  }
  // States written before the identity had it: the model beside them says what it was.
  const tensor::DType dtype = model::load_config(out).dtype;
  if (dtype != tensor::DType::kF32) state->job["dtype"] = tensor::config_name(dtype);
  const std::string differences = job_differences(state->job, identity);
  if (!differences.empty()) {
    throw Error(out.string(), "holds the state of a different job: " + differences,
                "repeat the command with the old settings, or choose another --out");
  }
  return state;
}

// Keeps a second process off `out`, whose folder is exchanged as a whole and so cannot hold the
// lock itself.
class OutLock {
 public:
  explicit OutLock(const fs::path& out)
      : path_(beside(out, kNextFolder).replace_extension(".lock")) {
    if (path_.has_parent_path()) fs::create_directories(path_.parent_path());
    try {
      lock_ = std::make_unique<LockFile>(path_);
    } catch (const Error& error) {
      throw Error(out.string(), error.problem(), error.advice());
    }
  }
  ~OutLock() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  OutLock(const OutLock&) = delete;
  OutLock& operator=(const OutLock&) = delete;

 private:
  fs::path path_;
  std::unique_ptr<LockFile> lock_;
};

class Saver {
 public:
  Saver(const JobOptions& job, const model::ModelConfig& config, const Json& identity,
        const BatchSource& source, const Trainer& trainer)
      : job_(job), config_(config), identity_(identity), source_(source), trainer_(trainer) {}

  bool due() const {
    const int64_t step = trainer_.position().step;
    if (job_.out.empty() || trainer_.done()) return false;
    if (job_.checkpoint_steps > 0 && step % job_.checkpoint_steps == 0) return true;
    const double since = std::chrono::duration<double>(Clock::now() - last_).count();
    return job_.checkpoint_seconds > 0 && since >= job_.checkpoint_seconds;
  }

  // Returns the sha256 of the saved weights.
  std::string save(const std::vector<double>& losses) {
    if (job_.out.empty()) return "";
    const fs::path next = beside(job_.out, kNextFolder);
    if (next.has_parent_path()) fs::create_directories(next.parent_path());
    try {
      TrainerState state{
          identity_, trainer_.position(), source_.save(), losses, "", trainer_.done(), ""};
      model::SaveOptions options{job_.dtype, job_.base_folder,           job_.end_token_ids,
                                 job_.files, !job_.added_tokens.empty(), job_.provenance};
      options.provenance["ponder"] = version();
      options.provenance["base"] =
          base_facts(job_.base_folder, identity_.at("model_sha256").get<std::string>());
      options.provenance["training"] = identity_;
      options.provenance["steps_done"] = trainer_.position().step;
      if (trainer_.num_steps()) options.provenance["num_steps"] = *trainer_.num_steps();
      state.model_sha256 = model::save_checkpoint(
          next, config_,
          [&](const model::ParameterInfo& parameter, int64_t begin, std::span<float> to) {
            trainer_.state().read_weights(parameter, begin, to);
          },
          options);
      keep_base_card(job_.base_folder, next);
      write_model_card(next, trainer_.done() ? job_.scores : Json::array());
      if (state.finished) state.source = Json::object();
      save_trainer_state(next, state, trainer_);
      swap_folder(next, job_.out);
      last_ = Clock::now();
      return state.model_sha256;
    } catch (...) {
      std::error_code ignored;
      fs::remove_all(next, ignored);
      throw;
    }
  }

 private:
  const JobOptions& job_;
  const model::ModelConfig& config_;
  const Json& identity_;
  const BatchSource& source_;
  const Trainer& trainer_;
  Clock::time_point last_ = Clock::now();
};

// Member 0's state for everyone; nothing where it has none.
std::optional<TrainerState> share(std::optional<TrainerState> state, comm::Communicator& members) {
  if (members.size() == 1) return state;
  std::string text = state ? dump_json(to_json(*state)) : "";
  members.broadcast(text, 0);
  constexpr const char* kWhere = "state of member 0";
  if (text.empty()) return std::nullopt;
  return trainer_state_from(parse_json(text, kWhere), kWhere);
}

// Members that were started with different rows or settings would train nonsense.
void require_one_job(const Json& identity, comm::Communicator& members) {
  const std::string own = sha256_hex(dump_json(identity));
  std::string of_first = own;
  members.broadcast(of_first, 0);
  if (members.all(own == of_first)) return;
  throw Error("ranks", "the members of this job were given different models, rows or settings",
              "start all of them with the same command");
}

JobResult result_of(const TrainerState& state) {
  JobResult result;
  result.finished = state.finished;
  result.steps_done = state.position.step;
  result.num_updates = state.position.num_updates;
  result.total_tokens = state.position.total_tokens;
  result.losses = state.losses;
  if (!result.losses.empty()) result.last_loss = result.losses.back();
  result.sha256 = state.model_sha256;
  return result;
}

// A job that changed nothing is no success: the model under its name would be the one it began with.
void require_updates(const TrainerPosition& position) {
  if (position.num_updates > 0) return;
  throw Error("training",
              position.step == 0 ? "there was no step to do"
                                 : fmt::format("no weight was changed: every step ({}) was skipped",
                                               position.step),
              "check the model with `ponder inspect` and the rows with `ponder data show`");
}

JobResult run_job(model::Checkpoint start, BatchSource& source, const TrainOptions& options,
                  JobOptions job, ThreadPool& threads, comm::Communicator& members) {
  options.check();
  if (members.rank() != 0) job.out = job.log = "";
  if (!job.out.empty()) job.out = behind_links(beside(job.out, ""));
  Json identity{{"model_sha256", start.sha256}};
  identity.update(source.identity());
  identity.update(options.identity());
  if (job.dtype != tensor::DType::kF32) identity["dtype"] = tensor::config_name(job.dtype);
  if (!job.added_tokens.empty()) identity["added_tokens"] = job.added_tokens;
  require_one_job(identity, members);
  const auto note = [&](const std::string& text) {
    if (job.monitor) job.monitor->info(job.task.empty() ? text : job.task + ": " + text);
  };

  std::unique_ptr<OutLock> lock;
  std::optional<TrainerState> state;
  if (!job.out.empty()) {
    lock = std::make_unique<OutLock>(job.out);
    state = resumable(job.out, identity);
  }
  state = share(std::move(state), members);

  const model::ModelConfig config = start.config;
  model::Decoder decoder(config, threads);
  Trainer trainer(config, std::move(start.parameters), source, options, decoder, threads, members);
  JobResult result = state ? result_of(*state) : JobResult();
  result.num_steps = trainer.num_steps().value_or(0);
  if (result.finished) {
    require_updates(state->position);  // one of an earlier version
    note(fmt::format("already finished: all {} steps are done", result.steps_done));
    return result;
  }
  if (state) {
    // Before the first step there is nothing to give back: the source prepares itself again.
    if (state->position.step > 0) {
      source.load(state->source, (job.out / "trainer_state/state.json").string());
    }
    if (members.rank() == 0) load_trainer_arrays(job.out, *state, trainer);
    trainer.mutable_state().broadcast(0);
    trainer.set_position(state->position);
    note(fmt::format("resumed after step {}", state->position.step) +
         (trainer.num_steps() ? fmt::format(" of {}", *trainer.num_steps()) : ""));
  }

  StepLog log(job.log, trainer.position().step);
  Saver saver(job, config, identity, source, trainer);
  const auto place = [&] { return std::pair(trainer.position().step, trainer.done()); };
  auto saved = place();  // what the job begins with need not be written: it begins with it again
  const auto save = [&] {
    if (saved == place()) return;
    if (result.stopped_by_request)
      note(fmt::format("stopping: saves step {}", trainer.position().step));
    log.sync();
    result.sha256 = saver.save(result.losses);
    saved = place();
  };
  while (!trainer.done() &&
         !(job.stop_after_steps > 0 && trainer.position().step >= job.stop_after_steps)) {
    const auto report = trainer.step(job.stop);
    if (!report) {
      result.stopped_by_request = !trainer.done();
      break;
    }
    result.losses.push_back(report->loss);
    log.write(*report);
    if (job.monitor) {
      job.monitor->progress(job.task.empty() ? "step" : job.task, report->step, report->num_steps,
                            to_text(*report), to_json(*report));
    }
    if (!report->skipped.empty()) {
      note(fmt::format("step {} skipped, nothing was changed: {}; rows: {}", report->step,
                       report->skipped, fmt::join(report->skipped_rows, ", ")));
    }
    if (saver.due()) save();
  }
  if (trainer.done()) require_updates(trainer.position());
  save();
  if (!result.losses.empty()) result.last_loss = result.losses.back();
  result.finished = trainer.done();
  result.steps_done = trainer.position().step;
  result.num_updates = trainer.position().num_updates;
  result.total_tokens = trainer.position().total_tokens;
  members.broadcast(result.sha256, 0);  // and nobody is done before the last save is
  return result;
}

}  // namespace

void add_tokens(const std::vector<data::AddedToken>& tokens, model::Checkpoint& start,
                JobOptions& job) {
  std::vector<model::AddedRow> rows;
  for (const data::AddedToken& token : tokens) {
    rows.push_back({token.id, token.pieces});
    job.added_tokens.push_back(token.content);
  }
  model::add_rows(start, rows);
}

JobResult run_training(model::Checkpoint start, BatchSource& source, const TrainOptions& options,
                       const JobOptions& job, ThreadPool& threads, comm::Communicator& members) {
  return comm::abort_on_error(
      members, [&] { return run_job(std::move(start), source, options, job, threads, members); });
}

JobResult run_training(model::Checkpoint start, TrainingTask& task, const TrainOptions& options,
                       const JobOptions& job, ThreadPool& threads, comm::Communicator& members) {
  return comm::abort_on_error(members, [&] {
    PlannedBatches batches(task, options.batch);
    return run_job(std::move(start), batches, options, job, threads, members);
  });
}

}  // namespace ponder::train
