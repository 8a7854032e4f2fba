#include "cli/served_evaluation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/stop_signals.h"
#include "eval/comparison.h"
#include "net/url.h"

namespace ponder::cli {
namespace {

constexpr int kServedMaxTokens = 32'768;

[[noreturn]] void refuse(const std::string& flag, const std::string& why,
                         const std::string& advice) {
  throw Error(ErrorKind::kUsage, flag, why, advice);
}

// Flags that speak of a model in a folder.
void refuse_folder_flags(const ServedEvaluationOptions& options) {
  const char* why = "is of a model in a folder, and --model is an address";
  if (options.servers.any())
    refuse("--server", why, "give the model's folder as --model, or leave --server out");
  if (options.sampling.top_k > 0)
    refuse("--top-k", "chat endpoints have no field of that name in common",
           "--extra top_k=20 sends it to a server that knows it");
  if (!options.sampling.chat_template.name.empty() || options.sampling.chat_template.allow_change)
    refuse("--chat-template", why, "the server has a template of its own");
  if (options.sampling.chat_template.thinking)
    refuse("--thinking", why,
           "some servers take --extra chat_template_kwargs='{\"enable_thinking\": false}'");
  if (options.sampling.precision) refuse("--precision", why, "leave it out");
  if (!options.servers.kind.empty() && options.servers.kind != "openai")
    refuse("--server-kind", "is openai where --model is an address", "leave it out");
}

}  // namespace

Json extra_fields(const std::vector<std::string>& flags) {
  Json extra = Json::object();
  for (const std::string& flag : flags) {
    const size_t equals = flag.find('=');
    if (equals == 0 || equals == std::string::npos) {
      throw Error(ErrorKind::kUsage, "--extra " + excerpt(flag), "expected KEY=JSON",
                  "e.g. --extra reasoning_effort='\"high\"'");
    }
    const std::string key = flag.substr(0, equals);
    for (const char* own : {"messages", "model", "stream", "stream_options", "n", "temperature",
                            "top_p", "max_tokens", "max_completion_tokens", "stop"}) {
      if (key != own) continue;
      throw Error(ErrorKind::kUsage, "--extra " + key, "is what ponder itself sends",
                  "temperature, top-p, the token limit and stop strings have flags of their own");
    }
    try {
      extra[key] = parse_json(std::string_view(flag).substr(equals + 1), "--extra " + key);
    } catch (const Error& error) {
      throw Error(ErrorKind::kUsage, error.where(), error.problem(),
                  "text stands in double quotes: --extra effort='\"high\"'");
    }
  }
  return extra;
}

void add_served_flags(CLI::App& command, ServedFlags& flags) {
  command
      .add_option("--max-tokens-field", flags.max_tokens_field,
                  "of a served model: how the endpoint calls the token limit")
      ->check(CLI::IsMember({"max_tokens", "max_completion_tokens"}))
      ->default_str("max_tokens");
  command.add_flag("--own-sampling", flags.own_sampling,
                   "of a served model: send no temperature and top-p, for models that refuse them");
  command
      .add_option(
          "--extra", flags.extra,
          "of a served model: KEY=JSON, a field of every request; may be given several times")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

bool any_given(const ServedFlags& flags) {
  return flags.own_sampling || !flags.extra.empty() || flags.max_tokens_field != "max_tokens";
}

ServedEvaluation::ServedEvaluation(const ServedEvaluationOptions& options,
                                   std::span<const std::vector<data::Problem>> benchmarks,
                                   const std::vector<std::filesystem::path>& reads, Json job,
                                   Monitor& monitor)
    : options_(options), monitor_(monitor) {
  const std::string url = net::parse_url(options.url, "--model").text();
  refuse_folder_flags(options);
  if (options.out.empty() || options.out == "-") {
    refuse("--out", "is missing: a server's answers are kept as they come",
           "--out answers.jsonl; stopped or killed, the same command goes on from there");
  }
  fleet::FleetOptions fleet = fleet_options(options.servers, fleet::ServerKind::kOpenai);
  fleet.servers = {url};
  fleet.seed = options.seed;
  fleet.rules.first_window = 4;
  fleet.chat.max_tokens_field = options.served.max_tokens_field;
  fleet.chat.send_sampling = !options.served.own_sampling;
  fleet.chat.extra = extra_fields(options.served.extra);
  job.update({{"model", url},
              {"max_tokens field", fleet.chat.max_tokens_field},
              {"own sampling", options.served.own_sampling},
              {"extra", fleet.chat.extra},
              {"system", options.sampling.system},
              {"prompt prefix", options.sampling.chat_template.prompt_prefix},
              {"prompt suffix", options.sampling.chat_template.prompt_suffix}});
  fleet_ = std::make_unique<fleet::Fleet>(nullptr, std::move(fleet), monitor);
  job["served model"] = fleet_->served_model();
  for (size_t i = 0; i < benchmarks.size(); ++i) {
    requests_.push_back(requests_of(benchmarks[i]));
    const Json own = job_of_rollouts(benchmarks[i], requests_[i]);
    for (const auto& [key, value] : own.items())
      job[fmt::format("benchmark {}, {}", i + 1, key)] = value;
  }
  rows_ = std::make_unique<RowFile>(options.out, reads, std::move(job), monitor);
  rows_->sync_each_row();
}

std::vector<rollout::RolloutRequest> ServedEvaluation::requests_of(
    std::span<const data::Problem> problems) const {
  const SamplingFlags& flags = options_.sampling;
  data::SamplingSettings sampling;
  sampling.temperature =
      flags.temperature >= 0 ? flags.temperature : (options_.samples == 1 ? 0.0 : 1.0);
  sampling.top_p = flags.top_p >= 0 ? flags.top_p : data::usual_top_p(sampling);
  sampling.max_tokens = flags.max_tokens > 0 ? flags.max_tokens : kServedMaxTokens;
  std::vector<rollout::RolloutRequest> requests;
  for (const data::Problem& problem : problems) {
    rollout::RolloutRequest& request = requests.emplace_back();
    request.problem_id = problem.id;
    if (!flags.system.empty()) request.messages.push_back({"system", flags.system});
    request.messages.push_back({"user", flags.chat_template.prompt_prefix + problem.question +
                                            flags.chat_template.prompt_suffix});
    request.num_samples = options_.samples;
    request.sampling = sampling;
    request.seed = options_.seed;
    request.stop_strings = flags.stop;
  }
  return requests;
}

eval::BenchmarkResult ServedEvaluation::run(const std::string& name,
                                            std::span<const data::Problem> problems, size_t index) {
  std::vector<rollout::RolloutRequest>& requests = requests_[index];
  RolloutFile out(*rows_, first_, problems, requests, eval::how_judged(options_.strictness));
  first_ += static_cast<int64_t>(requests.size());
  eval::BenchmarkOptions settings;
  settings.strictness = options_.strictness;
  settings.monitor = &monitor_;
  settings.in_order = !rows_->keeps();
  settings.on_completion = [&](const data::Rollout& rollout) {
    data::Rollout named = rollout;
    named.origin.emplace().model = fleet_->served_model();
    named.origin->system = options_.sampling.system;
    out.add(named);
  };
  const std::optional<eval::BenchmarkResult> result =
      eval::evaluate(*fleet_, name, problems, requests, settings, stop_flag());
  if (!result) rows_->stop();
  monitor_.info(fmt::format("{}: {}", name, fleet_->summary()));
  return *result;
}

void ServedEvaluation::finish() { rows_->finish(); }

}  // namespace ponder::cli
