#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "generate/inference_model.h"
#include "pipeline/selection.h"
#include "pipeline/sources.h"
#include "pipeline/stages.h"
#include "train/training_job.h"

namespace ponder {
namespace {

namespace fs = std::filesystem;

std::string ids_sha256(const std::vector<int32_t>& ids) {
  return sha256_hex({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t)});
}

// What every training stage needs of its starting model.
struct Setup {
  Setup(const StageContext& context, const fs::path& folder)
      : tokenizer(Tokenizer::load(folder)),
        chat(template_for(folder, tokenizer, context.recipe.chat_template)),
        builder(tokenizer, chat, context.recipe.max_length) {}
  Tokenizer tokenizer;
  ChatTemplate chat;
  RowBuilder builder;
};

// A stage's training rows, with where each comes from.
struct RowSet {
  std::vector<TokenRow> rows;
  std::vector<RowOrigin> origins;
  int64_t demonstrations = 0, explored = 0;
  std::map<std::string, int64_t> rejected;
  Json sources = Json::array();  // the account of each source, for ponder.json
};

Json source_account(const std::string& name, const ReadReport& report) {
  Json account = {{"source", name}};
  account.update(to_json(report, false));
  return account;
}

// What every checkpoint of a run says about where it comes from.
Json provenance_of(const StageContext& context, const Setup& setup, Json sources) {
  std::string recipe = without_speed_settings(read_file(context.folder / "recipe.toml"));
  // Folders of this machine are nobody's business; names are enough to find the files again.
  const auto shorten = [&](const fs::path& path) {
    const std::string whole = path.string();
    if (path.filename().empty()) return;
    for (size_t at = recipe.find(whole); at != recipe.npos; at = recipe.find(whole, at + 1))
      recipe.replace(at, whole.size(), path.filename().string());
  };
  const auto shorten_all = [&](const std::vector<Source>& list) {
    for (const Source& source : list) shorten(source.file);
  };
  shorten(context.recipe.base);
  for (const ImitationSet& set : context.recipe.imitation) shorten_all(set.demonstrations);
  shorten_all(context.recipe.explore.problems);
  shorten_all(context.recipe.evaluate.benchmarks);
  return {{"recipe", context.recipe.name},
          {"stage", context.stage.name},
          {"model", context.stage.output},
          {"parent", context.stage.input},
          {"sources", std::move(sources)},
          {"max_length", context.recipe.max_length},
          {"command", "ponder run recipe.toml --until " + context.stage.name},
          {"recipe_toml", recipe},
          {"template_sha256", setup.chat.sha256()},
          {"chat_template", setup.chat.name()}};
}

void add_demonstrations(const StageContext& context, const Setup& setup, const ImitationSet& set,
                        RowSet& out) {
  const ContaminationFilter contaminated = contamination_filter_of(context.recipe);
  for (const Source& source : set.demonstrations) {
    ReadReport report;
    const std::vector<Demonstration> demonstrations =
        demonstrations_of(source, report, &contaminated);
    log_rejected(context.log, source, report);
    for (const auto& [reason, count] : report.rejected)
      out.rejected[reason] += static_cast<int64_t>(count);
    ReadReport account = report;
    for (size_t i = 0; i < demonstrations.size(); ++i) {
      const Demonstration& d = demonstrations[i];
      std::string reason, detail;
      std::optional<TokenRow> row =
          setup.builder.row(fmt::format("{}#{}", source_name(source), i),
                            d.system.empty() ? context.recipe.system : d.system, d.question,
                            {d.response(), {}}, reason, detail, d.history);
      if (!row) {
        ++out.rejected[reason];
        ++account.rejected[reason];
        --account.kept;
        context.log.event(
            "rejected",
            {{"source", source_name(source)}, {"row", i}, {"reason", reason}, {"detail", detail}});
        continue;
      }
      const int64_t id =
          context.pool.add_demonstration(source_name(source), static_cast<int64_t>(i), d);
      out.rows.push_back(std::move(*row));
      out.origins.push_back({RowOrigin::Kind::kDemonstration, id});
      ++out.demonstrations;
    }
    out.sources.push_back(source_account(
        source.file.empty() ? source_name(source) : source.file.filename().string(), account));
  }
}

void add_selected(const StageContext& context, const Setup& setup, int rounds, RowSet& out) {
  for (int t = 1; t <= rounds; ++t) {
    ReadReport account;
    for (const Selection& selection : context.pool.selections(fmt::format("refine-{}", t))) {
      if (selection.filter != "selected" || !selection.kept) continue;
      const std::optional<StoredTrajectory> stored = context.pool.trajectory(selection.origin.id);
      if (!stored)
        throw Error("run.db",
                    fmt::format("the selected trajectory {} is missing", selection.origin.id));
      const std::optional<Problem> problem = context.pool.problem(stored->trajectory.problem_id);
      if (!problem)
        throw Error("run.db", "the problem " + stored->trajectory.problem_id + " is missing");
      std::string reason, detail;
      std::optional<TokenRow> row = setup.builder.row(
          fmt::format("{}/{}", stored->trajectory.problem_id, stored->trajectory.sample),
          context.recipe.system, problem->question, {"", stored->trajectory.token_ids}, reason,
          detail);
      ++account.rows;
      if (!row) {
        ++out.rejected[reason];
        ++account.rejected[reason];
        continue;
      }
      ++account.kept;
      out.rows.push_back(std::move(*row));
      out.origins.push_back(selection.origin);
      ++out.explored;
    }
    out.sources.push_back(
        source_account(fmt::format("selected from exploration, round {}", t), account));
  }
}

// [[step, loss], …] from the job's log, which is whole also when the job was resumed; thinned to a
// few hundred points.
Json loss_curve(const fs::path& log) {
  Json points = Json::array();
  JsonRowReader reader(log);
  JsonRow row;
  while (reader.next(row)) points.push_back({row.value.at("step"), row.value.at("loss")});
  const size_t stride = points.size() / 300 + 1;
  Json curve = Json::array();
  for (size_t i = 0; i < points.size(); ++i) {
    if (i % stride == 0 || i + 1 == points.size()) curve.push_back(points[i]);
  }
  return curve;
}

// Trains `task` into the stage's output checkpoint and registers the model; nothing when stopped.
std::optional<Json> train(StageContext& context, TrainingTask& task, const TrainOptions& options,
                          const fs::path& from, const Setup& setup, Json provenance) {
  const fs::path out = context.checkpoint(context.stage.output);
  JobOptions job;
  job.out = out;
  job.base_folder = from;
  job.end_token_ids = {setup.builder.end_of_turn_id()};
  job.dtype = context.recipe.dtype;
  job.provenance = std::move(provenance);
  job.stop = context.stop;
  fs::create_directories(context.folder / "training");
  job.log = context.folder / "training" / (context.stage.name + ".jsonl");
  job.on_step = [&](const StepReport& step) {
    context.log.progress(
        context.stage.name, static_cast<uint64_t>(step.step), static_cast<uint64_t>(step.num_steps),
        fmt::format("loss {:.4f}  {:.0f} tokens/s", step.loss, step.tokens_per_second()));
  };
  job.on_note = [&](const std::string& text) {
    context.log.info(context.stage.name + ": " + text);
  };
  const JobResult result = run_training(load_checkpoint(from), task, options, job, context.threads);
  if (!result.finished) return std::nullopt;
  const std::optional<ModelRecord> parent = context.pool.model_named(context.stage.input);
  context.pool.add_model({result.sha256, context.stage.output, parent ? parent->sha256 : "",
                          context.stage.name, fs::path("checkpoints") / context.stage.output});
  return Json{{"model", context.stage.output},
              {"sha256", result.sha256},
              {"steps", result.num_steps},
              {"tokens", result.total_tokens},
              {"loss_curve", loss_curve(job.log)}};
}

}  // namespace

