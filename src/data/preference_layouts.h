// One row of a preference file, whatever its layout: two responses to one prompt, read as
// demonstrations are. Internal to this folder.
#pragma once

#include "base/json.h"
#include "data/readers.h"
#include "data/row_fields.h"
#include "data/rows.h"
#include "data/token_rows.h"

namespace ponder::data {

// Whether the row's fields are those of a preference.
bool is_preference(const RowFields& row);

struct Preference {
  // Equal but for thought and solution.
  Demonstration chosen, rejected;
  // A side that is a trajectory, with ids or text that stand as they are; both empty elsewhere.
  Response chosen_trajectory, rejected_trajectory;
};

// The prompt: that of a demonstration, or the turns that both sides begin with. A side: a text, an
// assistant's turn, turns that go on from the prompt or repeat it, or a trajectory. Throws Rejection:
// `missing_field`, `prompts_differ` where the sides do not answer one prompt, and those of
// demonstrations.
Preference preference_from_row(const Json& row, const DemonstrationReadOptions& options,
                               Changes& changes);

}  // namespace ponder::data
