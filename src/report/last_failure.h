// How the last `ponder run` of a run failed, if it did: what its log ends with, also where the database
// could not be written any more, or the run could not even begin; else what the database says of a stage.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "pool/pool.h"

namespace ponder::report {

struct LastFailure {
  std::string stage;  // "": before it began one
  std::string reason;
};

std::optional<LastFailure> last_failure(const pool::Pool& pool,
                                        const std::filesystem::path& folder);

}  // namespace ponder::report
