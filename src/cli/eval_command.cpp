// ponder eval: a model, or given responses, against benchmarks.
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "base/error.h"
#include "cli/benchmark_names.h"
#include "cli/command.h"
#include "cli/number_option.h"
#include "cli/printing.h"
#include "cli/rollout_file.h"
#include "cli/sampling_flags.h"
#include "cli/served_evaluation.h"
#include "cli/server_flags.h"
#include "cli/stop_signals.h"
#include "data/shards.h"
#include "eval/benchmark.h"
#include "eval/comparison.h"
#include "eval/thought_budget.h"
#include "net/url.h"

namespace ponder::cli {
namespace {

struct EvalOptions {
  CommonOptions common;
  SamplingFlags sampling;
  ServerFlags servers;
  ServedFlags served;
  std::string model, out, details, compare, units, order, forms;
  std::vector<std::string> benchmarks, responses, fields;
  int samples = 1;
  int64_t limit = 0;
  bool thought_budgets = false;
};

struct Benchmark {
  std::string name;
  std::vector<data::Problem> problems;
};

Benchmark read_benchmark(const std::string& given, const EvalOptions& options, Monitor& monitor) {
  const std::string file = benchmark_file(given);
  Benchmark benchmark;
  data::RowAccount report;
  benchmark.problems = data::read_problems(
      file, report,
      {.choice_seed = options.common.seed, .fields = data::FieldMap::parse(options.fields)});
  benchmark.name = file == given ? data::dataset_name(file) : given;
  if (report.kept != report.rows) monitor.warning(report.summary());
  const auto limit = static_cast<size_t>(options.limit);
  if (limit > 0 && limit < benchmark.problems.size()) benchmark.problems.resize(limit);
  return benchmark;
}

eval::JudgeStrictness strictness_of(const EvalOptions& options) {
  return {ponder::eval::strictness_of(options.units), ponder::eval::strictness_of(options.order),
          ponder::eval::forms_of(options.forms)};
}

// A benchmark's samples to make, and the problems that cannot be asked, which it loses.
struct Asked {
  std::vector<rollout::RolloutRequest> requests;
  data::RowAccount account;
};

Asked asked_of(const generate::InferenceModel& model, Benchmark& benchmark,
               const EvalOptions& options, Monitor& monitor) {
  generate::RolloutSpec spec;
  spec.samples = options.samples;
  spec.seed = options.common.seed;
  const bool greedy = options.samples == 1;
  spec.sampling.temperature = greedy ? 0.0 : 1.0;
  Asked asked;
  asked.account = data::RowAccount::of(benchmark.problems.size());
  asked.requests = rollout_requests(model, options.sampling, spec, benchmark.name,
                                    benchmark.problems, asked.account, monitor);
  if (!greedy && options.sampling.temperature == 0) {
    monitor.warning("with --temperature 0 all samples of a problem are the same");
  }
  return asked;
}

// What decides how answers are judged.
Json job_of_judging(const EvalOptions& options) {
  return {{"command", "ponder eval"},
          {"judge_version", judge::kVersion},
          {"units", options.units},
          {"order", options.order},
          {"forms", options.forms}};
}

// A model on benchmarks, one after the other; its rollouts are rows of --out, if there is one.
class ModelEvaluation {
 public:
  ModelEvaluation(const EvalOptions& options, std::vector<Benchmark>& benchmarks,
                  const std::vector<std::filesystem::path>& reads, ThreadPool& threads,
                  Monitor& monitor)
      : options_(options),
        monitor_(monitor),
        model_(options.model, threads, options.sampling.chat_template, options.sampling.precision,
               weights_for(options.servers)) {
    tell_unused_sampling(options.model, monitor);
    Json job = job_of_judging(options);
    job.update(job_of_model(options.model, model_));
    job.update(job_of_servers(options.servers));
    for (size_t i = 0; i < benchmarks.size(); ++i) {
      asked_.push_back(asked_of(model_, benchmarks[i], options, monitor));
      const Json own = job_of_rollouts(benchmarks[i].problems, asked_[i].requests);
      for (const auto& [key, value] : own.items())
        job[fmt::format("benchmark {}, {}", i + 1, key)] = value;
    }
    if (!options.out.empty())
      rows_ = std::make_unique<RowFile>(options.out, reads, std::move(job), monitor);
  }

