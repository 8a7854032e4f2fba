#include "pipeline/stages/preference_probe.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "pipeline/stages/rollouts.h"
#include "rollout/run_rollouts.h"

namespace ponder::pipeline {
namespace {

constexpr double kLongerBy = 1.5, kMoreLoops = 0.1;  // what is warned of

class PreferenceProbe {
 public:
  PreferenceProbe(StageContext& context, const DpoVariant& variant,
                  std::vector<data::TokenPair> held_out, std::vector<data::Problem> problems)
      : context_(context), variant_(variant), problems_(std::move(problems)) {
    if (!held_out.empty()) {
      held_out_.emplace(std::move(held_out), variant.options, variant.align);
      const model::Checkpoint start =
          model::load_checkpoint(context.checkpoint(context.stage.input));
      model::Decoder decoder(start.config, context.threads, context.recipe.precision);
      decoder.set_parameters(start.parameters);
      decoder.set_stop(context.stop);
      held_out_->prepare({decoder, variant.train.micro_batch_tokens, comm::single_member()});
    }
    if (problems_.empty()) return;
    // Its weights are not kept: the job's own answer.
    const generate::InferenceModel model = open_model(context);
    generate::RolloutSpec spec;
    spec.sampling.temperature = 0;
    spec.sampling.max_tokens = static_cast<int>(context.recipe.explore.max_tokens);
    spec.seed = context.recipe.seed;
    spec.system = context.recipe.system;
    data::RowAccount account = data::RowAccount::of(problems_.size());
    requests_ = model.rollout_requests(problems_, spec, account);
    tokenizer_ = tokenizer::Tokenizer::load(context.checkpoint(context.stage.input));
    const auto& engine = context.recipe.engine;
    engine_ = model.engine_options(static_cast<int>(engine.max_batch), engine.kv_cache_bytes);
    engine_.model_sha256.clear();
  }

  Json identity() const {
    Json ids = Json::array();
    for (const data::Problem& problem : problems_) ids.push_back(problem.id);
    return {{"held_out", held_out_ ? held_out_->identity().at("rows_sha256") : Json()},
            {"problems", sha256_hex(dump_json(ids))},
            {"max_tokens", context_.recipe.explore.max_tokens},
            {"finish_drop", variant_.finish_drop}};
  }

  train::ProbeReading read(const train::Policy& policy,
                           std::span<const train::ProbeReading> before) {
    train::ProbeReading reading;
    if (held_out_) {
      const std::vector<std::string> names = held_out_->metric_names();
      const std::vector<double> metrics = held_out_->measure(policy);
      for (size_t i = 0; i < names.size(); ++i) {
        if (names[i] == "accuracy" || names[i] == "margin")
          reading.values["held_out_" + names[i]] = metrics[i];
      }
    }
    if (!requests_.empty()) {
      answer(policy, reading.values);
      if (!before.empty()) compare(before.front().values, reading);
    }
    return reading;
  }

 private:
  void answer(const train::Policy& policy, std::map<std::string, double>& values) {
    generate::Engine engine(policy.decoder, &*tokenizer_, context_.threads, engine_);
    std::map<std::string, const data::Problem*> by_id;
    for (const data::Problem& problem : problems_) by_id[problem.id] = &problem;
    rollout::RolloutHooks hooks;
    hooks.judge = [&](data::Rollout& t) {
      eval::judge_rollout(*by_id.at(t.problem_id), context_.recipe.explore.strictness, t);
    };
    rollout::RolloutReport report;
    const std::vector<data::Rollout> answers =
        rollout::collect_rollouts(engine, requests_, hooks, {}, context_.stop, &report);
    if (report.interrupted) throw model::Interrupted();
    double finished = 0, loops = 0, tokens = 0, correct = 0;
    for (const data::Rollout& t : answers) {
      finished += t.completion.finish_reason == data::FinishReason::kStop;
      loops += t.completion.finish_reason == data::FinishReason::kRepetition;
      correct += t.verdict == judge::Verdict::kCorrect;
      tokens += static_cast<double>(t.completion.num_tokens());
    }
    const auto n = static_cast<double>(answers.size());
    values["probe_finished"] = finished / n;
    values["probe_loops"] = loops / n;
    values["probe_correct"] = correct / n;
    values["probe_mean_tokens"] = tokens / n;
  }

  void compare(const std::map<std::string, double>& start, train::ProbeReading& reading) {
    const auto pair = [&](const char* name) {
      const auto then = start.find(name);
      return std::pair(then == start.end() ? reading.values.at(name) : then->second,
                       reading.values.at(name));
    };
    const auto [finished_then, finished] = pair("probe_finished");
    const auto [tokens_then, tokens] = pair("probe_mean_tokens");
    const auto [loops_then, loops] = pair("probe_loops");
    if (finished < finished_then - variant_.finish_drop) {
      reading.alarm =
          fmt::format("of {} probe problems {:.0f} % are finished, {:.0f} % at the start",
                      requests_.size(), 100 * finished, 100 * finished_then);
    }
    const auto warn = [&](const std::string& text) {
      context_.monitor.warning(fmt::format("{}: {}", context_.stage.name, text));
    };
    if (tokens > kLongerBy * tokens_then)
      warn(fmt::format("answers to the probe take {:.0f} tokens, {:.0f} at the start", tokens,
                       tokens_then));
    if (loops > loops_then + kMoreLoops)
      warn(fmt::format("{:.0f} % of the probe's answers are loops, {:.0f} % at the start",
                       100 * loops, 100 * loops_then));
  }

  StageContext& context_;
  const DpoVariant& variant_;
  std::vector<data::Problem> problems_;
  std::optional<train::DpoTask> held_out_;
  std::vector<rollout::RolloutRequest> requests_;
  std::optional<tokenizer::Tokenizer> tokenizer_;
  generate::EngineOptions engine_;
};

}  // namespace

std::optional<train::JobProbe> preference_probe(StageContext& context, const DpoVariant& variant,
                                                std::vector<data::TokenPair> held_out,
                                                std::vector<data::Problem> problems) {
  if (held_out.empty() && problems.empty()) return std::nullopt;
  const auto probe =
      std::make_shared<PreferenceProbe>(context, variant, std::move(held_out), std::move(problems));
  train::JobProbe job;
  job.every_steps = variant.probe_steps;
  job.identity = probe->identity();
  job.read = [probe](const train::Policy& policy, std::span<const train::ProbeReading> before) {
    return probe->read(policy, before);
  };
  return job;
}

}  // namespace ponder::pipeline
