// Which problems can be asked of a model, and why the others cannot.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/model_text.h"
#include "data/readers.h"
#include "data/rejection.h"
#include "data/rows.h"

namespace ponder::data {

// How problems are asked.
struct PromptSpec {
  std::string system = {};    // system turn, "" for the template's default
  bool raw = false;           // the bare question: no chat template
  int64_t max_tokens = 0;     // of a completion, for which the model must have positions too
  int64_t max_positions = 0;  // the model's; 0: no limit
};

// The prompt of a problem, or why it cannot be asked:
//   no_token   a byte of it has no token (Tokenizer::byte_without_token)
//   too_long   prompt and completion are longer than the model has positions
Accepted<std::vector<int32_t>> prompt_of(const ModelText& text, const Problem& problem,
                                         const PromptSpec& spec);

// The prompts of the problems that can be asked, in their order. The others leave `problems`, and
// go from the account's kept rows to its rejected ones, with their ids.
std::vector<std::vector<int32_t>> keep_askable(const ModelText& text,
                                               std::vector<Problem>& problems,
                                               const PromptSpec& spec, RowAccount& account);

}  // namespace ponder::data
