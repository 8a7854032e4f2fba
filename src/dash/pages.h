// The pages, each a function of what a run holds. Internal to this folder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dash/frame.h"

namespace ponder::dash {

using Runs = std::vector<std::unique_ptr<OpenRun>>;

Page runs_page(const Runs& runs);
Page overview_page(OpenRun& run);
// stage, from and to (steps), smooth (half-life in steps), scale (log, linear).
Page curves_page(OpenRun& run, const Parameters& asked);
// One of its charts: the same, and figure. Throws Error (not found) where there is none of that name.
Markup chart_of(OpenRun& run, const Parameters& asked);
// stage, verdict, finish, min and max (tokens), text, problem; after or before (a rollout's id).
Page rollouts_page(OpenRun& run, const Parameters& asked);
Page rollout_page(OpenRun& run, const Parameters& asked);  // id, from (a token)
Page problem_page(OpenRun& run, const Parameters& asked);  // id, benchmark
Page pool_page(OpenRun& run);
Page rejections_page(OpenRun& run, const Parameters& asked);  // source, reason, from
Page selections_page(OpenRun& run, const Parameters& asked);  // stage, filter, from
Page rows_page(OpenRun& run, const Parameters& asked);        // stage, from
Page row_page(OpenRun& run, const Parameters& asked);         // name "STAGE:INDEX"
Page fleet_page(OpenRun& run);
Page log_page(OpenRun& run, const Parameters& asked);          // level
Page compare_page(const Runs& runs, const Parameters& asked);  // run, run, …; stage

}  // namespace ponder::dash
