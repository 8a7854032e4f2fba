#include "pipeline/stages/outside.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/version.h"
#include "model/added_rows.h"
#include "model/checkpoint.h"
#include "pipeline/stages/training.h"
#include "tokenizer/template_files.h"
#include "tokenizer/token_addition.h"
#include "train/model_card.h"
#include "trainers/first_batch.h"
#include "trainers/follow.h"
#include "trainers/launch.h"
#include "trainers/take_over.h"

namespace ponder::pipeline {
namespace fs = std::filesystem;
namespace {

using trainers::Kind;

constexpr int64_t kVerifyTokens = 65536;  // of a first step, at most: then a sample of its rows
constexpr size_t kProbeRows = 8;
constexpr int64_t kProbeTokens = 4096;
constexpr const char* kIdentityFile = "identity.json";  // of the job: written last
constexpr const char* kCheckedFile = "first_step.json";
constexpr const char* kFinishedFile = "finished.json";
constexpr const char* kStartFolder = "start";

data::TokenRow with_mask(data::TokenRow row, const std::vector<uint8_t>& mask) {
  row.loss_mask = mask;
  return row;
}

class OutsideJob {
 public:
  OutsideJob(StageContext& context, OutsideData data, const train::TrainOptions& options,
             const data::ModelText& text, std::optional<train::JobProbe> probe)
      : context_(context), data_(std::move(data)), text_(text), probe_(std::move(probe)) {
    job_.settings = context.recipe.trainer;
    job_.options = options;
    job_.max_length = context.recipe.max_length;
    job_.folder = fs::absolute(context.folder / "training" / (context.stage.name + ".job"));
    job_.num_rows = static_cast<int64_t>(std::max(data_.rows.size(), data_.pairs.size()));
    if (data_.variant) {
      job_.objective = trainers::Objective::kDpo;
      job_.dpo = data_.variant->options;
      job_.align = data_.variant->align;
    }
    base_ = fs::absolute(context.checkpoint(context.stage.input));
    files_ = tokenizer::template_files(base_, text.chat());
    tokenizer::put_added_tokens(base_, context.recipe.add_tokens, files_);
    job_.model = files_.empty() ? base_ : job_.folder / kStartFolder;
  }

  std::optional<pool::TrainResult> run(Json provenance) {
    secrets_ = trainers::secret_values(job_.settings.env);
    prepare();
    // A stage that is done again: its model was taken over before.
    if (!fs::exists(file(trainers::kModelFolder))) fs::remove(file(kFinishedFile));
    try {
      if (!fs::exists(job_.folder / kFinishedFile) && !train()) return std::nullopt;
      return take_over(std::move(provenance));
    } catch (const model::Interrupted&) {
      return std::nullopt;
    }
  }

 private:
  std::string who() const { return std::string(trainers::to_string(job_.settings.kind)); }
  void say(const std::string& text) const {
    context_.monitor.info(fmt::format("{}: {}", context_.stage.name, text));
  }
  fs::path file(const char* name) const { return job_.folder / name; }
  fs::path log_file() const {
    if (job_.settings.kind == Kind::kLlamaFactory)
      return file(trainers::kModelFolder) / "trainer_log.jsonl";
    return file(trainers::kLogFile);
  }

