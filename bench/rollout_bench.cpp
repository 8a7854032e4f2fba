// A whole rollout job on the real engine: random weights, real prompts' pages, sampling, tokenizer
// and judge; only the lengths of the completions are forced, with a heavy tail (log-normal, by
// problem and by sample), since a random model knows no end. Compared with the same engine in
// static batches:
//   padded     a batch runs until its longest completion is done, every slot computing until then
//   shrinking  finished samples leave, nobody takes their place
// Prints ratios of medians over pairs of runs in turn, the share of slots that held a sample, and
// where the time went. All ways must give the same completions, or the program fails.
//
// --task shared-prompt: the samples of one long prompt in the engine against one prefill and the
// decoding steps alone.
//
//   build/release/bench/rollout_bench --config bench/shapes/T.json --tokenizer models/nano-base
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/json.h"
#include "base/philox.h"
#include "generate/engine.h"
#include "generate/sampler.h"
#include "judge/judge.h"
#include "model/checkpoint.h"
#include "model/kv_cache.h"
#include "rollout/run_rollouts.h"

namespace ponder {
namespace {

struct Options {
  std::string config, tokenizer, task = "job";
  int problems = 256, samples = 8, max_batch = 64, threads = 0, pairs = 3;
  int prompt_tokens = 64;       // of the job's prompts, at most; at least a quarter of it
  double median_tokens = 32;    // of a completion
  double problem_spread = 0.6;  // standard deviations of the logarithm of a completion's length
  double sample_spread = 0.5;
  int max_tokens = 1024;
  int shared_tokens = 500, shared_samples = 20, shared_completion = 64;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

class RolloutBench {
 public:
  explicit RolloutBench(const Options& options)
      : options_(options),
        config_(model::load_config(options.config)),
        pool_(options.threads),
        tokenizer_(tokenizer::Tokenizer::load(options.tokenizer)),
        parameters_(config_, "weights"),
        decoder_(config_, pool_) {
    model::initialise(parameters_, config_, 1, &pool_);
    decoder_.pack_parameters(parameters_);
    for (int p = 0; p < options.problems; ++p) {
      RandomSequence random(7, static_cast<uint64_t>(p));
      rollout::RolloutRequest& request = requests_.emplace_back();
      request.problem_id = std::to_string(p);
      const int64_t length = random.between(options.prompt_tokens / 4, options.prompt_tokens);
      for (int64_t i = 0; i < length; ++i) request.prompt_ids.push_back(random_id(random));
      request.num_samples = options.samples;
      request.sampling.max_tokens = options.max_tokens;
      const double of_problem = options.problem_spread * random.normal();
      for (int s = 0; s < options.samples; ++s) {
        const double logarithm = of_problem + options.sample_spread * random.normal();
        const double length_of_sample = options.median_tokens * std::exp(logarithm);
        lengths_.push_back(
            std::clamp(static_cast<int>(std::lround(length_of_sample)), 1, options.max_tokens));
      }
    }
  }

  Json job() {
    Run continuous, padded, shrinking;
    for (int pair = 0; pair < options_.pairs; ++pair) {
      whole(continuous);
      in_batches(padded, true);
      in_batches(shrinking, false);
    }
    const double tokens = std::accumulate(lengths_.begin(), lengths_.end(), 0.0);
    if (continuous.hash != shrinking.hash || continuous.hash != padded.hash) {
      throw Error("rollout_bench", "the three ways gave different completions");
    }
    const generate::EngineReport& engine = continuous.engine;
    const double seconds = continuous.report.progress.seconds;
    const double hook_seconds = continuous.report.hook_seconds;
    std::vector<int> sorted = lengths_;
    std::sort(sorted.begin(), sorted.end());
    const auto at = [&](double share) {
      return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
    };
    return {{"task", "job"},
            {"completions", lengths_.size()},
            {"tokens", tokens},
            {"length",
             {{"mean", tokens / static_cast<double>(lengths_.size())},
              {"median", at(0.5)},
              {"p99", at(0.99)},
              {"longest", sorted.back()}}},
            {"continuous", summary(continuous, tokens)},
            {"static_padded", summary(padded, tokens)},
            {"static_shrinking", summary(shrinking, tokens)},
            {"against_padded", median(ratios(padded, continuous))},
            {"against_shrinking", median(ratios(shrinking, continuous))},
            {"slot_fill", engine.mean_running / options_.max_batch},
            {"share_of_time",
             {{"model", engine.model_seconds / seconds},
              {"sampler", engine.sampler_seconds / seconds},
              {"tokenizer", engine.text_seconds / seconds},
              {"judge", hook_seconds / seconds},
              {"scheduler", 1 - (engine.model_seconds + engine.sampler_seconds +
                                 engine.text_seconds + hook_seconds) /
                                    seconds}}},
            {"outside_model", 1 - engine.model_seconds / seconds},
            {"pairs", options_.pairs},
            {"threads", pool_.num_threads()}};
  }

