// JSON as simdjson reads it, for readers that look at much and keep little; and the two steps from text to a Json
// value, for those that manage their own buffers.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

#include "base/json.h"

namespace ponder {

inline constexpr size_t kMaxJsonDepth = 64;

// Reads one value after another into the same memory, of which it keeps what a megabyte needs. Belongs to one thread.
class JsonElements {
 public:
  // Good until the next call, and no longer than this object. What parse_json refuses is refused, but for keys
  // that stand twice in an object. Throws Error naming `where`.
  simdjson::dom::element parse(std::string_view text, const std::string& where);

 private:
  simdjson::dom::parser parser_;
};

// The parser must have been allocated for text.size() bytes and kMaxJsonDepth. `padded`:
// SIMDJSON_PADDING bytes may be read behind the text. Throws Error naming `where`.
simdjson::dom::element parse_element(simdjson::dom::parser& parser, std::string_view text,
                                     bool padded, const std::string& where);
// A copy that outlives the parser. Throws Error where a key stands twice in an object.
Json to_json_value(const simdjson::dom::element& element, const std::string& where);

}  // namespace ponder