  // The job's folder, as it is where it is of this very job.
  void prepare() {
    orders_ = trainers::orders(job_);
    probe_rows_ = choose_probe_rows();
    // Rows in the first epoch's order where the trainer is told no other.
    std::vector<int32_t> in_file(static_cast<size_t>(job_.num_rows));
    for (size_t i = 0; i < in_file.size(); ++i) in_file[i] = static_cast<int32_t>(i);
    if (job_.settings.kind == Kind::kLlamaFactory || job_.settings.kind == Kind::kOpenRlhf)
      in_file = orders_.front();
    std::map<std::string, std::string> texts = trainers::files(job_, orders_, probe_rows_);
    Sha256 hash;
    std::string rows;
    const auto each = [&](const std::function<void(const std::string&)>& line) {
      for (const int32_t i : in_file) {
        const auto at = static_cast<size_t>(i);
        line(dump_json(data_.variant ? trainers::row_of(job_, data_.pairs[at], text_)
                                     : trainers::row_of(job_, data_.rows[at], text_)) +
             "\n");
      }
    };
    each([&](const std::string& line) { hash.update(line); });
    Json identity = {{"trainer", who()},
                     {"start", model::checkpoint_sha256(base_)},
                     {"rows", hash.hex()},
                     {"order", sha256_hex(texts.at(trainers::kOrderFile))},
                     {"settings", train_identity()}};
    if (fs::exists(file(kIdentityFile)) && read_json_file(file(kIdentityFile)) == identity) {
      // What says how it runs may be another than before.
      for (const auto& [name, text] : texts) write_file_atomic(job_.folder / name, text);
      return;
    }
    fs::remove_all(job_.folder);
    fs::create_directories(job_.folder);
    if (!files_.empty()) save_start();
    write_file_atomic(file(trainers::kRowsFile), [&](FileWriter& out) {
      each([&](const std::string& line) { out.write(line.data(), line.size()); });
    });
    for (const auto& [name, text] : texts) write_file_atomic(job_.folder / name, text);
    write_file_atomic(file(kIdentityFile), dump_json(identity) + "\n");
  }

  Json train_identity() const {
    Json out = job_.options.identity();
    out["epochs"] = job_.options.batch.epochs;
    out["batch_rows"] = job_.options.batch.batch_rows;
    out["trainer"] = who();
    if (job_.settings.lora_rank > 0) {
      out["lora_rank"] = job_.settings.lora_rank;
      out["lora_alpha"] = job_.settings.lora_alpha;
    }
    if (data_.variant) {
      out["objective"] = "dpo";
      out["beta"] = job_.dpo.beta;
      out["sft_weight"] = job_.dpo.sft_weight;
      out["sft_term"] = train::to_string(job_.dpo.sft_term);
      out["length_normalised"] = job_.dpo.length_normalised;
      out["align"] = data::to_string(job_.align);
      out["pairs"] = job_.num_rows;
    } else {
      out["objective"] = "sft";
      out["rows"] = job_.num_rows;
    }
    return out;
  }

  // The starting model with the template and tokens that it is trained with.
  void save_start() const {
    model::Checkpoint start = load_start();
    model::SaveOptions options;
    options.base_folder = base_;
    options.end_token_ids = {text_.end_of_turn_id()};
    options.files = files_;
    options.dtype = start.config.dtype;
    options.grown_vocabulary = !text_.added_tokens().empty();
    model::save_checkpoint(job_.model, start.config, start.parameters, options);
  }

  model::Checkpoint load_start() const {
    model::Checkpoint start = model::load_checkpoint(base_);
    std::vector<model::AddedRow> added;
    for (const data::AddedToken& token : text_.added_tokens())
      added.push_back({token.id, token.pieces});
    model::add_rows(start, added);
    return start;
  }

  std::vector<int32_t> choose_probe_rows() const {
    std::vector<int32_t> chosen;
    int64_t tokens = 0;
    for (const int32_t i : orders_.front()) {
      const int64_t more = probe_row(i).num_tokens();
      if (!chosen.empty() && tokens + more > kProbeTokens) continue;
      chosen.push_back(i);
      tokens += more;
      if (chosen.size() == kProbeRows) break;
    }
    return chosen;
  }
  const data::TokenRow& probe_row(int32_t i) const {
    const auto at = static_cast<size_t>(i);
    return data_.variant ? data_.pairs[at].chosen : data_.rows[at];
  }