  tensor::Precision precision() const { return model_.precision(); }

  // Of the benchmarks, in their order.
  eval::BenchmarkResult run(const Benchmark& benchmark, size_t index) {
    Asked& asked = asked_[index];
    eval::BenchmarkOptions settings;
    settings.strictness = strictness_of(options_);
    settings.monitor = &monitor_;
    std::unique_ptr<RolloutFile> out;
    if (rows_) {
      out = std::make_unique<RolloutFile>(*rows_, first_, benchmark.problems, asked.requests,
                                          ponder::eval::how_judged(settings.strictness));
      first_ += static_cast<int64_t>(asked.requests.size());
      settings.in_order = !rows_->keeps();
      settings.save = [&](std::span<const rollout::NewTokens> begun) { out->save(begun); };
    }
    std::vector<data::Rollout> rollouts;
    settings.on_completion = [&](const data::Rollout& rollout) {
      if (out) out->add(rollout);
      if (options_.thought_budgets) rollouts.push_back(rollout);
    };
    Sampler sampler(options_.sampling, options_.servers, model_, monitor_);
    std::optional<eval::BenchmarkResult> result =
        eval::evaluate(sampler.generator(), benchmark.name, benchmark.problems, asked.requests,
                       settings, stop_flag());
    if (!result && rows_) rows_->stop();
    if (!result) {
      monitor_.info("stopped; with --out FILE the same command would go on from here");
      throw Stopped{stop_signal()};
    }
    result->score.rejected = asked.account.rejected;
    budgets_.clear();
    if (!options_.thought_budgets) return std::move(*result);
    for (const rollout::RolloutRequest& request : asked.requests)
      rollouts.insert(rollouts.end(), request.done.begin(), request.done.end());
    settings.on_completion = {};
    settings.save = {};
    const eval::ThoughtEnd end = ponder::eval::thought_end(model_.text());
    const int64_t limit = asked.requests.at(0).sampling.max_tokens;
    for (const int64_t part : {8, 4, 2, 1}) {
      const int64_t budget = std::max<int64_t>(1, limit / part);
      const std::optional<eval::BudgetScore> score = ponder::eval::score_at_budget(
          sampler.generator(), benchmark.problems, *result, budget,
          ponder::eval::forced_answers(
              asked.requests, rollouts, budget, std::max<int64_t>(64, limit / 4),
              model_.config().max_position_embeddings, end, model_.text().tokenizer()),
          settings, stop_flag());
      if (!score) throw Stopped{stop_signal()};
      budgets_.push_back(*score);
    }
    return std::move(*result);
  }
  // Of the benchmark run last, with --thought-budgets.
  const std::vector<eval::BudgetScore>& budgets() const { return budgets_; }
  void finish() {
    if (rows_) rows_->finish();
  }

