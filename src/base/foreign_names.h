// What other trainers, engines and evaluators call what ponder calls otherwise: a person's fingers
// know --learning-rate. Names are compared without regard to case, leading dashes and whether words
// are joined by '-', '_' or '.'.
//
// Of: transformers' TrainingArguments, TRL, axolotl, LLaMA-Factory, vLLM, llama.cpp, lm-eval.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ponder {

// One foreign name. `ours`: names to say instead, by commas, the first that exists where it was given;
// may be empty. `note`: a sentence to say where there is none of them, or "".
struct ForeignName {
  std::string_view name, ours, note;
};

// Of flags and of the keys of recipes: `ours` are flags without dashes.
std::span<const ForeignName> foreign_flags();
// Of commands.
std::span<const ForeignName> foreign_commands();

// The entry of `table` that `word` is, or null.
const ForeignName* find_foreign(std::span<const ForeignName> table, std::string_view word);

// Lower case, no leading dashes, words joined by '-'.
std::string plain_name(std::string_view word);

}  // namespace ponder
