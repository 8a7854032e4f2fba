#include "data/row_check.h"

#include "data/demonstration_layouts.h"
#include "data/preference_layouts.h"

namespace ponder::data {

std::optional<Rejection> why_rejected(const Json& row, const DemonstrationReadOptions& options) {
  try {
    Changes changes;
    for (const auto& found : demonstrations_from_row(row, options, changes)) {
      if (!found) return found.why();
    }
  } catch (const Rejection& why) {
    return why;
  }
  return std::nullopt;
}

std::optional<Rejection> why_rejected_as_pair(const Json& row,
                                              const DemonstrationReadOptions& options) {
  try {
    Changes changes;
    const Preference pair = preference_from_row(row, options, changes);
    const bool thoughts = !pair.chosen.thought.empty() && !pair.rejected.thought.empty();
    if (options.require_thought && !thoughts)
      return Rejection{"nothing_aligned", "a side has no thought"};
    const bool same = pair.chosen.thought == pair.rejected.thought;
    if (same && (options.require_thought || pair.chosen.solution == pair.rejected.solution))
      return Rejection{"same_response", "chosen and rejected are the same in the aligned part"};
  } catch (const Rejection& why) {
    return why;
  }
  return std::nullopt;
}

}  // namespace ponder::data
