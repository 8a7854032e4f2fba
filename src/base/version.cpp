#include "base/version.h"

namespace ponder {

std::string_view version() { return PONDER_VERSION; }

}  // namespace ponder
