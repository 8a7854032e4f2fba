// The rotary embedding that a config.json asks for, in either spelling: rope_theta beside
// rope_scaling (older), or both within rope_parameters (newer).
#pragma once

#include "base/json_fields.h"
#include "ops/rope.h"

namespace ponder {

struct RopeConfig {
  double theta = 10000.0;
  RopeScaling scaling;
};

// Throws Error naming the key: a type other than default, linear, llama3 and yarn, a key that no
// such type has, an impossible value, two spellings that do not agree.
RopeConfig read_rope(const JsonFields& reader);

// The value of rope_scaling; null for none.
Json rope_scaling_json(const RopeScaling& scaling);

}  // namespace ponder
