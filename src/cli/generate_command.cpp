// ponder generate: rollouts of a model on problems, or on one prompt.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/error.h"
#include "cli/command.h"
#include "cli/sampling_flags.h"
#include "cli/stop_signals.h"
#include "data/readers.h"
#include "eval/judging.h"

namespace ponder::cli {
namespace {

struct GenerateOptions {
  CommonOptions common;
  SamplingFlags sampling;
  std::string model, problems, prompt, out;
  int samples = 1;
  int64_t limit = 0;
  bool raw = false, judge = false;
  int enough_correct = 0, enough_incorrect = 0;  // 0: not asked for
};

std::vector<Problem> problems_of(const GenerateOptions& options, Log& log) {
  if (options.problems.empty()) {
    Problem problem;
    problem.id = "prompt";
    problem.question = options.prompt;
    return {problem};
  }
  ReadReport report;
  std::vector<Problem> problems = read_problems(options.problems, report);
  if (report.kept != report.rows) log.warning(report.summary());
  if (options.limit > 0 && static_cast<size_t>(options.limit) < problems.size()) {
    problems.resize(static_cast<size_t>(options.limit));
  }
  return problems;
}

// Passes trajectories on in the order of problems and samples, as soon as all before have come.
class OrderedRows {
 public:
  OrderedRows(LineOutput& out, size_t problems, size_t samples)
      : out_(out), wanted_(problems, samples) {}
  void put(size_t problem, const Trajectory& trajectory) {
    waiting_.emplace(std::pair(problem, static_cast<size_t>(trajectory.sample)),
                     dump_json(to_json(trajectory)));
    write_on();
  }
  // The problem's samples end here: no others will come.
  void end(size_t problem, size_t samples) {
    wanted_[problem] = samples;
    write_on();
  }

 private:
  void write_on() {
    for (; problem_ < wanted_.size(); ++problem_, sample_ = 0) {
      for (; sample_ < wanted_[problem_]; ++sample_) {
        const auto row = waiting_.find({problem_, sample_});
        if (row == waiting_.end()) return;
        out_.write(row->second);
        waiting_.erase(row);
      }
    }
  }

  LineOutput& out_;
  std::vector<size_t> wanted_;  // samples, by problem
  size_t problem_ = 0, sample_ = 0;
  std::map<std::pair<size_t, size_t>, std::string> waiting_;
};

void run_generate(const GenerateOptions& options) {
  Log log(options.common.quiet ? LogLevel::kQuiet : LogLevel::kInfo);
  const std::vector<Problem> problems = problems_of(options, log);
  ThreadPool pool(options.common.threads);
  InferenceModel model(options.model, pool, options.sampling.chat_template);

  std::vector<RolloutRequest> requests;
  std::map<std::string_view, size_t> place;
  int64_t longest = 0;
  for (const Problem& problem : problems) {
    place.emplace(problem.id, requests.size());
    RolloutRequest& request = requests.emplace_back();
    request.problem_id = problem.id;
    request.prompt_ids = options.raw ? model.tokenizer().encode(problem.question)
                                     : model.prompt_ids(problem.question, options.sampling.system);
    request.num_samples = options.samples;
    request.seed = options.common.seed;
    longest = std::max(longest, static_cast<int64_t>(request.prompt_ids.size()));
  }
  for (RolloutRequest& request : requests) {
    request.sampling = sampling_settings(options.sampling, 1.0, 1.0, longest, model.config());
  }

  // One prompt on a terminal: a person wants to read the text.
  const bool as_text = options.problems.empty() && options.out.empty() && !options.common.json;
  LineOutput out(options.out);
  OrderedRows rows(out, problems.size(), static_cast<size_t>(options.samples));
  std::map<int, std::string> texts;
  EngineHooks hooks;
  if (options.judge) {
    hooks.judge = [&](Trajectory& trajectory) {
      judge_rollout(problems[place.at(trajectory.problem_id)], {}, trajectory);
    };
  }
  if (options.enough_correct > 0 || options.enough_incorrect > 0) {
    hooks.enough = [&](std::span<const Trajectory> samples) {
      const auto count = [&](Verdict verdict) {
        return std::count_if(samples.begin(), samples.end(),
                             [&](const Trajectory& t) { return t.verdict == verdict; });
      };
      if (count(Verdict::kCorrect) < options.enough_correct ||
          count(Verdict::kIncorrect) < options.enough_incorrect) {
        return false;
      }
      rows.end(place.at(samples.back().problem_id), samples.size());
      return true;
    };
  }
  hooks.deliver = [&](const Trajectory& trajectory) {
    if (as_text) {
      texts[trajectory.sample] = trajectory.text;
    } else {
      rows.put(place.at(trajectory.problem_id), trajectory);
    }
  };
  hooks.progress = [&](const EngineProgress& p) { show_progress(log, "rollouts", p); };
  EngineOptions settings = engine_options(options.sampling, model);
  if (options.raw) settings.opened_thought.clear();
  Engine engine(model.decoder(), &model.tokenizer(), pool, settings);
  const EngineReport report = engine.run(requests, hooks, stop_flag());
  if (report.interrupted) throw Stopped{stop_signal()};
  for (const auto& [sample, text] : texts) out.write(text);
  out.close();
  log.info(fmt::format(
      "{} rollouts, {} tokens sampled and {} prompt tokens read in {:.1f} s, "
      "{:.0f} tokens/s, {:.1f} sequences at once{}",
      report.progress.finished, report.progress.sampled_tokens, report.progress.prompt_tokens,
      report.progress.seconds, report.progress.tokens_per_second(), report.mean_running,
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
  sub->add_option("-n,--samples", options->samples, "samples of each problem (default: 1)")
      ->check(CLI::Range(1, 1000000));
  sub->add_option("--limit", options->limit, "only the first so many problems")
      ->check(CLI::PositiveNumber);
  sub->add_option("--out", options->out, "file of trajectory rows (default: standard output)");
  sub->add_flag("--raw", options->raw, "continue the bare text, without the chat template");
  auto* judge = sub->add_flag("--judge", options->judge, "compare each answer with the gold answer")
                    ->needs(problems);
  sub->add_option(
         "--enough-correct", options->enough_correct,
         "stop sampling a problem once so many of its samples, counted in their order, are "
         "correct (and as many incorrect as --enough-incorrect says)")
      ->check(CLI::PositiveNumber)
      ->needs(judge);
  sub->add_option("--enough-incorrect", options->enough_incorrect, "the same for incorrect ones")
      ->check(CLI::PositiveNumber)
      ->needs(judge);
  add_sampling_flags(*sub, options->sampling);
  add_common_options(*sub, options->common);
  sub->footer(
      "example: ponder generate --model models/nano-base --problems hard.jsonl -n 8 --top-p 0.95 "
      "--judge --out rollouts.jsonl");
  sub->callback([options] { run_generate(*options); });
}

}  // namespace ponder::cli
