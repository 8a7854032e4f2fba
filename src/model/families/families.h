// The families, one file each, and what their files share.
#pragma once

#include "model/architecture.h"

namespace ponder::model {

Architecture llama_family();
Architecture mistral_family();
Architecture olmo3_family();
Architecture qwen2_family();
Architecture qwen3_family();
Architecture smollm3_family();

// Refuse keys of config.json that ask for what a family does not run; Error naming the key.
void refuse_attention_bias(const ConfigReader& reader);  // "attention_bias": true
// "use_sliding_window": true, or a layer type other than "full_attention".
void refuse_windows_in_use(const ConfigReader& reader);

}  // namespace ponder::model
