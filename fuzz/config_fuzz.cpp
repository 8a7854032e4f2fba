// The text of a config.json. Refused by an Error that names the file, or a model whose sizes can be
// counted and whose own config.json describes the same model.
#include <optional>

#include "base/error.h"
#include "fuzz.h"
#include "model/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ponder;
  using fuzz::require;
  const std::string text(fuzz::text_of(data, size));
  std::optional<model::ModelConfig> config;
  try {
    config = model::ModelConfig::from_json(parse_json(text, "fuzzed"), "fuzzed");
  } catch (const Error& error) {
    require(error.where().starts_with("fuzzed"), "an error names the file");
    require(!error.problem().empty(), "an error says what is wrong");
    return 0;
  }
  require(config->num_parameters() > 0, "a model has parameters");
  require(config->q_size() > 0 && config->kv_size() > 0, "a model has heads");
  require(config->num_attention_heads % config->num_key_value_heads == 0, "heads divide");
  require(config->rope_scaling.factor >= 1.0, "RoPE is never squeezed");
  require(config->forward_flops(1000, 10) > 0, "a forward takes work");
  const Json written = config->to_json();
  try {
    require(model::ModelConfig::from_json(written, "written").to_json() == written,
            "a config survives being written: " + dump_json(written));
  } catch (const Error& error) {
    fuzz::broken(std::string("a config that was accepted is refused once written: ") +
                 error.what());
  }
  return 0;
}
