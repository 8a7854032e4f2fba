// ponder score: the log-probability a model gives to responses.
#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "base/json_fields.h"
#include "cli/command.h"
#include "cli/number_option.h"
#include "cli/rollout_file.h"
#include "cli/stop_signals.h"
#include "generate/inference_model.h"
#include "generate/scorer.h"

namespace ponder::cli {
namespace {

struct ScoreOptions {
  CommonOptions common;
  std::string model, data, system, out;
  tokenizer::TemplateChoice chat_template;
  tensor::Precision precision = tensor::Precision::kF32;
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

generate::ScoreRow row_of(const Json& json, const generate::InferenceModel& model,
                          const ScoreOptions& options, const std::string& where) {
  const JsonFields row(json, where, "", "expected are \"prompt\" and \"response\"");
  generate::ScoreRow scored;
  if (row.require("prompt").is_array() && !options.raw) {
    scored.tokens = model.text().prompt_ids(messages_of(row));
  } else {
    const std::string text = row.text("prompt");
    scored.tokens = options.raw ? model.text().tokenizer().encode(text)
                                : model.text().prompt_ids(text, options.system);
  }
  scored.first_scored = static_cast<int64_t>(scored.tokens.size());
  const std::vector<int32_t> response = model.text().tokenizer().encode(row.text("response"));
  scored.tokens.insert(scored.tokens.end(), response.begin(), response.end());
  if (!options.raw && !options.no_end_token) scored.tokens.push_back(model.text().end_of_turn_id());
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

Json line_of(const Json& id, const generate::Score& score, const ScoreOptions& options) {
  Json line;
  if (!id.is_null()) line["id"] = id;
  line["tokens"] = score.logprobs.size();
  line["logprob"] = score.logprob;
  line["perplexity"] = score.perplexity;
  if (options.per_token) line["logprobs"] = score.logprobs;
  if (options.precision != tensor::Precision::kF32)
    line["precision"] = tensor::to_string(options.precision);
  return line;
}

Json job_of_scores(const ScoreOptions& options, const generate::InferenceModel& model) {
  Json job = {{"command", "ponder score"},
              {"system", options.system},
              {"raw", options.raw},
              {"end_token", !options.no_end_token},
              {"per_token", options.per_token}};
  job.update(job_of_model(options.model, model));
  return job_over(options.data, std::move(job));
}

void run_score(const ScoreOptions& options) {
  TerminalMonitor monitor(options.common.quiet ? TerminalMonitor::Level::kQuiet
                                               : TerminalMonitor::Level::kInfo);
  ThreadPool pool(options.common.threads);
  generate::InferenceModel model(options.model, pool, options.chat_template, options.precision);
  const std::atomic<bool>* const stop = stop_flag();
  model.decoder().set_stop(stop);
  RowFile out(options.out, {options.model, options.data}, job_of_scores(options, model), monitor);
  JsonRowReader reader(options.data);
  std::vector<Json> ids;
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
    for (size_t i = 0; i < scores.size(); ++i) {
      out.add({total_rows + static_cast<int64_t>(i), 0},
              dump_json(line_of(ids[i], scores[i], options)));
      total_tokens += static_cast<int64_t>(scores[i].logprobs.size());
      total_logprob += scores[i].logprob;
    }
    total_rows += static_cast<int64_t>(rows.size());
    ids.clear();
    rows.clear();
    waiting_tokens = 0;
    monitor.progress("rows scored", total_rows, 0);
  };
  JsonRow row;
  int64_t index = 0;
  while (reader.next(row)) {
    if (index++ < kept) continue;
    const std::string where = fmt::format("{}:{}", reader.name(), row.line);
    rows.push_back(row_of(row.value, model, options, where));
    const auto id = row.value.find("id");
    ids.push_back(id == row.value.end() ? Json() : *id);
    waiting_tokens += static_cast<int64_t>(rows.back().tokens.size());
    if (waiting_tokens >= options.batch_tokens) flush();
  }
  if (!rows.empty()) flush();
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
  sub->add_option("--data", options->data,
                  "JSON lines with prompt (the user turn, or chat messages) and response")
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
  add_precision_option(*sub, options->precision);
  add_common_options(*sub, options->common);
  sub->footer("example: ponder score --model models/nano-base --data responses.jsonl --per-token");
  sub->callback([options] { run_score(*options); });
}

}  // namespace ponder::cli