void log_rejected(Log& log, const Source& source, const ReadReport& report) {
  log.info(fmt::format("{}: {}", source_name(source), report.summary()));
  for (const RejectedRow& row : report.examples) {
    log.event("rejected", {{"source", source_name(source)},
                           {"row", row.line},
                           {"reason", row.reason},
                           {"detail", row.detail}});
  }
}

std::optional<StageOutcome> run_imitate(StageContext& context) {
  const fs::path from = context.checkpoint(context.stage.input);
  const Setup setup(context, from);
  RowSet set;
  Pool::Transaction transaction(context.pool);
  add_demonstrations(context, setup, context.recipe.imitation[context.stage.set], set);
  if (context.stage.kind == StageKind::kImprove)
    add_selected(context, setup, context.stage.round, set);
  for (const auto& [reason, count] : set.rejected) {
    context.log.warning(fmt::format("{}: {} rows rejected: {}", context.stage.name, count, reason));
  }
  if (set.rows.empty())
    throw Error(context.stage.name, "no row is left to train on", "see log.jsonl for the reasons");
  for (size_t i = 0; i < set.rows.size(); ++i) {
    context.pool.add_training_row({context.stage.name, static_cast<int64_t>(i), set.origins[i],
                                   ids_sha256(set.rows[i].tokens), set.rows[i].num_tokens()});
  }
  transaction.commit();

  const auto rows = static_cast<int64_t>(set.rows.size());
  const Json data = {{"demonstrations", set.demonstrations},
                     {"explored", set.explored},
                     {"rejected", set.rejected}};
  SftTask task(std::move(set.rows));
  Json provenance = provenance_of(context, setup, std::move(set.sources));
  provenance["data"] = data;
  std::optional<Json> result =
      train(context, task, context.recipe.sft, from, setup, std::move(provenance));
  if (!result) return std::nullopt;
  result->update(data);
  const std::string name =
      context.stage.kind == StageKind::kImprove
          ? fmt::format("imitation + {} explored, round {}", data["explored"].get<int64_t>(),
                        context.stage.round)
          : fmt::format("imitation, {} demonstrations", data["demonstrations"].get<int64_t>());
  (*result)["label"] = name;
  return StageOutcome{rows, *result};
}

