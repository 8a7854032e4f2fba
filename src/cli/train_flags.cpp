#include "cli/train_flags.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "base/machine.h"
#include "cli/number_option.h"
#include "cli/printing.h"
#include "cli/stop_signals.h"
#include "data/shards.h"
#include "tokenizer/template_files.h"
#include "tokenizer/token_addition.h"

namespace ponder::cli {
namespace {

double mebibytes(int64_t bytes) { return static_cast<double>(bytes) / 1048576.0; }

void require_memory(const model::ModelConfig& config, const train::TrainingTask& task,
                    const train::TrainOptions& options, ThreadPool& pool, Monitor& monitor) {
  const model::Decoder decoder(config, pool, options.precision);
  const train::TrainPlan plan = train::plan_training(decoder, train::workload_of(task), options);
  std::string purposes;
  for (const auto& [purpose, bytes] : plan.memory_bytes) {
    purposes += fmt::format("{}{} {:.0f}", purposes.empty() ? "" : ", ", purpose, mebibytes(bytes));
  }
  monitor.info(fmt::format("{} steps, {} tokens, {:.3g} FLOPs, {:.0f} MiB of memory ({})",
                           plan.num_steps, plan.total_tokens, plan.flops,
                           mebibytes(plan.peak_memory_bytes()), purposes));
  const int64_t available = machine_memory().available_bytes;
  if (available > 0 && plan.peak_memory_bytes() > available) {
    throw Error("memory",
                fmt::format("this job needs {:.0f} MiB, {:.0f} MiB are available ({})",
                            mebibytes(plan.peak_memory_bytes()), mebibytes(available), purposes),
                "use --recompute, a smaller --micro-tokens or --max-length, or a smaller model");
  }
}

Json data_files(const std::vector<std::string>& paths) {
  Json files = Json::array();
  for (const std::filesystem::path& path : data::shards_of(paths)) {
    if (path == "-") {
      files.push_back({{"path", "standard input"}});
    } else {
      files.push_back({{"path", path.string()}, {"sha256", sha256_file(path)}});
    }
  }
  return files;
}

// The command that trains the same model: every flag that has a say in it, with its value.
std::string command_of(const TrainFlags& flags, tensor::Precision precision,
                       tensor::Precision usual, const JobAccount& account) {
  const train::TrainOptions& train = flags.train;
  std::string text = fmt::format("{} --model {}", account.command, flags.model);
  for (const std::string& file : flags.data) text += " --data " + file;
  if (!flags.fields.empty()) text += fmt::format(" --fields {}", fmt::join(flags.fields, ","));
  text += " --out OUT" + account.flags;
  text += fmt::format(" --epochs {} --lr {}", train.batch.epochs, train.lr);
  text += train.batch.batch_tokens > 0 ? fmt::format(" --batch-tokens {}", train.batch.batch_tokens)
                                       : fmt::format(" --batch-rows {}", train.batch.batch_rows);
  if (flags.max_length > 0) text += fmt::format(" --max-length {}", flags.max_length);
  if (!flags.chat_template.name.empty()) text += " --chat-template " + flags.chat_template.name;
  if (flags.chat_template.allow_change) text += " --allow-template-change";
  if (!flags.thought_form.empty()) text += " --thought-form " + flags.thought_form;
  if (!flags.add_tokens.empty())
    text += fmt::format(" --add-tokens '{}'", fmt::join(flags.add_tokens, ","));
  text += fmt::format(
      " --schedule {} --warmup {} --weight-decay {} --max-grad-norm {} --dtype {} --seed {}",
      flags.schedule, train.warmup_ratio, train.adamw.weight_decay, train.max_grad_norm,
      flags.dtype, flags.common.seed);
  if (train.group_tokens > 0) text += fmt::format(" --group-tokens {}", train.group_tokens);
  if (precision != tensor::Precision::kF32 || precision != usual)
    text += fmt::format(" --precision {}", tensor::to_string(precision));
  if (flags.optimizer_dtype != "float32") text += " --optimizer-dtype " + flags.optimizer_dtype;
  return text;
}

model::ModelConfig with_rows_for(model::ModelConfig config, const data::ModelText& text) {
  config.vocab_size = std::max<int64_t>(config.vocab_size, text.tokenizer().vocab_size());
  return config;
}

// A JSON object a step on standard output.
class StepLines final : public Monitor {
 public:
  void take(const MonitorEvent& event) override {
    if (event.kind == MonitorEvent::Kind::kProgress) print_json(event.fields);
  }
};

// The folder is exchanged as a whole at each save, and what else lies in it is gone.
void refuse_log_within(const std::filesystem::path& out, const std::filesystem::path& log) {
  namespace fs = std::filesystem;
  const auto whole = [](const fs::path& path) { return fs::weakly_canonical(fs::absolute(path)); };
  const fs::path within = whole(log).lexically_relative(whole(out));
  if (within.empty() || *within.begin() == "..") return;
  throw Error(ErrorKind::kUsage, log.string(), "--log lies in --out, whose files are replaced",
              "name a file beside it");
}

}  // namespace

Json source_account(const std::string& file, const data::RowAccount& report) {
  Json account = {{"source", file == "-" ? "standard input" : file}};
  account.update(data::to_json(report, false));
  return account;
}

void add_train_flags(CLI::App& command, TrainFlags& flags) {
  train::TrainOptions& train = flags.train;
  const CLI::Validator share = number_in(0.0, 1.0), positive = number_above(0),
                       not_negative = number_from(0);
  command.add_option("--model", flags.model, "folder of the model to start from")->required();
  command
      .add_option("--data", flags.data,
                  "files of rows, folders of them or patterns like 'train-*.parquet', by commas: "
                  "JSON, CSV, Arrow (gzip or zstd) or Parquet (repeatable)")
      ->required()
      ->delimiter(',');
  command
      .add_option("--out", flags.out, "folder for the trained model; a stopped job goes on there")
      ->required();
  add_number_option(command, "--epochs", train.batch.epochs, 1, 10000, "times every row is seen")
      ->capture_default_str();
  command.add_option("--lr", train.lr, "peak learning rate")
      ->check(positive)
      ->capture_default_str();
  auto* rows = add_number_option(command, "--batch-rows", train.batch.batch_rows, 1, kMany,
                                 "rows (dpo: pairs) per optimiser step")
                   ->capture_default_str();
  add_number_option(command, "--batch-tokens", train.batch.batch_tokens, 1, kMany,
                    "instead: tokens per optimiser step")
      ->excludes(rows);
  add_number_option(command, "--max-length", flags.max_length, 1, kMany,
                    "longest row in tokens; longer ones are rejected and counted (default: the "
                    "model's positions)");
  add_fields_option(command, flags.fields);
  add_thought_form_option(command, flags.thought_form);
  command.add_option("--log", flags.log, "file for one JSON line per step");
  command.add_option("--schedule", flags.schedule, "cosine, linear or constant")
      ->check(one_of({"cosine", "linear", "constant"}))
      ->capture_default_str();
  command.add_option("--warmup", train.warmup_ratio, "share of the steps that warm up")
      ->check(share)
      ->capture_default_str();
  command.add_option("--weight-decay", train.adamw.weight_decay, "decoupled, of matrices only")
      ->check(not_negative)
      ->capture_default_str();
  command
      .add_option("--max-grad-norm", train.max_grad_norm,
                  "clip the gradient's norm to this; 0: never")
      ->check(not_negative)
      ->capture_default_str();
  add_number_option(
      command, "--group-tokens", train.group_tokens, 0, kMany,
      "the gradient is a sum over groups of neighbouring rows of at most so many tokens; "
      "0: one chain over the step")
      ->capture_default_str();
  command
      .add_option("--optimizer-dtype", flags.optimizer_dtype,
                  "of AdamW's moments; bfloat16 takes half the memory, rounded stochastically")
      ->check(one_of({"float32", "bfloat16"}))
      ->capture_default_str();
  command.add_option("--dtype", flags.dtype, "of the saved weights")
      ->check(one_of({"float32", "bfloat16", "float16", "f32", "bf16", "f16"}))
      ->capture_default_str();
  add_precision_option(command, flags.precision);
  add_number_option(command, "--steps", flags.stop_after_steps, 1, kMany,
                    "stop after this many steps; the same command without it goes on");
  add_number_option(command, "--checkpoint-steps", flags.checkpoint_steps, 1, kMany,
                    "save every so many steps, beside every ten minutes");
  add_number_option(
      command, "--micro-tokens", flags.micro_batch_tokens, 1, kMany,
      "tokens computed at once; never changes the result (default: 2048, in bf16 1024)");
  command.add_flag("--recompute", train.activation_checkpointing,
                   "less memory, a third more work; never changes the result");
  add_template_options(command, flags.chat_template);
  add_prompt_options(command, flags.chat_template);
  add_common_options(command, flags.common);
}

TrainSetup::TrainSetup(const TrainFlags& flags)
    : of_folder(model::load_config(flags.model)),
      text(flags.model, {flags.chat_template, of_folder.vocab_size, of_folder.eos_token_ids,
                         flags.add_tokens, data::thought_form_from_string(flags.thought_form)}),
      config(with_rows_for(of_folder, text)),
      builder(text,
              flags.max_length > 0 ? std::min(flags.max_length, config.max_position_embeddings)
                                   : config.max_position_embeddings,
              flags.chat_template.allow_change) {}

void log_report(Monitor& monitor, const std::string& file, const data::RowAccount& report) {
  constexpr size_t kShown = 5;
  monitor.info(fmt::format("{}: {}", file, report.summary()));
  for (size_t i = 0; i < report.examples.size() && i < kShown; ++i) {
    const data::RejectedRow& row = report.examples[i];
    monitor.info(fmt::format("  {}:{}: {}: {}", row.file, row.line, row.reason, row.detail));
  }
  if (report.examples.size() > kShown)
    monitor.info("  … (all of them: ponder data check --explain)");
}

void run_training_command(const TrainFlags& flags, const TrainSetup& setup,
                          train::TrainingTask& task, const JobAccount& account, Monitor& monitor) {
  const std::atomic<bool>* const stop = stop_flag();
  train::TrainOptions options = flags.train;
  options.schedule = *train::schedule_from_string(flags.schedule);
  options.batch.seed = options.adamw.seed = flags.common.seed;
  options.adamw.moments = *tensor::dtype_from_name(flags.optimizer_dtype);
  const tensor::Precision usual = model::usual_precision(setup.of_folder);
  options.precision = flags.precision.value_or(usual);
  options.micro_batch_tokens = flags.micro_batch_tokens > 0
                                   ? flags.micro_batch_tokens
                                   : train::usual_micro_batch_tokens(options.precision);
  options.check();

  std::vector<std::filesystem::path> reads = {flags.model};
  const std::vector<std::filesystem::path> files = data::shards_of(flags.data);
  reads.insert(reads.end(), files.begin(), files.end());
  for (size_t i = 1; i < reads.size(); ++i) {  // the model is the first
    for (size_t j = i + 1; j < reads.size(); ++j) {
      std::error_code absent;
      if (!std::filesystem::equivalent(reads[i], reads[j], absent)) continue;
      throw Error(ErrorKind::kUsage, reads[j].string(), "--data names this file twice",
                  "its rows would be duplicates: raise --epochs to see them more often");
    }
  }
  refuse_own_input("--out", flags.out, reads);
  if (!flags.log.empty()) {
    refuse_own_input("--log", flags.log, reads);
    refuse_log_within(flags.out, flags.log);
  }

  ThreadPool pool(flags.common.threads);
  require_memory(setup.config, task, options, pool, monitor);
  model::Checkpoint start = model::load_checkpoint(flags.model);
  const std::vector<data::AddedToken>& added = setup.text.added_tokens();
  if (!added.empty()) {
    monitor.info(fmt::format("{} tokens are added, from id {} on: the vocabulary of {} rows has {}",
                             added.size(), added[0].id, start.config.vocab_size,
                             setup.config.vocab_size));
  }
  train::JobOptions job;
  job.out = flags.out;
  job.base_folder = flags.model;
  job.end_token_ids = {setup.text.end_of_turn_id()};
  job.files = tokenizer::template_files(flags.model, setup.text.chat());
  tokenizer::put_added_tokens(flags.model, flags.add_tokens, job.files);
  train::add_tokens(added, start, job);
  job.dtype = *tensor::dtype_from_name(flags.dtype);
  job.provenance = Json{{"parents", Json::array({start.sha256})},
                        {"data", data_files(flags.data)},
                        {"sources", account.sources},
                        {"command", command_of(flags, options.precision, usual, account)}};
  job.provenance.update(tokenizer::template_record(setup.text.chat()));
  if (flags.max_length > 0) job.provenance["max_length"] = flags.max_length;
  job.log = flags.log;
  job.stop_after_steps = flags.stop_after_steps;
  job.checkpoint_steps = flags.checkpoint_steps;
  job.stop = stop;
  StepLines lines;
  MonitorList all({&lines, &monitor});
  job.monitor = flags.common.json ? static_cast<Monitor*>(&all) : &monitor;

  const train::JobResult result = train::run_training(std::move(start), task, options, job, pool);
  if (result.stopped_by_request) {
    monitor.info(fmt::format("stopped after step {} of {}; the same command goes on from there",
                             result.steps_done, result.num_steps));
    throw Stopped{stop_signal()};
  }
  if (!flags.common.json) {
    const int64_t skipped = result.steps_done - result.num_updates;
    print("{}: {} of {} steps{}, {} tokens, loss {:.4f}, sha256 {}\n", flags.out, result.steps_done,
          result.num_steps, skipped > 0 ? fmt::format(" ({} skipped)", skipped) : "",
          result.total_tokens, result.last_loss, result.sha256);
  }
}

}  // namespace ponder::cli
