#include "model/config_reader.h"

#include <fmt/format.h>

namespace ponder::model {

ConfigReader::ConfigReader(const Json& json, std::string where)
    : JsonFields(json, std::move(where), "", "take the config.json that came with the model") {}

void ConfigReader::refuse_if_true(std::string_view key, std::string_view advice) const {
  if (!boolean_or(key, false)) return;
  fail(key, fmt::format("true is not supported for model_type {}", text_or("model_type", "(none)")),
       advice);
}

}  // namespace ponder::model
