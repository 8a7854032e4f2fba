// What a server says of the models it has (GET /v1/models), against what is wanted.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "fleet/server_kind.h"

namespace ponder::fleet {

struct ServedModel {
  std::string name;
  int64_t max_model_len = 0;  // tokens of prompt and completion, 0: not said
};

// What is wanted: of kPonder the weights; `name` "" for the only one there is (of kPonder: whatever has
// the weights). Throws Error (its `where` is `server`) naming the models that are there if it is not
// among them, and if the weights or the arithmetic are others.
struct WantedModel {
  ServerKind kind = ServerKind::kPonder;
  std::string name, model_sha256;
  std::string precision = "f32";  // with model_sha256: of the arithmetic
};
ServedModel find_model(const Json& models, const WantedModel& wanted, const std::string& server);

}  // namespace ponder::fleet
