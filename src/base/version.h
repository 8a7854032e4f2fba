// Which ponder this is.
#pragma once

#include <string_view>

namespace ponder {

std::string_view version();  // "0.1.0"

}  // namespace ponder
