// ponder score: the log-probability a model gives to responses.
#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "base/json_fields.h"
#include "cli/command.h"
#include "cli/number_option.h"
#include "cli/pool_command.h"
#include "cli/rollout_file.h"
#include "cli/stop_signals.h"
#include "generate/inference_model.h"
#include "generate/scorer.h"
#include "pipeline/recipe.h"

namespace ponder::cli {
namespace {

struct ScoreOptions {
  CommonOptions common;
  std::string model, data, system, out;
  tokenizer::TemplateChoice chat_template;
  std::optional<tensor::Precision> precision;  // nothing: the model's usual
  int64_t batch_tokens = 4096;
  bool per_token = false, raw = false, no_end_token = false;
};

std::vector<tokenizer::Message> messages_of(const JsonFields& row) {
  std::vector<tokenizer::Message> messages;
  for (size_t i = 0; i < row.array("prompt").size(); ++i) {
    const JsonFields turn = row.element("prompt", i);
    messages.push_back({turn.text("role"), turn.text("content")});
  }
  return messages;
}

// What is scored, one after the other.
struct ToScore {
  Json json;
  std::string where, system;
  bool ended = true;    // by the model
  int64_t rollout = 0;  // of a pool
};

generate::ScoreRow row_of(const ToScore& to_score, const generate::InferenceModel& model,
                          const ScoreOptions& options) {
  const std::string& where = to_score.where;
  const JsonFields row(to_score.json, where, "", "expected are \"prompt\" and \"response\"");
  generate::ScoreRow scored;
  if (row.require("prompt").is_array() && !options.raw) {
    scored.tokens = model.text().prompt_ids(messages_of(row));
  } else {
    const std::string text = row.text("prompt");
    scored.tokens = options.raw ? model.text().tokenizer().encode(text)
                                : model.text().prompt_ids(text, to_score.system);
  }
  scored.first_scored = static_cast<int64_t>(scored.tokens.size());
  const std::vector<int32_t> response = model.text().tokenizer().encode(row.text("response"));
  scored.tokens.insert(scored.tokens.end(), response.begin(), response.end());
  if (!options.raw && !options.no_end_token && to_score.ended)
    scored.tokens.push_back(model.text().end_of_turn_id());
  if (scored.first_scored == 0) throw Error(where, "has an empty prompt");
  if (scored.first_scored == static_cast<int64_t>(scored.tokens.size())) {
    throw Error(where, "has an empty response");
  }
  const int64_t positions = model.config().max_position_embeddings;
  if (positions > 0 && static_cast<int64_t>(scored.tokens.size()) > positions) {
    throw Error(where, fmt::format("has {} tokens, the model {} positions", scored.tokens.size(),
                                   positions));
  }
  return scored;
}

Json line_of(const Json& id, const generate::Score& score, const ScoreOptions& options,
             tensor::Precision precision) {
  Json line;
  if (!id.is_null()) line["id"] = id;
  line["tokens"] = score.logprobs.size();
  line["logprob"] = score.logprob;
  line["perplexity"] = score.perplexity;
  if (options.per_token) line["logprobs"] = score.logprobs;
  if (precision != tensor::Precision::kF32) line["precision"] = tensor::stored_name(precision);
  return line;
}

Json job_of_scores(const ScoreOptions& options, const generate::InferenceModel& model) {
  Json job = {{"command", "ponder score"},
              {"system", options.system},
              {"raw", options.raw},
              {"end_token", !options.no_end_token},
              {"per_token", options.per_token}};
  job.update(job_of_model(options.model, model));
  if (std::filesystem::is_directory(options.data)) return {};  // a pool keeps what is done itself
  return job_over(options.data, std::move(job));
}

// Prompts of a run's rollouts are those of its recipe, unless the command says what stands around the question.
void take_prompts_of_run(ScoreOptions& options, Monitor& monitor) {
  const std::filesystem::path recipe_file = std::filesystem::path(options.data) / "recipe.toml";
  tokenizer::TemplateChoice& choice = options.chat_template;
  if (options.raw || !choice.prompt_prefix.empty() || !choice.prompt_suffix.empty() ||
      !options.system.empty() || !std::filesystem::exists(recipe_file))
    return;
  const pipeline::Recipe recipe =
      pipeline::load_recipe(recipe_file, {}, pipeline::RecipeFiles::kOfARun);
  choice.prompt_prefix = recipe.chat_template.prompt_prefix;
  choice.prompt_suffix = recipe.chat_template.prompt_suffix;
  options.system = recipe.system;
  if (!choice.prompt_prefix.empty() || !choice.prompt_suffix.empty() || !options.system.empty())
    monitor.info(
        fmt::format("system turn and text around questions as {} has them", recipe_file.string()));
}

// The rows of a file, or the rollouts of a pool.
class ScoreSource {
 public:
  // Of an imported pool the perplexities are kept, and those that are there under the model are done.
  ScoreSource(const ScoreOptions& options, const generate::InferenceModel& model)
      : model_sha256_(model.sha256()), precision_(model.precision()), system_(options.system) {
    const std::filesystem::path folder = options.data;
    if (!std::filesystem::is_directory(folder)) {
      reader_ = std::make_unique<JsonRowReader>(options.data);
      return;
    }
    const bool keeps = !std::filesystem::exists(folder / "recipe.toml") &&
                       std::filesystem::exists(folder / "run.db");
    pool_ = std::make_unique<pool::Pool>(keeps ? pool::Pool::open(folder / "run.db")
                                               : open_pool(options.data));
    keeps_ = keeps;
    pool_->for_each_rollout({.with_tokens = false}, [&](const pool::StoredRollout& stored) {
      const bool done = keeps_ && stored.rollout.perplexity &&
                        stored.rollout.perplexity_model_sha256 == model_sha256_ &&
                        stored.rollout.perplexity_precision == precision_;
      if (!done) waiting_.push_back(stored.id);
    });
  }

