// ponder generate: rollouts of a model on problems, or on one prompt.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/number_option.h"
#include "cli/rollout_file.h"
#include "cli/sampling_flags.h"
#include "cli/server_flags.h"
#include "cli/stop_signals.h"
#include "data/readers.h"
#include "data/shards.h"
#include "eval/judging.h"
#include "rollout/run_rollouts.h"

namespace ponder::cli {
namespace {

struct GenerateOptions {
  CommonOptions common;
  SamplingFlags sampling;
  ServerFlags servers;
  std::string model, problems, prompt, out;
  std::vector<std::string> fields;
  int samples = 1;
  int64_t limit = 0;
  bool raw = false, judge = false;
  int enough_correct = 0, enough_incorrect = 0;  // 0: not asked for
};

std::vector<data::Problem> problems_of(const GenerateOptions& options, Monitor& monitor) {
  if (options.problems.empty()) {
    data::Problem problem;
    problem.id = "prompt";
    problem.question = options.prompt;
    return {problem};
  }
  data::RowAccount report;
  std::vector<data::Problem> problems = data::read_problems(
      options.problems, report,
      {.choice_seed = options.common.seed, .fields = data::FieldMap::parse(options.fields)});
  if (report.kept != report.rows) monitor.warning(report.summary());
  if (options.limit > 0 && static_cast<size_t>(options.limit) < problems.size()) {
    problems.resize(static_cast<size_t>(options.limit));
  }
  return problems;
}

void run_generate(const GenerateOptions& options) {
  TerminalMonitor monitor(options.common.quiet ? TerminalMonitor::Level::kQuiet
                                               : TerminalMonitor::Level::kInfo);
  if (options.raw && options.sampling.chat_template.thinking) {
    throw Error(ErrorKind::kUsage, "--thinking", "with --raw there is no chat template to switch",
                "leave one of them out");
  }
  std::vector<data::Problem> problems = problems_of(options, monitor);
  ThreadPool pool(options.common.threads);
  generate::InferenceModel model(options.model, pool, options.sampling.chat_template,
                                 options.sampling.precision, weights_for(options.servers));

  tell_unused_sampling(options.model, monitor);
  generate::RolloutSpec spec;
  spec.samples = options.samples;
  spec.seed = options.common.seed;
  spec.raw = options.raw;
  data::RowAccount account = data::RowAccount::of(problems.size());
  std::vector<rollout::RolloutRequest> requests = rollout_requests(
      model, options.sampling, spec, options.problems.empty() ? "--prompt" : options.problems,
      problems, account, monitor);
  std::map<std::string_view, const data::Problem*> problem_of;
  for (const data::Problem& problem : problems) problem_of.emplace(problem.id, &problem);

  // One prompt on a terminal: a person wants to read the text.
  const bool as_text = options.problems.empty() && options.out.empty() && !options.common.json;
  std::vector<std::string> texts;
  Json job = {{"command", "ponder generate"},
              {"judge", options.judge},
              {"enough_correct", options.enough_correct},
              {"enough_incorrect", options.enough_incorrect}};
  job.update(job_of_model(options.model, model));
  job.update(job_of_servers(options.servers));
  job.update(job_of_rollouts(problems, requests));
  std::vector<std::filesystem::path> reads = {options.model};
  if (!options.problems.empty())
    for (const auto& file : data::shards_of(std::filesystem::path(options.problems)))
      reads.push_back(file);
  RowFile rows(options.out, reads, std::move(job), monitor);
  RolloutFile out(rows, 0, problems, requests);
  rollout::RolloutHooks hooks;
  if (options.judge) {
    hooks.judge = [&](data::Rollout& rollout) {
      eval::judge_rollout(*problem_of.at(rollout.problem_id), {}, rollout);
    };
  }
  if (options.enough_correct > 0 || options.enough_incorrect > 0) {
    hooks.group_complete = [&](std::span<const data::Rollout> samples) {
      const auto count = [&](judge::Verdict verdict) {
        return std::count_if(samples.begin(), samples.end(),
                             [&](const data::Rollout& t) { return t.verdict == verdict; });
      };
      return count(judge::Verdict::kCorrect) >= options.enough_correct &&
             count(judge::Verdict::kIncorrect) >= options.enough_incorrect;
    };
  }
  hooks.on_completion = [&](const data::Rollout& rollout) {
    if (as_text) {
      texts.push_back(rollout.completion.text);
    } else {
      out.add(rollout);
    }
  };
  hooks.save = [&](std::span<const rollout::NewTokens> begun) { out.save(begun); };
  Sampler sampler(options.sampling, options.servers, model, monitor);
  const rollout::RolloutReport report =
      rollout::run_rollouts(sampler.generator(), requests, hooks,
                            {.in_order = !rows.keeps(), .monitor = &monitor}, stop_flag());
  if (report.interrupted) rows.stop();
  for (const std::string& text : texts) rows.add({}, escaped(text, Lines::kKeep));
  rows.finish();
  monitor.info(fmt::format(
      "{} rollouts, {} tokens sampled and {} prompt tokens read in {:.1f} s, "
      "{:.0f} tokens/s, {}{}",
      report.progress.finished, report.progress.sampled_tokens, report.progress.prompt_tokens,
      report.progress.seconds, report.progress.tokens_per_second(), sampler.summary(),
      report.discarded > 0 ? fmt::format(", {} samples spared", report.discarded) : ""));
}

}  // namespace

void register_generate(CLI::App& app) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App* sub = app.add_subcommand("generate", "rollouts of a model on problems or a prompt");
  sub->add_option("--model", options->model, "checkpoint folder")->required();
  auto* input = sub->add_option_group("input")->require_option(1);
  auto* problems = input->add_option("--problems", options->problems, "file of problems");
  input->add_option("--prompt", options->prompt, "one question");
  add_number_option(*sub, "-n,--samples", options->samples, 1, 1000000,
                    "samples of each problem (default: 1)");
  add_number_option(*sub, "--limit", options->limit, 1, kMany, "only the first so many problems");
  sub->add_option("--out", options->out,
                  std::string("file of trajectory rows (default: standard output)") + kGoesOn);
  sub->add_flag("--raw", options->raw, "continue the bare text, without the chat template");
  auto* judge = sub->add_flag("--judge", options->judge, "compare each answer with the gold answer")
                    ->needs(problems);
  add_number_option(
      *sub, "--enough-correct", options->enough_correct, 1, kMany,
      "stop sampling a problem once so many of its samples, counted in their order, are "
      "correct (and as many incorrect as --enough-incorrect says)")
      ->needs(judge);
  add_number_option(*sub, "--enough-incorrect", options->enough_incorrect, 1, kMany,
                    "the same for incorrect ones")
      ->needs(judge);
  add_sampling_flags(*sub, options->sampling);
  add_server_flags(*sub, options->servers);
  add_common_options(*sub, options->common);
  sub->footer(
      "example: ponder generate --model models/nano-base --problems hard.jsonl -n 8 --top-p 0.95 "
      "--judge --out rollouts.jsonl\n"
      "on servers: ponder generate --model models/nano-base --server "
      "http://gpu1:8321,http://gpu2:8321 "
      "--problems hard.jsonl --out rollouts.jsonl");
  sub->callback([options] { run_generate(*options); });
}

}  // namespace ponder::cli
