#include "cli/sampling_flags.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/number_option.h"
#include "generate/sampling_defaults.h"

namespace ponder::cli {

constexpr int kDefaultMaxTokens = 1024;
constexpr uint64_t kMostBytes = uint64_t{1} << 46;  // of keys and values, as in recipes

void add_sampling_flags(CLI::App& command, SamplingFlags& flags) {
  command.add_option("--temperature", flags.temperature, "0 is greedy")
      ->check(number_in(0.0, kHighestTemperature));
  command
      .add_option("--top-p", flags.top_p,
                  "nucleus: sample from this share of the probability (default: 0.95; greedy: 1)")
      ->check(number_in(kLeastTopP, 1.0));
  add_number_option(command, "--top-k", flags.top_k, 0, kMany,
                    "sample from the k most likely tokens (0: off)");
  add_number_option(
      command, "--max-tokens", flags.max_tokens, 1, kMany,
      "completion tokens at most (default: 1024, or what the model has positions for)");
  add_number_option(command, "--max-batch", flags.max_batch, 1, 65536,
                    "sequences at once; changes the speed, never the result (default: 64)");
  command
      .add_option(
          "--kv-cache-bytes", flags.kv_cache_bytes,
          "memory for keys and values, e.g. 512MiB; never changes the result (default: 2GiB)")
      ->transform(byte_size(1, kMostBytes));
  add_stop_option(command, flags.stop);
  command.add_option("--system", flags.system, "system turn (default: the chat template's own)");
  add_template_options(command, flags.chat_template);
  add_thinking_option(command, flags.chat_template);
  add_prompt_options(command, flags.chat_template);
  add_precision_option(command, flags.precision);
}

void add_stop_option(CLI::App& command, std::vector<std::string>& stop) {
  command
      .add_option("--stop", stop,
                  "text that ends a completion and is left out of it; may be given several times")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

std::vector<rollout::RolloutRequest> rollout_requests(const generate::InferenceModel& model,
                                                      const SamplingFlags& flags,
                                                      generate::RolloutSpec spec,
                                                      const std::string& what,
                                                      std::vector<data::Problem>& problems,
                                                      data::RowAccount& account, Monitor& monitor) {
  spec.system = flags.system;
  spec.stop_strings = flags.stop;
  if (flags.temperature >= 0) spec.sampling.temperature = flags.temperature;
  spec.sampling.top_p = flags.top_p >= 0 ? flags.top_p : data::usual_top_p(spec.sampling);
  spec.sampling.top_k = flags.top_k;
  spec.sampling.max_tokens = std::max(1, flags.max_tokens);
  std::vector<rollout::RolloutRequest> requests = model.rollout_requests(problems, spec, account);
  const std::vector<std::string> left_out = account.left_out_by_id();
  if (requests.empty()) {
    throw Error(
        what,
        fmt::format("no problem can be asked: {}; first: {}", account.summary(), left_out.at(0)),
        "lower --max-tokens where prompts are too long, or leave the problems out");
  }
  if (!left_out.empty()) monitor.warning(fmt::format("{}: {}", what, account.summary()));
  for (const std::string& line : left_out)
    monitor.warning(fmt::format("{}: left out: {}", what, line));
  if (flags.max_tokens > 0) return requests;
  size_t longest = 0;
  for (const rollout::RolloutRequest& request : requests)
    longest = std::max(longest, request.prompt_ids.size());
  const int64_t left = model.config().max_position_embeddings - static_cast<int64_t>(longest);
  for (rollout::RolloutRequest& request : requests)
    request.sampling.max_tokens = static_cast<int>(std::min<int64_t>(kDefaultMaxTokens, left));
  return requests;
}

void tell_unused_sampling(const std::string& model, Monitor& monitor) {
  const std::string unused = generate::sampling_defaults_unused(model);
  if (!unused.empty()) monitor.warning(unused);
}

}  // namespace ponder::cli
