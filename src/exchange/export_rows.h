// The pool's rollouts as rows that other trainers read: always with the question. Every row that is
// given is one that `ponder data check` keeps, and holds in further columns, which trainers ignore,
// what an import needs to make the same rollout of it. Layouts: docs/pool.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "data/rejection.h"
#include "data/rows.h"

namespace ponder::exchange {

enum class RowLayout {
  kStill,             // question, combined_text
  kShareGpt,          // conversations of from and value
  kMessages,          // messages of role and content
  kPromptCompletion,  // prompt and completion, each messages
  kAlpaca,            // instruction, input (empty), output
};
enum class PairLayout {
  kTrl,       // prompt, chosen and rejected, each messages
  kShareGpt,  // conversations; chosen and rejected, each a turn
  kAlpaca,    // instruction, input (empty); chosen and rejected, each a text
};
// "still", "sharegpt", "messages", "prompt-completion", "alpaca"; "trl", "sharegpt", "alpaca".
std::optional<RowLayout> row_layout_from_string(std::string_view text);
std::optional<PairLayout> pair_layout_from_string(std::string_view text);

struct ExportForm {
  bool allow_direct = false;  // rows without a thought too
  // Absent: as it was sampled or written (STILL-2's tags in kStill, which is made of them).
  std::optional<data::ThoughtForm> thought = {};
};

// Reasons of a Rejection beside those of the readers: `unfinished`; `multi_turn` and `system_turn` for
// what the layout has no place for.
data::Accepted<Json> training_row(const data::Problem& problem, const data::Rollout& rollout,
                                  RowLayout layout, const ExportForm& form);
data::Accepted<Json> training_row(const data::Demonstration& demonstration, RowLayout layout,
                                  const ExportForm& form);
// Of two rollouts of one problem.
data::Accepted<Json> preference_row(const data::Problem& problem, const data::Rollout& chosen,
                                    const data::Rollout& rejected, PairLayout layout,
                                    const ExportForm& form);

}  // namespace ponder::exchange
