// What an action complains about.
#pragma once

#include <functional>
#include <string>

namespace ponder::testing {

// The message of the Error that `action` ends in; "(no error)" where it ends well. Any other
// exception passes through and fails the test.
std::string error_text(const std::function<void()>& action);

}  // namespace ponder::testing
