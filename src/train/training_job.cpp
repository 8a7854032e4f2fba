#include "train/training_job.h"

#include <fmt/format.h>

#include <algorithm>
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
    // What nobody can repeat: the definition of bf16 is another since.
    const std::string began = state->job.value("precision", "");
    std::string_view old = "repeat the command with the old settings";
    if (identity.value("precision", "") == tensor::stored_name(tensor::Precision::kBf16)) {
      const auto kept = tensor::precision_from_stored(began);
      if (kept && tensor::is_former(*kept))
        old =
            "bf16 is defined otherwise since (docs/arithmetic.md): go on with the ponder that "
            "began it";
      else if (began.empty())
        old =
            "repeat the command with the old settings (--precision f32 where it had none: a "
            "large model's is bf16 now)";
    }
    throw Error(out.string(), "holds the state of a different job: " + differences,
                fmt::format("{}, or choose another --out", old));
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
        const BatchSource& source, const Trainer& trainer, const JobResult& result)
      : job_(job),
        config_(config),
        identity_(identity),
        source_(source),
        trainer_(trainer),
        result_(result) {}

  bool due() const {
    const int64_t step = trainer_.position().step;
    if (job_.out.empty() || trainer_.done()) return false;
    if (job_.checkpoint_steps > 0 && step % job_.checkpoint_steps == 0) return true;
    const double since = std::chrono::duration<double>(Clock::now() - last_).count();
    return job_.checkpoint_seconds > 0 && since >= job_.checkpoint_seconds;
  }

  // Returns the sha256 of the saved weights.
  std::string save() {
    if (job_.out.empty()) return "";
    const fs::path next = beside(job_.out, kNextFolder);
    if (next.has_parent_path()) fs::create_directories(next.parent_path());
    try {
      TrainerState state;
      state.job = identity_;
      state.position = trainer_.position();
      state.source = source_.save();
      state.losses = result_.losses;
      state.probes = result_.probes;
      state.finished = trainer_.done();
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
  const JobResult& result_;
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
  result.probes = state.probes;
  if (!result.probes.empty()) result.alarm = result.probes.back().alarm;
  result.sha256 = state.model_sha256;
  return result;
}

// Asks the job's probe where one is due.
class ProbeWatch {
 public:
  ProbeWatch(const JobOptions& job, Trainer& trainer, model::Decoder& decoder, JobResult& result)
      : job_(job), trainer_(trainer), decoder_(decoder), result_(result) {
    if (!job.probe) return;
    every_ = job.probe->every_steps;
    if (every_ == 0) every_ = std::max<int64_t>(1, (trainer.num_steps().value_or(8) + 7) / 8);
  }

  bool due() const {
    if (every_ == 0 || !result_.alarm.empty()) return false;
    const int64_t step = trainer_.position().step;
    if (!result_.probes.empty() && result_.probes.back().step >= step) return false;
    return step % every_ == 0 || trainer_.done();
  }

  // The reading is the last of result.probes then; false if it was stopped.
  bool look() {
    struct Watched {
      model::Decoder& decoder;
      ~Watched() { decoder.set_stop(nullptr); }
    } const watched{decoder_};
    decoder_.set_stop(job_.stop);
    try {
      ProbeReading reading = job_.probe->read(trainer_.policy(), result_.probes);
      reading.step = trainer_.position().step;
      result_.alarm = reading.alarm;
      result_.probes.push_back(std::move(reading));
      return true;
    } catch (const model::Interrupted&) {
      return false;
    }
  }

  // Puts the weights of the last good reading back; false where those are the starting ones.
  bool go_back() {
    const auto found = std::find_if(result_.probes.rbegin(), result_.probes.rend(),
                                    [](const auto& r) { return r.alarm.empty(); });
    if (found == result_.probes.rend() || found->step == 0) return false;
    const ProbeReading& good = *found;
    const fs::path folder = good_folder(job_.out);
    const auto state = read_trainer_state(folder);
    if (!state || state->position.step != good.step) {
      throw Error(folder.string(),
                  fmt::format("expected the weights of step {}, the last good ones", good.step),
                  "remove the job's folder to start it again");
    }
    load_trainer_arrays(folder, *state, trainer_);
    trainer_.set_position(state->position);
    trainer_.end();
    result_.losses.resize(static_cast<size_t>(good.step));
    return true;
  }

 private:
  const JobOptions& job_;
  Trainer& trainer_;
  model::Decoder& decoder_;
  JobResult& result_;
  int64_t every_ = 0;  // 0: there is no probe
};

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
  if (job.probe) {
    identity["probe"] = job.probe->identity;
    identity["probe"]["every_steps"] = job.probe->every_steps;
    if (members.size() > 1 || job.out.empty())
      throw Error(ErrorKind::kInternal, "probe", "needs a folder and a job of one member");
  }
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
  model::Decoder decoder(config, threads, options.precision);
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
  Saver saver(job, config, identity, source, trainer, result);
  ProbeWatch probe(job, trainer, decoder, result);
  const auto place = [&] { return std::pair(trainer.position().step, trainer.done()); };
  auto saved = place();  // what the job begins with need not be written: it begins with it again
  const auto save = [&] {
    if (saved == place()) return;
    if (result.stopped_by_request)
      note(fmt::format("stopping: saves step {}", trainer.position().step));
    log.sync();
    result.sha256 = saver.save();
    saved = place();
  };
  if (job.probe) {
    if (!state) {
      fs::remove_all(good_folder(job.out));
    } else if (!result.probes.empty() && result.probes.back().step == trainer.position().step) {
      keep_as_good(job.out);  // killed between the two
    }
  }
  const auto keep_if_good = [&] {
    if (result.stopped_by_request || !result.alarm.empty() || trainer.done()) return;
    if (trainer.position().step == 0) return;  // the job begins with it again
    save();
    keep_as_good(job.out);
  };
  if (probe.due()) {
    result.stopped_by_request = !probe.look();
    keep_if_good();
  }
  while (!trainer.done() && result.alarm.empty() && !result.stopped_by_request &&
         !(job.stop_after_steps > 0 && trainer.position().step >= job.stop_after_steps)) {
    auto report = trainer.step(job.stop);
    if (!report) {
      result.stopped_by_request = !trainer.done();
      break;
    }
    result.losses.push_back(report->loss);
    const bool probed = probe.due() && probe.look();
    if (probed) {
      const auto& values = result.probes.back().values;
      report->metrics.insert(report->metrics.end(), values.begin(), values.end());
    }
    log.write(*report);
    if (job.monitor) {
      job.monitor->progress(job.task.empty() ? "step" : job.task, report->step, report->num_steps,
                            to_text(*report), to_json(*report));
    }
    if (!report->skipped.empty()) {
      note(fmt::format("step {} skipped, nothing was changed: {}; rows: {}", report->step,
                       report->skipped, fmt::join(report->skipped_rows, ", ")));
    }
    if (probed) keep_if_good();
    if (probe.due()) result.stopped_by_request = true;  // while it looked
    if (saver.due()) save();
  }
  if (result.stopped_by_request && trainer.done()) {
    // Told to stop at the last look, which may still raise its alarm: the job goes on from an
    // earlier save.
    return result;
  }
  if (!result.alarm.empty()) {
    note(fmt::format("stopped by its alarm: {}", result.alarm));
    if (!probe.go_back()) {
      fs::remove_all(job.out);
      result.num_updates = 0;
      return result;
    }
    note(fmt::format("the weights of step {} are kept", trainer.position().step));
  }
  if (trainer.done()) require_updates(trainer.position());
  save();
  if (trainer.done() && job.probe) fs::remove_all(good_folder(job.out));
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
