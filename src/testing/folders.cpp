#include "testing/folders.h"

namespace ponder::testing {

std::filesystem::path source_dir() { return PONDER_SOURCE_DIR; }
std::filesystem::path binary_dir() { return PONDER_BINARY_DIR; }
std::filesystem::path shared_data() { return PONDER_SHARED_DATA; }

}  // namespace ponder::testing