 private:
  const EvalOptions& options_;
  Monitor& monitor_;
  generate::InferenceModel model_;
  std::vector<Asked> asked_;  // of each benchmark
  std::vector<eval::BudgetScore> budgets_;
  std::unique_ptr<RowFile> rows_;
  int64_t first_ = 0;  // place of the next benchmark's rows
};

std::unique_ptr<ServedEvaluation> served_evaluation(const EvalOptions& options,
                                                    const std::vector<Benchmark>& benchmarks,
                                                    const std::vector<std::filesystem::path>& reads,
                                                    Monitor& monitor) {
  std::vector<std::vector<data::Problem>> problems;
  for (const Benchmark& benchmark : benchmarks) problems.push_back(benchmark.problems);
  const ServedEvaluationOptions served = {
      options.model,   options.sampling,    options.servers, options.served,
      options.samples, options.common.seed, options.out,     strictness_of(options)};
  return std::make_unique<ServedEvaluation>(served, problems, reads, job_of_judging(options),
                                            monitor);
}

void refuse_served_flags(const EvalOptions& options) {
  if (any_given(options.served)) {
    throw Error(ErrorKind::kUsage, "--max-tokens-field, --own-sampling, --extra",
                "are of a served model, and --model is a folder",
                "give an address as --model: http://HOST:PORT/v1");
  }
  if (!options.servers.any() && !options.servers.served_model.empty()) {
    throw Error(ErrorKind::kUsage, "--served-model", "names a model of a server, and there is none",
                "give its address as --model, or --server URL with a folder");
  }
}

// `arithmetic`: the model's, as it is stored; "" of responses that were given, and of float32.
void write_details(LineOutput& out, const Benchmark& benchmark, const eval::BenchmarkResult& result,
                   const std::string& arithmetic) {
  const Json how_judged = ponder::eval::how_judged(result.strictness);
  for (size_t at = 0; at < result.problems.size(); ++at) {
    const eval::ProblemResult& problem = result.problems[at];
    const std::string problem_sha256 = eval::problem_sha256(benchmark.problems[at]);
    for (size_t i = 0; i < problem.samples.size(); ++i) {
      const eval::SampleResult& sample = problem.samples[i];
      Json line;
      line["benchmark"] = result.score.benchmark;
      line["problem_id"] = problem.problem_id;
      line["problem_sha256"] = problem_sha256;
      line["sample"] = i;
      line["verdict"] = std::string(judge::to_string(sample.verdict));
      line["extracted"] = sample.extracted;
      line["proof"] = sample.proof;
      line["finished"] = sample.finished;
      line["format_failure"] = sample.format_failure;
      line["tokens"] = sample.tokens;
      line["judge"] = how_judged;
      if (!arithmetic.empty()) line["precision"] = arithmetic;
      out.write(dump_json(line));
    }
  }
}

void print_table(const eval::BenchmarkScore& s, bool header) {
  if (header) {
    print("{:<24} {:>6} {:>4} {:>9} {:>15} {:>7} {:>7} {:>9} {:>7} {:>8}\n", "benchmark", "n", "k",
          "accuracy", "95 % interval", "pass@k", "maj@k", "finished", "format", "tokens");
  }
  print(
      "{:<24} {:>6} {:>4} {:>8.1f}% {:>6.1f} to {:>5.1f}% {:>6.1f}% {:>6.1f}% {:>8.1f}% {:>6.1f}% "
      "{:>8.1f}\n",
      s.benchmark, s.n, s.samples, 100 * s.accuracy, 100 * s.interval_95.low,
      100 * s.interval_95.high, 100 * s.pass_at_k, 100 * s.maj_at_k, 100 * s.finished,
      100 * s.format_failures, s.mean_tokens);
  if (s.samples == 1) return;
  std::string line;
  for (size_t i = 0; i < s.pass_at.size(); ++i) {
    line += fmt::format("pass@{} {:.1f}% [{:.1f}, {:.1f}], ", s.pass_at[i].first,
                        100 * s.pass_at[i].second, 100 * s.pass_at_95[i].low,
                        100 * s.pass_at_95[i].high);
  }
  print("  {}maj@{} {:.1f}% [{:.1f}, {:.1f}]\n", line, s.samples, 100 * s.maj_at_k,
        100 * s.maj_at_k_95.low, 100 * s.maj_at_k_95.high);
  if (!s.best_of_k) return;
  print("  best of {} by its own log-probability {:.1f}% [{:.1f}, {:.1f}]\n", s.samples,
        100 * s.best_of_k->mean, 100 * s.best_of_k->interval_95.low,
        100 * s.best_of_k->interval_95.high);
}

void print_budgets(const std::vector<eval::BudgetScore>& budgets) {
  for (const eval::BudgetScore& b : budgets) {
    print("  {:>6} tokens of thought: {:>5.1f}% [{:.1f}, {:.1f}], {} responses ended by force\n",
          b.budget, 100 * b.accuracy.mean, 100 * b.accuracy.interval_95.low,
          100 * b.accuracy.interval_95.high, b.forced);
  }
}

void run_eval(const EvalOptions& options) {
  TerminalMonitor monitor(options.common.quiet ? TerminalMonitor::Level::kQuiet
                                               : TerminalMonitor::Level::kInfo);
  if (!options.responses.empty() && options.responses.size() != options.benchmarks.size()) {
    throw Error("--responses",
                fmt::format("names {} files for {} benchmarks", options.responses.size(),
                            options.benchmarks.size()),
                "give one file of responses for each benchmark");
  }
  std::vector<Benchmark> benchmarks;  // all are read before the model is: bad files show at once
  for (const std::string& file : options.benchmarks) {
    benchmarks.push_back(read_benchmark(file, options, monitor));
  }
  std::optional<eval::VerdictTable> other;
  if (!options.compare.empty()) other = eval::read_verdicts(options.compare);

  ThreadPool pool(options.common.threads);
  std::vector<std::filesystem::path> reads = {options.model, options.compare};
  std::vector<std::string> files_named;
  for (const std::string& given : options.benchmarks) files_named.push_back(benchmark_file(given));
  const std::vector<std::filesystem::path> files = data::shards_of(files_named);
  reads.insert(reads.end(), files.begin(), files.end());
  reads.insert(reads.end(), options.responses.begin(), options.responses.end());
  const bool is_served = net::looks_like_url(options.model);
  std::unique_ptr<ModelEvaluation> model;
  std::unique_ptr<ServedEvaluation> served;
  if (is_served) {
    if (options.thought_budgets) {
      throw Error(ErrorKind::kUsage, "--thought-budgets",
                  "ends thoughts by their token ids, and a chat endpoint has none",
                  "give the model's folder, with --server where servers have it");
    }
    reads.front().clear();
    served = served_evaluation(options, benchmarks, reads, monitor);
  } else if (!options.model.empty()) {
    refuse_served_flags(options);
    model = std::make_unique<ModelEvaluation>(options, benchmarks, reads, pool, monitor);
  }
  std::unique_ptr<LineOutput> details;
  if (!options.details.empty()) details = std::make_unique<LineOutput>(options.details, reads);
  for (size_t i = 0; i < benchmarks.size(); ++i) {
    Benchmark& benchmark = benchmarks[i];
    const eval::BenchmarkResult result =
        served  ? served->run(benchmark.name, benchmark.problems, i)
        : model ? model->run(benchmark, i)
                : eval::score_responses(benchmark.name, benchmark.problems, options.responses[i],
                                        strictness_of(options));
    if (result.score.unreadable > 0) {
      monitor.warning(fmt::format("{}: {} rows of responses cannot be read: wrong", benchmark.name,
                                  result.score.unreadable));
    }
    if (result.score.missing > 0) {
      monitor.warning(fmt::format("{}: no response for {} of {} problems, which count as wrong",
                                  benchmark.name, result.score.missing, result.score.n));
    }
    const std::string arithmetic = model && model->precision() != tensor::Precision::kF32
                                       ? std::string(tensor::stored_name(model->precision()))
                                       : "";
    if (details) write_details(*details, benchmark, result, arithmetic);
    Json json = eval::to_json(result.score);
    if (!arithmetic.empty()) json["precision"] = arithmetic;
    if (model && options.sampling.chat_template.thinking)
      json["thinking"] = *options.sampling.chat_template.thinking ? "on" : "off";
    if (model && options.thought_budgets) {
      Json& budgets = json["thought_budgets"] = Json::array();
      for (const eval::BudgetScore& budget : model->budgets())
        budgets.push_back(ponder::eval::to_json(budget));
    }
    std::string comparison;
    if (other) {
      const eval::Comparison c =
          eval::compare_with(result, benchmark.problems, *other, options.common.seed);
      json["comparison"] = eval::to_json(c);
      comparison = eval::describe(c, options.compare, "this");
    }
    if (options.common.json) {
      print_json(json);
    } else {
      print_table(result.score, i == 0);
      if (model) print_budgets(model->budgets());
      if (!comparison.empty()) print("  {}\n", comparison);
    }
  }
  if (model) model->finish();
  if (served) served->finish();
  if (details) details->close();
}

}  // namespace

void register_eval(CLI::App& app) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* sub = app.add_subcommand("eval", "score a model or given responses on benchmarks");
  sub->add_option(
         "--benchmark", options->benchmarks,
         "benchmark files (or folders, patterns, names of ponder benchmarks), separated by "
         "commas")
      ->required()
      ->delimiter(',');
  auto* source = sub->add_option_group("source")->require_option(1);
  auto* model =
      source->add_option("--model", options->model,
                         "checkpoint folder, or the address of an OpenAI-compatible chat endpoint "
                         "(http://HOST:PORT/v1)");
  source
      ->add_option("--responses", options->responses,
                   "score these responses instead of a model's: JSON lines with response and "
                   "problem_id (or in the benchmark's order); one file for each benchmark")
      ->delimiter(',');
  add_number_option(
      *sub, "--samples", options->samples, 1, 100000,
      "samples of each problem (default: 1, greedy; more: temperature 1, top-p 0.95)");
  add_number_option(*sub, "--limit", options->limit, 1, kMany,
                    "only the first so many problems of each benchmark");
  sub->add_option("--out", options->out,
                  std::string("file for the model's rollouts, judged") + kGoesOn)
      ->needs(model);
  sub->add_option("--details", options->details, "file for the verdict on every response");
  sub->add_flag(
         "--thought-budgets", options->thought_budgets,
         "also the accuracy where a thought is ended by force after 1/8, 1/4, 1/2 and all of "
         "--max-tokens, and the model answers from what it has")
      ->needs(model);
  sub->add_option("--compare", options->compare,
                  "another evaluation's --details or --out file: can the two be told apart?");
  sub->add_option("--units", options->units,
                  "lenient: a unit may be missing on one side; strict: both sides name units that "
                  "convert into each other")
      ->check(one_of({"lenient", "strict"}))
      ->default_str("lenient");
  sub->add_option("--order", options->order,
                  "lenient: lists without brackets are equal in any order; strict: in gold's order")
      ->check(one_of({"lenient", "strict"}))
      ->default_str("lenient");
  sub->add_option("--forms", options->forms,
                  "where gold is a written number - exact: any form with its value counts; "
                  "evaluated: only a written number does, no 2^10 for 1024")
      ->check(one_of({"exact", "evaluated"}))
      ->default_str("exact");
  add_fields_option(*sub, options->fields);
  add_sampling_flags(*sub, options->sampling);
  add_server_flags(*sub, options->servers);
  add_served_flags(*sub, options->served);
  add_common_options(*sub, options->common);
  sub->footer(
      "example: ponder eval --model models/nano-base --benchmark easy.jsonl,hard.jsonl --samples "
      "4\n"
      "         ponder eval --model models/nano-base --benchmark easy.jsonl --thought-budgets\n"
      "a served model: ponder eval --model http://gpu1:8000/v1 --served-model r1 --benchmark "
      "easy.jsonl --out answers.jsonl\n"
      "With --json: one object a line, one line for each benchmark.");
  sub->callback([options] { run_eval(*options); });
}

}  // namespace ponder::cli