  trainers::FirstBatch first_batch() const {
    trainers::FirstBatch out;
    std::vector<std::vector<int32_t>> batches = trainers::first_step(job_, orders_.front());
    std::vector<int32_t> in_file(static_cast<size_t>(job_.num_rows));
    for (size_t i = 0; i < in_file.size(); ++i) in_file[i] = static_cast<int32_t>(i);
    std::vector<std::vector<int32_t>> unordered = trainers::first_step(job_, in_file);
    int64_t tokens = 0;
    for (size_t i = 0; i < batches.size(); ++i) {
      if (tokens >= kVerifyTokens) {
        batches.resize(i);
        break;
      }
      for (const int32_t row : batches[i]) tokens += probe_row(row).num_tokens();
    }
    out.sampled = !trainers::keeps_order(job_.settings.kind) || tokens >= kVerifyTokens;
    const auto rows = [&](const std::vector<std::vector<int32_t>>& of, const auto& row) {
      std::vector<std::vector<data::TokenRow>> all;
      for (const auto& batch : of) {
        auto& micro = all.emplace_back();
        for (const int32_t i : batch) micro.push_back(row(static_cast<size_t>(i)));
      }
      return all;
    };
    if (!data_.variant) {
      const auto plain = [&](size_t i) { return data_.rows[i]; };
      out.rows = rows(batches, plain);
      if (!out.sampled && job_.settings.kind == Kind::kCommand && unordered != batches)
        out.in_file_order = rows(unordered, plain);
      return out;
    }
    out.rows = rows(batches, [&](size_t i) {
      return with_mask(data_.pairs[i].chosen, data_.pairs[i].chosen_aligned);
    });
    out.rejected = rows(batches, [&](size_t i) {
      return with_mask(data_.pairs[i].rejected, data_.pairs[i].rejected_aligned);
    });
    out.whole = rows(batches, [&](size_t i) { return data_.pairs[i].chosen; });
    return out;
  }

  // The starting weights with the check of the first step; gone once it is done.
  struct Verification {
    model::Checkpoint start;
    model::Decoder decoder;
    trainers::FirstBatchCheck check;
    Verification(model::Checkpoint checkpoint, const OutsideJob& job)
        : start(std::move(checkpoint)),
          decoder(start.config, job.context_.threads, job.context_.recipe.precision),
          check({job.job_, job.text_, job.base_, job.context_.recipe.system, decoder,
                 job.context_.stop},
                job.first_batch()) {
      decoder.set_parameters(start.parameters);
    }
  };

  void verify_before() {
    if (fs::exists(file(kCheckedFile))) return;
    verification_ = std::make_unique<Verification>(load_start(), *this);
    const trainers::Expectation& expected = verification_->check.expected();
    say(fmt::format("the first step's loss must be {:.5g}{}", expected.loss,
                    expected.margin > 0
                        ? fmt::format(", within {:.3g} (of a sample of rows)", expected.margin)
                        : ""));
    // What the probe's rows say before: for the comparison behind the training.
    Json before = Json::array();
    for (const int32_t i : probe_rows_)
      before.push_back(trainers::logprobs_of(verification_->decoder, probe_row(i)));
    start_probe_ = before;
    if (probe_) {
      train::ProbeReading reading = probe_->read(
          {verification_->decoder, job_.options.micro_batch_tokens, comm::single_member()}, {});
      start_reading_ = train::to_json(reading);
    }
  }

  bool train() {
    verify_before();
    if (!context_.servers.stop(context_.stage.name)) return false;
    for (int64_t attempt = 0;; ++attempt) {
      clear_unfinished();
      const trainers::LaunchResult result = launch_once();
      if (result.end == trainers::End::kStopped) return false;
      if (result.end == trainers::End::kFinished) {
        if (!fs::exists(file(kCheckedFile)))
          context_.monitor.warning(fmt::format("{}: the trainer's first step was not seen in {}",
                                               context_.stage.name, log_file().string()));
        write_file_atomic(file(kFinishedFile), dump_json({{"steps", last_step_}}) + "\n");
        return true;
      }
      const std::string what =
          result.end == trainers::End::kSilent
              ? fmt::format("gave no sign of life for {:.0f} s and was ended",
                            job_.settings.silence)
              : fmt::format("ended with status {} after step {}", result.status, last_step_);
      if (attempt >= job_.settings.restarts) throw failure(what, result);
      context_.monitor.warning(fmt::format("{}: the trainer {}; started again ({} of {})",
                                           context_.stage.name, what, attempt + 1,
                                           job_.settings.restarts));
    }
  }

