// How far a teacher's answers are, for whoever looks on: read from its database alone, also while another
// process asks it.
#pragma once

#include <filesystem>

#include "base/json.h"

namespace ponder::teach {

// {"model", "state", "holder", "in_flight"} and what TeacherReport::json() had when it was last reckoned: at the
// end of every command, and every few seconds while one asks. state: "running" ("holder": "pid 12 on host"),
// "stopped" (something is to be asked, or in batch files), "done". Null where there is no such database, or one
// that cannot be read.
Json standing(const std::filesystem::path& database);

}  // namespace ponder::teach
