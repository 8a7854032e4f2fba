// The choice letter that a whole response commits itself to.
#pragma once

#include <optional>
#include <string_view>

namespace ponder::judge {

// The letter of the last answer phrase, else of the first or last line, else the one letter that
// the last sentences name. Nothing where phrases name three or more; `several` then says so.
std::optional<char> chosen_letter(std::string_view response, bool* several = nullptr);

}  // namespace ponder::judge
