#include "cli/sampling_flags.h"

#include <algorithm>

#include "cli/number_option.h"

namespace ponder::cli {

constexpr int kDefaultMaxTokens = 1024;
constexpr uint64_t kMostBytes = uint64_t{1} << 46;  // of keys and values, as in recipes

void add_sampling_flags(CLI::App& command, SamplingFlags& flags) {
  command.add_option("--temperature", flags.temperature, "0 is greedy")
      ->check(CLI::Range(0.0, 100.0));
  command.add_option("--top-p", flags.top_p, "nucleus: sample from this share of the probability")
      ->check(CLI::Range(0.0, 1.0));
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
}

void add_stop_option(CLI::App& command, std::vector<std::string>& stop) {
  command
      .add_option("--stop", stop,
                  "text that ends a completion and is left out of it; may be given several times")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

data::SamplingSettings sampling_settings(const SamplingFlags& flags, double default_temperature,
                                         double default_top_p, int64_t longest_prompt,
                                         const model::ModelConfig& config) {
  data::SamplingSettings settings;
  settings.temperature = flags.temperature < 0 ? default_temperature : flags.temperature;
  settings.top_p = flags.top_p < 0 ? default_top_p : flags.top_p;
  settings.top_k = flags.top_k;
  const int64_t left = config.max_position_embeddings - longest_prompt;
  settings.max_tokens = flags.max_tokens > 0 ? flags.max_tokens
                        : left > 0 ? static_cast<int>(std::min<int64_t>(kDefaultMaxTokens, left))
                                   : kDefaultMaxTokens;
  return settings;
}

generate::Engine open_engine(const SamplingFlags& flags, generate::InferenceModel& model) {
  return generate::Engine(
      model.decoder(), &model.text().tokenizer(), model.threads(),
      model.engine_options(flags.max_batch, static_cast<int64_t>(flags.kv_cache_bytes)));
}

}  // namespace ponder::cli
