#include "pipeline/stages/training.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "tokenizer/template_files.h"
#include "tokenizer/token_addition.h"

namespace ponder::pipeline {
namespace fs = std::filesystem;
namespace {

// From the job's log, which is whole also when the job was resumed.
std::vector<pool::LossPoint> loss_curve(const fs::path& log) {
  std::vector<pool::LossPoint> steps;
  JsonRowReader reader(log);
  JsonRow row;
  while (reader.next(row)) {
    const Json& loss = row.value.at("loss");
    steps.push_back({row.value.at("step").get<int64_t>(),
                     loss.is_null() ? std::nullopt : std::optional(loss.get<double>())});
  }
  return pool::thinned(steps);
}

// The same of a preference's metrics: none of another objective.
std::optional<Json> preference_curve(const fs::path& log) {
  std::vector<Json> steps;
  JsonRowReader reader(log);
  JsonRow row;
  while (reader.next(row)) {
    if (!row.value.contains("margin")) return std::nullopt;
    Json point = {{"step", row.value.at("step")}};
    for (const char* key : {"chosen_logprob", "rejected_logprob", "margin", "accuracy"})
      if (row.value.contains(key)) point[key] = row.value.at(key);
    steps.push_back(std::move(point));
  }
  return Json(pool::thinned(steps));
}

}  // namespace

data::ModelText open_text(const StageContext& context) {
  const fs::path folder = context.checkpoint(context.stage.input);
  const model::ModelConfig config = model::load_config(folder);
  return data::ModelText(folder,
                         {context.recipe.chat_template, config.vocab_size, config.eos_token_ids,
                          context.recipe.add_tokens, context.recipe.thought_form});
}

Json scores_of(const StageContext& context) {
  for (const pool::StageRecord& stage : context.pool.stages()) {
    const auto evaluation = pool::result_of<pool::EvaluateResult>(stage);
    if (evaluation && evaluation->model == context.stage.output) return evaluation->benchmarks;
  }
  return Json::array();
}

void fill_from_log(const fs::path& log, pool::TrainResult& result) {
  if (!fs::exists(log)) return;
  result.loss_curve = loss_curve(log);
  result.preferences = preference_curve(log);
  if (!result.loss_curve.empty()) result.last_loss = result.loss_curve.back().loss;
}

void register_model(const StageContext& context, const std::string& sha256) {
  if (const auto before = context.pool.model_named(context.stage.output);
      before && before->sha256 != sha256) {
    throw Error(context.stage.output,
                fmt::format("made again it has sha256 {}, and {} when it was first made", sha256,
                            before->sha256),
                "what was made from it stands on the first; begin a new run");
  }
  const std::optional<pool::ModelRecord> parent = context.pool.model_named(context.stage.input);
  context.pool.add_model({sha256, context.stage.output, parent ? parent->sha256 : "",
                          context.stage.name, fs::path("checkpoints") / context.stage.output});
}

std::string ids_sha256(const std::vector<int32_t>& ids) {
  return sha256_hex({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t)});
}

Json source_account(const std::string& name, const data::RowAccount& report) {
  Json account = {{"source", name}};
  account.update(data::to_json(report, false));
  return account;
}

Json provenance_of(const StageContext& context, const data::ModelText& text, Json sources) {
  std::string recipe = without_speed_settings(read_file(context.folder / "recipe.toml"));
  // Folders of this machine are nobody's business; names are enough to find the files again.
  const auto shorten = [&](const fs::path& path) {
    const std::string whole = path.string();
    if (path.filename().empty()) return;
    for (size_t at = recipe.find(whole); at != recipe.npos; at = recipe.find(whole, at + 1))
      recipe.replace(at, whole.size(), path.filename().string());
  };
  const auto shorten_all = [&](const std::vector<DataSource>& list) {
    for (const DataSource& source : list) shorten(source.file);
  };
  shorten(context.recipe.base);
  for (const ImitationSet& set : context.recipe.imitation) shorten_all(set.demonstrations);
  shorten_all(context.recipe.explore.problems);
  shorten_all(context.recipe.evaluate.benchmarks);
  Json provenance = {{"recipe", context.recipe.name},
                     {"stage", context.stage.name},
                     {"model", context.stage.output},
                     {"parent", context.stage.input},
                     {"sources", std::move(sources)},
                     {"max_length", context.recipe.max_length},
                     {"command", "ponder run recipe.toml --until " + context.stage.name},
                     {"recipe_toml", recipe}};
  provenance.update(tokenizer::template_record(text.chat()));
  return provenance;
}

std::optional<pool::TrainResult> train(StageContext& context, train::TrainingTask& task,
                                       const train::TrainOptions& options,
                                       const data::ModelText& text, Json provenance,
                                       std::optional<train::JobProbe> probe) {
  const fs::path out = context.checkpoint(context.stage.output);
  train::JobOptions job;
  job.out = out;
  job.base_folder = context.checkpoint(context.stage.input);
  job.end_token_ids = {text.end_of_turn_id()};
  job.files = tokenizer::template_files(job.base_folder, text.chat());
  tokenizer::put_added_tokens(job.base_folder, context.recipe.add_tokens, job.files);
  job.dtype = context.recipe.dtype;
  job.provenance = std::move(provenance);
  job.scores = scores_of(context);
  job.stop = context.stop;
  fs::create_directories(context.folder / "training");
  job.log = context.folder / "training" / (context.stage.name + ".jsonl");
  job.monitor = &context.monitor;
  job.task = context.stage.name;
  job.probe = std::move(probe);
  if (!context.servers.stop(context.stage.name)) return std::nullopt;
  model::Checkpoint start = model::load_checkpoint(job.base_folder);
  train::add_tokens(text.added_tokens(), start, job);
  const train::JobResult result =
      train::run_training(std::move(start), task, options, job, context.threads);
  pool::TrainResult trained;
  trained.model = context.stage.output;
  if (!result.alarm.empty()) trained.alarm = result.alarm;
  if (!result.alarm.empty() && !result.finished) return trained;
  if (!result.finished) return std::nullopt;
  register_model(context, result.sha256);
  trained.sha256 = result.sha256;
  trained.steps = result.alarm.empty() ? result.num_steps : result.steps_done;
  trained.tokens = result.total_tokens;
  fill_from_log(job.log, trained);
  if (!result.probes.empty()) {
    trained.probes = Json::array();
    for (const train::ProbeReading& reading : result.probes)
      trained.probes->push_back(train::to_json(reading));
  }
  return trained;
}

}  // namespace ponder::pipeline
