// The flags of commands that sample from a model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/command.h"
#include "generate/inference_model.h"

namespace ponder::cli {

inline constexpr double kHighestTemperature = 100, kLeastTopP = 1e-6;  // as in recipes

struct SamplingFlags {
  double temperature = -1;  // below 0: the command's default
  double top_p = -1;        // below 0: data::usual_top_p
  int top_k = 0;
  int max_tokens = 0;  // 0: 1024, or what the model's positions leave for the longest prompt
  int max_batch = 64;
  uint64_t kv_cache_bytes = uint64_t{2} << 30;
  std::string system;
  std::vector<std::string> stop;
  tokenizer::TemplateChoice chat_template;
  std::optional<tensor::Precision> precision;  // nothing: the model's usual
};

void add_sampling_flags(CLI::App& command, SamplingFlags& flags);
// Adds --stop, which may be given several times.
void add_stop_option(CLI::App& command, std::vector<std::string>& stop);

// The requests for the problems that can be asked, as the flags say. `spec` has the command's
// temperature where there is no flag. The other problems leave `problems`, for
// `account`, and `monitor` is told of them by id; `what` is what they are of. Throws Error when
// none is left.
std::vector<rollout::RolloutRequest> rollout_requests(const generate::InferenceModel& model,
                                                      const SamplingFlags& flags,
                                                      generate::RolloutSpec spec,
                                                      const std::string& what,
                                                      std::vector<data::Problem>& problems,
                                                      data::RowAccount& account, Monitor& monitor);
// Warns of settings of the folder's generation_config.json, which are not used.
void tell_unused_sampling(const std::string& model, Monitor& monitor);

}  // namespace ponder::cli