  bool is_pool() const { return pool_ != nullptr; }

  bool next(ToScore& row) {
    if (!pool_) {
      JsonRow read;
      if (!reader_->next(read)) return false;
      row = {std::move(read.value), fmt::format("{}:{}", reader_->name(), read.line), system_};
      return true;
    }
    if (at_ == waiting_.size()) return false;
    const std::optional<pool::StoredRollout> stored = pool_->rollout(waiting_[at_++]);
    if (!stored) throw Error("run.db", "a rollout is gone", "restore it from a copy");
    const data::Rollout& t = stored->rollout;
    const auto problem = pool_->problem(t.problem_id, stored->benchmark);
    if (!problem) throw Error("run.db", "a problem is gone", "restore it from a copy");
    const std::string name = fmt::format("{} {}, sample {}", stored->stage, t.problem_id, t.sample);
    row = {{{"id", name}, {"prompt", problem->question}, {"response", t.completion.text}},
           name,
           t.origin && !t.origin->system.empty() ? t.origin->system : system_,
           t.completion.finish_reason == data::FinishReason::kStop,
           stored->id};
    return true;
  }

  void keep(const std::vector<int64_t>& rollouts, const std::vector<generate::Score>& scores) {
    if (!keeps_) return;
    pool::Pool::Transaction transaction(*pool_);
    for (size_t i = 0; i < rollouts.size(); ++i)
      pool_->set_perplexity(rollouts[i], scores[i].perplexity, model_sha256_, precision_);
    transaction.commit();
  }

