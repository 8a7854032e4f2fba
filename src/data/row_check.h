// Would the readers keep a row that is about to be written?
#pragma once

#include <optional>

#include "base/json.h"
#include "data/readers.h"

namespace ponder::data {

// Why the row would be rejected as a demonstration (the first that is, where it holds several), or as
// a pair, of which `options` may require that both sides have a thought, and not the same one; nothing
// where it would be kept.
std::optional<Rejection> why_rejected(const Json& row, const DemonstrationReadOptions& options);
std::optional<Rejection> why_rejected_as_pair(const Json& row,
                                              const DemonstrationReadOptions& options);

}  // namespace ponder::data
