// What `ponder fleet check` asks a server before it is trusted: is it there, does it take the key, has it
// the model, and do its tokenizer and template say what ours say.
#pragma once

#include <string>
#include <vector>

#include "data/model_text.h"
#include "fleet/fleet.h"
#include "fleet/server_list.h"

namespace ponder::fleet {

struct CheckRow {
  enum class Result { kOk, kWarning, kFailed, kSkipped };
  std::string server, check;
  Result result = Result::kOk;
  std::string detail;  // what was found, and what to do about it
};
std::string_view to_string(CheckRow::Result result);  // "ok", "warning", "failed", "skipped"

// Asks one server, whatever options.servers holds. After a failure of what the rest needs nothing more is asked.
// `text`: of the model's folder; null for kOpenai.
std::vector<CheckRow> check_server(const std::string& server, const FleetOptions& options,
                                   const data::ModelText* text);

// Texts on which tokenizers differ: spaces, digits, other scripts, mathematics, special tokens.
const std::vector<std::string>& probe_texts();

}  // namespace ponder::fleet
