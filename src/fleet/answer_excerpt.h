// What a person can look at of an answer that was refused.
#pragma once

#include <string>

#include "fleet/answer.h"

namespace ponder::fleet {

// As JSON: "text", "token_ids", "prompt_token_ids" (as the server had them), "finish_reason", "stop_reason",
// "model", "system_fingerprint", "usage", as far as they are there; "" where nothing is. Of long texts and
// lists both ends, in 8 KiB and 1,024 ids each; "left_out" says how many ids are missing between them, by
// the list's name, and a long text says it itself.
std::string answer_excerpt(const Answer& answer);

}  // namespace ponder::fleet
