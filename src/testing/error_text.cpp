#include "testing/error_text.h"

#include "base/error.h"

namespace ponder::testing {

std::string error_text(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "(no error)";
}

}  // namespace ponder::testing
