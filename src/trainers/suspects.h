// What goes wrong between two programs that should train the same rows: ways of reading a batch
// otherwise, each with what it would do to the tokens and the targets. Pure. Internal to this folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/model_text.h"
#include "data/token_rows.h"

namespace ponder::trainers {

// The hidden state at `index` predicts `token`.
struct Target {
  int32_t index = 0, token = 0;
};

// A row as somebody scores it.
struct ScoredRow {
  std::vector<int32_t> tokens;
  std::vector<Target> targets;  // ascending by index
};
// By micro-batch.
using ScoredBatch = std::vector<std::vector<ScoredRow>>;
using Batch = std::vector<std::vector<data::TokenRow>>;

ScoredRow scored(const data::TokenRow& row);
ScoredBatch scored(const Batch& batch);

struct Suspect {
  std::string cause;  // "every token is trained, the prompt's too (…)"
  std::string cure;   // what to change in the trainer
  ScoredBatch batch;
};

struct SuspectContext {
  const data::ModelText& text;
  std::filesystem::path folder;  // of the model, for its tokenizer.json
  std::string system;            // of the rows' prompts
  Batch in_file_order;           // the step's rows if the order were not heeded; empty: not known
};

// All that would be another batch than `batch`.
std::vector<Suspect> suspects(const Batch& batch, const SuspectContext& context);

}  // namespace ponder::trainers