  // What it raised, else the end of what it printed.
  static std::string last_words(const std::vector<std::string>& lines) {
    if (const auto raised = trainers::raised_exception(lines))
      return fmt::format("it raised {}", excerpt(*raised, 600));
    std::string last;
    for (size_t i = lines.size() - std::min<size_t>(3, lines.size()); i < lines.size(); ++i)
      last += fmt::format("{}{}", last.empty() ? "" : " | ", excerpt(lines[i], 200));
    return fmt::format("its last lines: {}", last.empty() ? "none" : last);
  }

  Error failure(const std::string& what, const trainers::LaunchResult& result) const {
    return Error(
        "trainer " + who(), fmt::format("{}; {}", what, last_words(result.last_lines)),
        fmt::format("the whole of what it printed is in {}; the same command goes on from its "
                    "last checkpoint",
                    file(trainers::kOutputFile).string()));
  }

  // LLaMA-Factory refuses a folder that is not empty and has no checkpoint.
  void clear_unfinished() const {
    if (job_.settings.kind != Kind::kLlamaFactory || !fs::exists(file(trainers::kModelFolder)))
      return;
    for (const auto& entry : fs::directory_iterator(file(trainers::kModelFolder)))
      if (entry.path().filename().string().starts_with("checkpoint-")) return;
    fs::remove_all(file(trainers::kModelFolder));
  }

  trainers::LaunchResult launch_once() {
    trainers::LaunchOptions options;
    options.argv = trainers::argv(job_);
    options.folder = job_.folder;
    options.env = {{"PONDER_JOB", job_.folder.string()}};
    // The servers' key is no trainer's, unless it is named as one.
    const std::string& key = context_.recipe.fleet.api_key_env;
    if (!key.empty() && std::ranges::find(job_.settings.env, key) == job_.settings.env.end())
      options.env[key] = "";
    options.output = file(trainers::kOutputFile);
    options.secrets = secrets_;
    options.silence = job_.settings.silence;
    options.stop = context_.stop;
    say(fmt::format("starts {} in {}", fmt::join(job_.settings.launch, " "), job_.folder.string()));
    trainers::FileTail tail(log_file(), true);
    launched_ = false;
    return trainers::launch(options, [&](const std::vector<std::string>& printed) {
      const std::vector<std::string> logged = tail.lines();
      const bool by_file = job_.settings.kind == Kind::kTrl ||
                           job_.settings.kind == Kind::kLlamaFactory || fs::exists(log_file());
      for (const std::string& line : by_file ? logged : printed) follow(line);
      return !logged.empty();
    });
  }

  void follow(const std::string& line) {
    auto step = trainers::read_step(line, job_.steps_per_epoch(), job_.accumulation());
    if (!step) return;
    if (step->step == 0) step->step = launched_ ? last_step_ + 1 : 1;
    if (!launched_) begin_log(step->step);
    launched_ = true;
    last_step_ = step->step;
    if (step->step == 1 && verification_) compare_first(*step);
    if (step->step >= 1) verification_.reset();
    Json row = trainers::to_json(*step, job_.num_steps());
    log_->append(dump_json(row));
    if (!step->loss)
      context_.monitor.warning(fmt::format("{}: the loss of step {} is no finite number",
                                           context_.stage.name, step->step));
    context_.monitor.progress(context_.stage.name, step->step, job_.num_steps(),
                              fmt::format("loss {:.4f}", step->loss.value_or(std::nan(""))),
                              std::move(row));
  }

  void compare_first(const trainers::LogStep& first) {
    const std::string said = verification_->check.compare(first);
    say(said);
    write_file_atomic(file(kCheckedFile), dump_json({{"said", said},
                                                     {"loss", *first.loss},
                                                     {"start_probe", start_probe_},
                                                     {"start_reading", start_reading_}}) +
                                              "\n");
  }

