// The closing words of an answer that say which letters stand for whole numbers: "where n is an
// integer", "for any integers n", "(k \in \mathbb{Z})", "| n \in Z" inside a set.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ponder::judge {

// The same answer with its condition as last items ", n \in Z", which the reader knows; nothing
// where there is no such condition or one of another kind (positive, even, below 10).
std::optional<std::string> with_conditions_as_items(std::string_view text);

}  // namespace ponder::judge
