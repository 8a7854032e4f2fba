#include "pipeline/key_homes.h"

#include <algorithm>

namespace ponder::pipeline {
namespace {

// Of a key that several sections have, the one that is meant most often.
constexpr KeyHome kHomes[] = {
    {"sft", "lr"},
    {"sft", "epochs"},
    {"sft", "batch_rows"},
    {"sft", "schedule"},
    {"sft", "warmup_ratio"},
    {"sft", "weight_decay"},
    {"sft", "optimizer_dtype"},
    {"sft", "max_grad_norm"},
    {"sft", "group_tokens"},
    {"sft", "micro_batch_tokens"},
    {"sft", "recompute"},
    {"imitate", "demonstrations"},
    {"imitate", "compare"},
    {"explore", "problems"},
    {"explore", "rounds"},
    {"explore", "problems_per_round"},
    {"explore", "samples"},
    {"explore", "enough_correct"},
    {"explore", "enough_incorrect"},
    {"explore", "temperature"},
    {"explore", "top_p"},
    {"explore", "max_tokens"},
    {"explore", "pick"},
    {"explore", "screen"},
    {"explore", "retry_unsolved"},
    {"refine", "strategy"},
    {"refine", "per_problem"},
    {"refine", "max_rows"},
    {"refine", "agreement"},
    {"refine", "length_band"},
    {"refine", "perplexity_band"},
    {"dpo", "beta"},
    {"dpo", "align"},
    {"dpo", "max_pairs"},
    {"evaluate", "benchmarks"},
    {"evaluate", "thinking"},
    {"engine", "max_batch"},
    {"engine", "kv_cache_bytes"},
};

}  // namespace

std::string home_of_key(std::string_view key) {
  const auto* home = std::find_if(std::begin(kHomes), std::end(kHomes),
                                  [&](const KeyHome& entry) { return entry.key == key; });
  if (home == std::end(kHomes)) return "";
  return std::string(home->section) + "." + std::string(home->key);
}

std::span<const KeyHome> key_homes() { return kHomes; }

}  // namespace ponder::pipeline
