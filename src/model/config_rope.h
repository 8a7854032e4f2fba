// The rotary embedding that a config.json asks for, in either spelling: rope_theta beside
// rope_scaling (older), or both within rope_parameters (newer).
#pragma once

#include "model/architecture.h"
#include "model/config_reader.h"
#include "ops/rope.h"

namespace ponder::model {

struct RopeConfig {
  double theta = 10000.0;
  ops::RopeScaling scaling;
};

// Throws Error naming the key: a type other than default, linear, llama3 and yarn, a key that no
// such type has, an impossible value, two spellings that do not agree.
// The scaling of an architecture that says it by the type of a layer is that of full attention.
RopeConfig read_rope(const JsonFields& reader, const Architecture& architecture);

// The value of rope_scaling; null for none.
Json rope_scaling_json(const ops::RopeScaling& scaling);

}  // namespace ponder::model
