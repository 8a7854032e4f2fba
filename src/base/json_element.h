// The two steps from text to a Json value, for readers that manage their own buffers. Internal to
// this folder.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

#include "base/json.h"

namespace ponder {

inline constexpr size_t kMaxJsonDepth = 64;

// The parser must have been allocated for text.size() bytes and kMaxJsonDepth. `padded`:
// SIMDJSON_PADDING bytes may be read behind the text. Throws Error naming `where`.
simdjson::dom::element parse_element(simdjson::dom::parser& parser, std::string_view text,
                                     bool padded, const std::string& where);
// A copy that outlives the parser. Throws Error where a key stands twice in an object.
Json to_json_value(const simdjson::dom::element& element, const std::string& where);

}  // namespace ponder