std::optional<StageOutcome> run_dpo(StageContext& context) {
  const fs::path from = context.checkpoint(context.stage.input);
  const Setup setup(context, from);
  const std::vector<Candidate> candidates = candidates_of(context.pool, "explore-1");
  const std::vector<PairChoice> choices =
      choose_pairs(candidates, context.recipe.dpo.max_pairs, context.recipe.seed);
  std::vector<TokenPair> pairs;
  std::map<std::string, int64_t> rejected;
  Pool::Transaction transaction(context.pool);
  for (const PairChoice& choice : choices) {
    const auto chosen = context.pool.trajectory(candidates[choice.chosen].id);
    const auto other = context.pool.trajectory(candidates[choice.rejected].id);
    const auto problem = context.pool.problem(candidates[choice.chosen].problem_id);
    if (!chosen || !other || !problem)
      throw Error("run.db", "a chosen pair is missing its trajectories or problem");
    std::string reason, detail;
    std::optional<TokenPair> pair =
        setup.builder.pair(problem->id, context.recipe.system, problem->question,
                           {"", chosen->trajectory.token_ids, chosen->trajectory.template_sha256},
                           {"", other->trajectory.token_ids, other->trajectory.template_sha256},
                           context.recipe.dpo.align, reason, detail);
    if (!pair) {
      ++rejected[reason];
      continue;
    }
    context.pool.add_pair(
        {context.stage.name, static_cast<int64_t>(pairs.size()), chosen->id, other->id});
    pairs.push_back(std::move(*pair));
  }
  transaction.commit();
  if (pairs.empty()) {
    throw Error(context.stage.name,
                "exploration left no problem with both a right and a wrong finished response",
                "explore more problems or samples, or leave [dpo] out");
  }
  const auto rows = static_cast<int64_t>(pairs.size());
  DpoTask task(std::move(pairs), context.recipe.dpo.options, context.recipe.dpo.align);
  ReadReport account;
  account.rows = choices.size();
  account.kept = static_cast<uint64_t>(rows);
  for (const auto& [reason, count] : rejected)
    account.rejected[reason] = static_cast<uint64_t>(count);
  Json provenance = provenance_of(
      context, setup,
      Json::array({source_account("preference pairs from exploration, round 1", account)}));
  provenance["pairs"] = rows;
  std::optional<Json> result =
      train(context, task, context.recipe.dpo.train, from, setup, std::move(provenance));
  if (!result) return std::nullopt;
  (*result)["pairs"] = rows;
  (*result)["rejected"] = rejected;
  (*result)["label"] = fmt::format("SFT & DPO, {} pairs", rows);
  return StageOutcome{rows, *result};
}

}  // namespace ponder
