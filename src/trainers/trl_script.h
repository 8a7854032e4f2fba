// The script by which TRL trains a job: it reads job.json of its own folder. Written for TRL 1.16 and
// transformers 5.24; what it writes stands in docs/trainers.md. Internal to this folder.
#pragma once

#include <string_view>

namespace ponder::trainers {

std::string_view trl_script();

}  // namespace ponder::trainers