  // Lines of steps that are done again are dropped.
  void begin_log(int64_t first) {
    const fs::path path = stage_log();
    std::string kept;
    if (first > 1 && fs::exists(path)) {
      JsonRowReader reader(path);
      JsonRow row;
      while (reader.next(row, [](uint64_t, uint64_t, const std::string&) {}))
        if (row.value.value("step", int64_t{0}) < first) kept += dump_json(row.value) + "\n";
    }
    log_.reset();
    write_file_atomic(path, kept);
    log_ = std::make_unique<AppendLog>(path);
  }
  fs::path stage_log() const {
    return context_.folder / "training" / (context_.stage.name + ".jsonl");
  }

  // What was trained is what lies in the folder.
  void check_probe(model::Decoder& decoder) {
    const Json checked =
        fs::exists(file(kCheckedFile)) ? read_json_file(file(kCheckedFile)) : Json::object();
    std::vector<std::vector<float>> ours;
    for (const int32_t i : probe_rows_)
      ours.push_back(trainers::logprobs_of(decoder, probe_row(i)));
    const Json start = checked.value("start_probe", Json::array());
    double moved = 0;
    for (size_t i = 0; i < ours.size() && i < start.size(); ++i)
      moved += trainers::distance(start[i].get<std::vector<float>>(), ours[i], kCheckedFile).mean /
               static_cast<double>(ours.size());
    const auto theirs = trainers::read_probe(file(trainers::kProbeFile));
    if (!theirs) {
      say(fmt::format(
          "{} does not say what its trained model answers: the folder is known to differ "
          "from the starting model by {:.3g} nat a token, no more",
          who(), moved));
      if (!start.empty() && moved == 0) refuse_folder("holds the starting weights");
      return;
    }
    double mean = 0, greatest = 0;
    for (const trainers::ProbeRow& row : *theirs) {
      const auto at = std::find(probe_rows_.begin(), probe_rows_.end(), row.row);
      if (at == probe_rows_.end())
        throw Error(trainers::kProbeFile, fmt::format("row {} was not asked for", row.row));
      const auto d = trainers::distance(
          row.logprobs, ours[static_cast<size_t>(at - probe_rows_.begin())], trainers::kProbeFile);
      mean += d.mean / static_cast<double>(theirs->size());
      greatest = std::max(greatest, d.greatest);
    }
    const bool narrow =
        context_.recipe.precision == tensor::Precision::kBf16 ||
        model::load_config(file(trainers::kModelFolder)).dtype != tensor::DType::kF32;
    const double limit = narrow ? 0.1 : 0.02;
    if (!(mean <= limit) || (moved > 1e-3 && mean > moved / 2)) {  // no number is no agreement
      refuse_folder(
          fmt::format("is not the model that was trained: log-probabilities of {} rows are "
                      "{:.3g} nat a token from what the trainer had in memory, and {:.3g} "
                      "from the starting model",
                      theirs->size(), mean, moved));
    }
    say(fmt::format(
        "the folder is the model that was trained: log-probabilities of {} rows at most "
        "{:.2g} apart, {:.3g} from the starting model's in the mean",
        theirs->size(), greatest, moved));
  }
  [[noreturn]] void refuse_folder(const std::string& what) const {
    fs::remove(file(kFinishedFile));
    throw Error(
        file(trainers::kModelFolder).string(), what,
        "a wrapper's names in the weights, an old file or a checkpoint of a shard alone are "
        "usual causes; look into the trainer's output.log");
  }

  std::optional<pool::TrainResult> take_over(Json provenance) {
    const fs::path trained_folder = file(trainers::kModelFolder);
    if (!fs::exists(trained_folder / "config.json")) {
      fs::remove(file(kFinishedFile));
      throw Error(trained_folder.string(), "the trainer ended well and left no model here",
                  "it must save a Hugging Face folder under that name");
    }
    model::Checkpoint trained = model::load_checkpoint(trained_folder);
    {
      const model::Checkpoint start = load_start();
      trainers::require_same_text(trained_folder, start.config, text_);
    }
    pool::TrainResult result;
    result.model = context_.stage.output;
    {
      model::Decoder decoder(trained.config, context_.threads, context_.recipe.precision);
      decoder.set_parameters(trained.parameters);
      check_probe(decoder);
      if (probe_ && read_end(decoder, result)) return result;
    }
    result.sha256 = save(trained, std::move(provenance));
    result.steps = steps_done();
    result.tokens = job_.options.batch.epochs * tokens();
    fill_from_log(stage_log(), result);
    for (const char* name : {trainers::kModelFolder, "checkpoints", "cache", kStartFolder})
      fs::remove_all(job_.folder / name);
    return result;
  }