  Json shared_prompt() {
    rollout::RolloutRequest request;
    request.problem_id = "shared";
    RandomSequence random(9, 1);
    for (int i = 0; i < options_.shared_tokens; ++i)
      request.prompt_ids.push_back(random_id(random));
    request.num_samples = options_.shared_samples;
    request.sampling.max_tokens = options_.shared_completion;
    generate::EngineOptions engine_options = options();
    engine_options.max_batch = options_.shared_samples;
    generate::Engine engine(decoder_, nullptr, pool_, engine_options);
    rollout::RolloutHooks hooks;
    hooks.on_completion = [](const data::Rollout&) {};
    std::vector<double> together, apart, ratio;
    for (int pair = -1; pair < options_.pairs; ++pair) {  // the first warms up
      const auto start = std::chrono::steady_clock::now();
      rollout::run_rollouts(engine, {&request, 1}, hooks);
      const double a = seconds_since(start), b = prefill_and_decodes(request);
      if (pair < 0) continue;
      together.push_back(a);
      apart.push_back(b);
      ratio.push_back(a / b);
    }
    return {{"task", "shared-prompt"},
            {"prompt_tokens", options_.shared_tokens},
            {"samples", options_.shared_samples},
            {"completion_tokens", options_.shared_completion},
            {"seconds", median(together)},
            {"seconds_of_prefill_and_decodes", median(apart)},
            {"ratio", median(ratio)},
            {"pairs", options_.pairs},
            {"threads", pool_.num_threads()}};
  }

 private:
  struct Run {
    std::vector<double> seconds;
    rollout::RolloutReport report;  // of the last
    generate::EngineReport engine;  // of the last
    uint64_t hash = 0;              // of the completions, whatever their order
  };

  int32_t random_id(RandomSequence& random) const {
    const auto ids = std::min<int64_t>(config_.vocab_size, tokenizer_.vocab_size());
    return static_cast<int32_t>(random.below(static_cast<uint64_t>(ids)));
  }

  int length_of(std::string_view problem_id, int sample) const {
    const int problem = std::stoi(std::string(problem_id));
    return lengths_[static_cast<size_t>(problem * options_.samples + sample)];
  }

  generate::EngineOptions options() const {
    generate::EngineOptions options;
    options.max_batch = options_.max_batch;
    options.repetition.min_repeats = 0;  // lengths are forced
    return options;
  }

  // Judges and delivers as a run does; adds the completion, cut to its own length, to the hash.
  rollout::RolloutHooks hooks(Run& run) const {
    rollout::RolloutHooks hooks;
    hooks.judge = [](data::Rollout& t) {
      const judge::Judgement judgement =
          judge::judge_response("42", t.completion.text, judge::ResponseEnd::kFinished, {});
      t.verdict = judgement.verdict;
      t.proof = judgement.proof;
    };
    hooks.on_completion = [this, &run](const data::Rollout& t) {
      std::string ids = fmt::format("{} {}", t.problem_id, t.sample);
      const int length = length_of(t.problem_id, t.sample);
      for (int i = 0; i < length; ++i)
        ids += fmt::format(" {}", (*t.completion.token_ids)[static_cast<size_t>(i)]);
      run.hash += stable_hash64(ids);
    };
    return hooks;
  }

  // Ends every completion at its own length.
  void force_lengths(rollout::RolloutHooks& hooks) const {
    hooks.stop_condition = [this](std::string_view problem_id, int sample,
                                  std::span<const int32_t> token_ids) {
      return static_cast<int>(token_ids.size()) >= length_of(problem_id, sample);
    };
  }

  void whole(Run& run) {
    run.hash = 0;
    rollout::RolloutHooks with = hooks(run);
    force_lengths(with);
    const auto start = std::chrono::steady_clock::now();
    generate::Engine engine(decoder_, &tokenizer_, pool_, options());
    run.report = rollout::run_rollouts(engine, requests_, with);
    run.engine = engine.report();
    run.seconds.push_back(seconds_since(start));
  }

  void in_batches(Run& run, bool padded) {
    run.hash = 0;
    rollout::RolloutHooks with = hooks(run);
    if (!padded) force_lengths(with);
    const auto start = std::chrono::steady_clock::now();
    generate::Engine engine(decoder_, &tokenizer_, pool_, options());
    const int at_once = std::max(1, options_.max_batch / options_.samples);
    for (int begin = 0; begin < options_.problems; begin += at_once) {
      const int end = std::min(options_.problems, begin + at_once);
      std::vector<rollout::RolloutRequest> batch(requests_.begin() + begin,
                                                 requests_.begin() + end);
      const int longest = *std::max_element(lengths_.begin() + begin * options_.samples,
                                            lengths_.begin() + end * options_.samples);
      for (rollout::RolloutRequest& request : batch) {
        if (padded) request.sampling.max_tokens = longest;
      }
      rollout::run_rollouts(engine, batch, with);
    }
    run.engine = engine.report();
    run.seconds.push_back(seconds_since(start));
  }

