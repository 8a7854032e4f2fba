// Positions that tell a model from another one, for servers that cannot say the hash of their weights
// (fleet/canary.h): where the model's own greedy answers are least likely under the other.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "fleet/canary.h"
#include "rollout/rollout_request.h"
#include "tensor/precision.h"
#include "tokenizer/template_choice.h"

namespace ponder::pipeline {

struct NamedModel {
  std::string name;  // for people
  std::filesystem::path folder;
};

struct CanaryWork {
  NamedModel model;
  std::vector<NamedModel> others;  // each gives a canary; none: one that tells from nothing
  tokenizer::TemplateChoice chat_template;
  tensor::Precision precision = tensor::Precision::kF32;
  // Those that are answered greedily, the first twelve with up to 64 tokens.
  std::vector<std::vector<int32_t>> prompts;
};

// At most 16 positions each, two of an answer, those with the greatest difference first (without another
// model: where the model is least certain). A model that cannot read the answers (of fewer tokens) gives
// none. Each model is loaded in its turn. Throws model::Interrupted when *stop becomes true.
std::vector<fleet::Canary> canaries_for(const CanaryWork& work, ThreadPool& threads,
                                        const std::atomic<bool>* stop);

}  // namespace ponder::pipeline
