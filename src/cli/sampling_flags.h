// The flags of commands that sample from a model.
#pragma once

#include <cstdint>
#include <string>

#include "cli/command.h"
#include "generate/inference_model.h"

namespace ponder::cli {

struct SamplingFlags {
  double temperature = -1;  // below 0: the command's default
  double top_p = -1;        // below 0: the command's default
  int top_k = 0;
  int max_tokens = 0;  // 0: 1024, or what the model's positions leave for the longest prompt
  int max_batch = 64;
  uint64_t kv_cache_bytes = uint64_t{2} << 30;
  std::string system;
  TemplateChoice chat_template;
};

void add_sampling_flags(CLI::App& command, SamplingFlags& flags);

// The settings of rollouts from prompts of at most `longest_prompt` tokens.
SamplingSettings sampling_settings(const SamplingFlags& flags, double default_temperature,
                                   double default_top_p, int64_t longest_prompt,
                                   const ModelConfig& config);
EngineOptions engine_options(const SamplingFlags& flags, const InferenceModel& model);

// Shows an engine's progress: samples done, tokens per second, sequences running, time left.
void show_progress(Log& log, const std::string& task, const EngineProgress& progress);

}  // namespace ponder::cli