 private:
  std::string model_sha256_;
  tensor::Precision precision_;
  std::string system_;
  std::unique_ptr<JsonRowReader> reader_;
  std::unique_ptr<pool::Pool> pool_;
  bool keeps_ = false;
  std::vector<int64_t> waiting_;
  size_t at_ = 0;
};

void run_score(ScoreOptions options) {
  TerminalMonitor monitor(options.common.quiet ? TerminalMonitor::Level::kQuiet
                                               : TerminalMonitor::Level::kInfo);
  take_prompts_of_run(options, monitor);
  ThreadPool pool(options.common.threads);
  generate::InferenceModel model(options.model, pool, options.chat_template, options.precision);
  const std::atomic<bool>* const stop = stop_flag();
  model.decoder().set_stop(stop);
  RowFile out(options.out, {options.model, options.data}, job_of_scores(options, model), monitor);
  ScoreSource source(options, model);
  std::vector<Json> ids;
  std::vector<int64_t> rollouts;
  std::vector<generate::ScoreRow> rows;
  int64_t waiting_tokens = 0, total_rows = 0, total_tokens = 0;
  double total_logprob = 0;
  // What is there already are the first rows: they are added in order.
  out.for_each([&](RowFile::Place, const JsonFields& row) {
    total_tokens += row.integer("tokens");
    total_logprob += row.require("logprob").get<double>();
    ++total_rows;
  });
  const int64_t kept = total_rows;
  const auto flush = [&] {
    std::vector<generate::Score> scores;
    try {
      if (stop->load()) throw model::Interrupted();
      scores = generate::score_rows(model.decoder(), rows, options.batch_tokens);
    } catch (const model::Interrupted&) {
      out.stop();
    }
    source.keep(rollouts, scores);
    for (size_t i = 0; i < scores.size(); ++i) {
      out.add({total_rows + static_cast<int64_t>(i), 0},
              dump_json(line_of(ids[i], scores[i], options, model.precision())));
      total_tokens += static_cast<int64_t>(scores[i].logprobs.size());
      total_logprob += scores[i].logprob;
    }
    total_rows += static_cast<int64_t>(rows.size());
    ids.clear();
    rollouts.clear();
    rows.clear();
    waiting_tokens = 0;
    monitor.progress("rows scored", total_rows, 0);
  };
  ToScore row;
  int64_t index = 0;
  while (source.next(row)) {
    if (index++ < kept) continue;
    rows.push_back(row_of(row, model, options));
    const auto id = row.json.find("id");
    ids.push_back(id == row.json.end() ? Json() : *id);
    rollouts.push_back(row.rollout);
    waiting_tokens += static_cast<int64_t>(rows.back().tokens.size());
    if (waiting_tokens >= options.batch_tokens) flush();
  }
  if (!rows.empty()) flush();
  if (total_rows == 0 && source.is_pool())
    return monitor.info("every rollout of the pool has a perplexity under this model");
  if (total_rows == 0) throw Error(options.data, "holds no rows");
  out.finish();
  monitor.info(fmt::format("{} rows, {} tokens, perplexity {:.6g}", total_rows, total_tokens,
                           generate::perplexity_of(total_logprob, total_tokens)));
}

}  // namespace

void register_score(CLI::App& app) {
  auto options = std::make_shared<ScoreOptions>();
  CLI::App* sub = app.add_subcommand("score", "log-probability of given responses");
  sub->add_option("--model", options->model, "checkpoint folder")->required();
  sub->add_option(
         "--data", options->data,
         "JSON lines with prompt (the user turn, or chat messages) and response; or the "
         "folder of a pool: its rollouts, whose perplexities an imported pool keeps; those of a "
         "run are asked as its recipe says")
      ->required();
  sub->add_flag("--per-token", options->per_token, "also the log-probability of every token");
  sub->add_flag("--raw", options->raw,
                "prompt and response are bare text: no chat template, no end token");
  sub->add_flag("--no-end-token", options->no_end_token,
                "leave out the end of the turn, which otherwise is the last token scored");
  sub->add_option("--system", options->system, "system turn (default: the chat template's own)");
  add_number_option(*sub, "--batch-tokens", options->batch_tokens, 1, kMany,
                    "tokens computed at once; never changes the result (default: 4096)");
  sub->add_option("--out", options->out,
                  std::string("file of rows (default: standard output)") + kGoesOn);
  add_template_options(*sub, options->chat_template);
  add_prompt_options(*sub, options->chat_template);
  add_precision_option(*sub, options->precision);
  add_common_options(*sub, options->common);
  sub->footer("example: ponder score --model models/nano-base --data responses.jsonl --per-token");
  sub->callback([options] { run_score(*options); });
}

}  // namespace ponder::cli
