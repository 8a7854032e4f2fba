#include "model/architecture.h"

#include <fmt/format.h>

#include "model/families/families.h"

namespace ponder::model {

std::span<const Architecture> architectures() {
  static const Architecture kFamilies[] = {qwen2_family(),   qwen3_family(), llama_family(),
                                           mistral_family(), olmo3_family(), smollm3_family()};
  return kFamilies;
}

const Architecture* find_architecture(std::string_view model_type) {
  for (const Architecture& architecture : architectures()) {
    if (architecture.model_type == model_type) return &architecture;
  }
  return nullptr;
}

std::string supported_architectures() {
  std::string list;
  for (const Architecture& architecture : architectures()) {
    if (!list.empty()) list += ", ";
    list += fmt::format("{} ({})", architecture.model_type, architecture.models);
  }
  return list;
}

}  // namespace ponder::model
