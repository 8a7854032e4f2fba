#include "model/families/families.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/config_reader.h"

namespace ponder::model {

void refuse_attention_bias(const ConfigReader& reader) {
  reader.refuse_if_true("attention_bias",
                        "only its models without biases in attention are supported");
}

void refuse_windows_in_use(const ConfigReader& reader) {
  // Qwen2.5 sets sliding_window with use_sliding_window false: not in use.
  reader.refuse_if_true("use_sliding_window",
                        "models with \"use_sliding_window\": false are supported");
  const Json* types = reader.find("layer_types");
  if (!types) return;
  const bool full =
      types->is_array() && std::all_of(types->begin(), types->end(),
                                       [](const Json& type) { return type == "full_attention"; });
  if (!full) {
    reader.fail("layer_types", fmt::format("expected only \"full_attention\", found {}",
                                           ConfigReader::show(*types)));
  }
}

}  // namespace ponder::model