  // True where the alarm says that these weights are not worth keeping.
  bool read_end(model::Decoder& decoder, pool::TrainResult& result) {
    std::vector<train::ProbeReading> before;
    const Json checked =
        fs::exists(file(kCheckedFile)) ? read_json_file(file(kCheckedFile)) : Json::object();
    if (checked.contains("start_reading") && checked["start_reading"].is_object())
      before.push_back(train::probe_reading_from(checked["start_reading"], kCheckedFile));
    train::ProbeReading reading =
        probe_->read({decoder, job_.options.micro_batch_tokens, comm::single_member()}, before);
    reading.step = steps_done();
    before.push_back(reading);
    result.probes = Json::array();
    for (const train::ProbeReading& each : before) result.probes->push_back(train::to_json(each));
    if (reading.alarm.empty()) return false;
    result.alarm = reading.alarm;
    return true;
  }

  int64_t steps_done() const {
    return read_json_file(file(kFinishedFile)).value("steps", job_.num_steps());
  }
  int64_t tokens() const {
    int64_t sum = 0;
    for (const data::TokenRow& row : data_.rows) sum += row.num_tokens();
    for (const data::TokenPair& pair : data_.pairs)
      sum += pair.chosen.num_tokens() + pair.rejected.num_tokens();
    return sum;
  }

  std::string save(const model::Checkpoint& trained, Json provenance) const {
    model::SaveOptions options;
    options.dtype = context_.recipe.dtype;
    options.base_folder = base_;
    options.end_token_ids = {text_.end_of_turn_id()};
    options.files = files_;
    options.grown_vocabulary = !text_.added_tokens().empty();
    options.provenance = std::move(provenance);
    options.provenance["ponder"] = version();
    options.provenance["base"] = train::base_facts(base_, model::checkpoint_sha256(base_));
    options.provenance["training"] = train_identity();
    options.provenance["trainer_sha256"] = trained.sha256;
    options.provenance["steps_done"] = steps_done();
    options.provenance["num_steps"] = job_.num_steps();
    const fs::path out = context_.checkpoint(context_.stage.output);
    const std::string sha256 =
        model::save_checkpoint(out, trained.config, trained.parameters, options);
    train::keep_base_card(base_, out);
    train::write_model_card(out, scores_of(context_));
    return sha256;
  }

  StageContext& context_;
  const OutsideData data_;
  const data::ModelText& text_;
  const std::optional<train::JobProbe> probe_;
  trainers::Job job_;
  fs::path base_;
  std::map<std::string, std::string> files_;
  std::vector<std::string> secrets_;
  std::vector<std::vector<int32_t>> orders_;
  std::vector<int32_t> probe_rows_;
  std::unique_ptr<Verification> verification_;
  Json start_probe_ = Json::array(), start_reading_ = nullptr;
  std::unique_ptr<AppendLog> log_;
  int64_t last_step_ = 0;
  bool launched_ = false;  // a step of this launch was seen
};

}  // namespace

std::string by_trainer(const Recipe& recipe) {
  return recipe.trainer.outside() ? fmt::format(", by {}", trainers::to_string(recipe.trainer.kind))
                                  : "";
}

std::optional<pool::TrainResult> train_outside(StageContext& context, OutsideData data,
                                               const train::TrainOptions& options,
                                               const data::ModelText& text, Json provenance,
                                               std::optional<train::JobProbe> probe) {
  fs::create_directories(context.folder / "training");
  OutsideJob job(context, std::move(data), options, text, std::move(probe));
  std::optional<pool::TrainResult> result = job.run(std::move(provenance));
  if (result && !result->sha256.empty()) register_model(context, result->sha256);
  return result;
}

}  // namespace ponder::pipeline
