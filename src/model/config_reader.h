// The keys of one config.json.
#pragma once

#include <string>
#include <string_view>

#include "base/json_fields.h"

namespace ponder::model {

// Borrows the JSON; throws Error as JsonFields does.
class ConfigReader : public JsonFields {
 public:
  ConfigReader(const Json& json, std::string where);

  // Error naming the key, if it is true: what a family does not run.
  void refuse_if_true(std::string_view key, std::string_view advice) const;
};

}  // namespace ponder::model