  double prefill_and_decodes(const rollout::RolloutRequest& request) {
    const auto samples = static_cast<size_t>(request.num_samples);
    const auto length = static_cast<int64_t>(request.prompt_ids.size());
    const auto V = static_cast<size_t>(config_.vocab_size);
    const auto start = std::chrono::steady_clock::now();
    model::KvCache cache = decoder_.make_cache(
        model::KvCache::pages_for(length) +
        request.num_samples *
            (1 + model::KvCache::pages_for(length + request.sampling.max_tokens)));
    generate::Sampler sampler(config_.vocab_size, config_.vocab_size, pool_);
    model::KvSequence prompt;
    if (!cache.extend(prompt, length)) throw Error("rollout_bench", "the cache is too small");
    std::vector<float> logits(samples * V);
    decoder_.step({request.prompt_ids, {{&prompt, length, true}}}, cache,
                  std::span(logits).first(V));
    std::vector<model::KvSequence> sequences;
    std::vector<generate::SampledToken> sampled(samples);
    const auto draw = [&](bool first, int64_t position) {
      std::vector<generate::Draw> draws;
      for (size_t s = 0; s < samples; ++s) {
        draws.push_back({logits.data() + (first ? 0 : s * V), &request.sampling,
                         generate::rollout_uniform(1, 2, static_cast<int>(s), position)});
      }
      sampler.sample(draws, sampled);
    };
    draw(true, 0);
    for (size_t s = 0; s < samples; ++s) sequences.push_back(cache.fork(prompt));
    for (int64_t i = 1; i < request.sampling.max_tokens; ++i) {
      model::InferenceBatch step;
      for (size_t s = 0; s < samples; ++s) {
        if (!cache.extend(sequences[s], 1)) throw Error("rollout_bench", "the cache is too small");
        step.tokens.push_back(sampled[s].id);
        step.slices.push_back({&sequences[s], 1, true});
      }
      decoder_.step(step, cache, logits);
      draw(false, i);
    }
    return seconds_since(start);
  }

  static std::vector<double> ratios(const Run& a, const Run& b) {
    std::vector<double> ratios;
    for (size_t i = 0; i < a.seconds.size(); ++i) ratios.push_back(a.seconds[i] / b.seconds[i]);
    return ratios;
  }

  static Json summary(const Run& run, double tokens) {
    const double seconds = median(run.seconds);
    return {
        {"seconds", seconds}, {"tokens_per_second", tokens / seconds}, {"steps", run.engine.steps}};
  }

  Options options_;
  model::ModelConfig config_;
  ThreadPool pool_;
  tokenizer::Tokenizer tokenizer_;
  model::Parameters parameters_;
  model::Decoder decoder_;
  std::vector<rollout::RolloutRequest> requests_;
  std::vector<int> lengths_;  // problem by problem, sample by sample
};

int run(int argc, char** argv) {
  Options options;
  CLI::App app("a whole rollout job on the engine against static batches");
  app.add_option("--config", options.config, "config.json of the model")->required();
  app.add_option("--tokenizer", options.tokenizer, "folder with a tokenizer.json")->required();
  app.add_option("--task", options.task)->check(CLI::IsMember({"job", "shared-prompt"}));
  app.add_option("--problems", options.problems)->check(CLI::Range(1, 100000));
  app.add_option("--samples", options.samples, "of each problem")->check(CLI::Range(1, 1000));
  app.add_option("--max-batch", options.max_batch)->check(CLI::Range(1, 65536));
  app.add_option("--median-tokens", options.median_tokens, "of a completion")
      ->check(CLI::Range(1.0, 100000.0));
  app.add_option("--max-tokens", options.max_tokens)->check(CLI::Range(1, 1 << 20));
  app.add_option("--completion", options.shared_completion, "tokens after the shared prompt")
      ->check(CLI::Range(2, 1 << 20));
  app.add_option("--pairs", options.pairs, "runs of each way, in turn")->check(CLI::Range(1, 100));
  app.add_option("--threads", options.threads);
  CLI11_PARSE(app, argc, argv);
  try {
    RolloutBench bench(options);
    const Json result = options.task == "job" ? bench.job() : bench.shared_prompt();
    fmt::print("{}\n", result.dump());
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace ponder

int main(int argc, char** argv) { return ponder::run(argc, argv); }
