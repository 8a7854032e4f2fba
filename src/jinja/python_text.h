// What Python does to text, where it differs from the plainest thing: white space, code points,
// numbers, repr() and json.dumps().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace ponder::jinja {

// str.isspace of one code point.
bool is_python_space(uint32_t code_point);
// str.lstrip, rstrip and strip; `characters` not given: white space.
std::string_view python_lstrip(std::string_view text,
                               std::optional<std::string_view> characters = std::nullopt);
std::string_view python_rstrip(std::string_view text,
                               std::optional<std::string_view> characters = std::nullopt);
std::string_view python_strip(std::string_view text,
                              std::optional<std::string_view> characters = std::nullopt);

// UTF-8 cut into its code points; a broken byte is one of its own.
std::vector<std::string_view> code_points(std::string_view text);
int64_t num_code_points(std::string_view text);

std::string python_float(double value);          // repr(float)
std::string python_repr(std::string_view text);  // repr(str)
std::string utf8_of(uint32_t code_point);

// json.dumps(value, ensure_ascii=False, indent=…): ", " and ": " between, keys in their order.
std::string python_json(const Json& value, std::optional<int> indent = std::nullopt);

}  // namespace ponder::jinja
