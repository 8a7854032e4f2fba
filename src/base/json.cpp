#include "base/json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json_element.h"

template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace ponder {
namespace {

Json convert(const simdjson::dom::element& element, const std::string& where) {
  using simdjson::dom::element_type;
  switch (element.type()) {
    case element_type::ARRAY: {
      Json array = Json::array();
      for (const auto item : simdjson::dom::array(element)) array.push_back(convert(item, where));
      return array;
    }
    case element_type::OBJECT: {
      Json object = Json::object();
      // nlohmann's ordered map is a vector: build it directly and keep key look-ups out of O(n^2).
      auto& fields = object.get_ref<Json::object_t&>();
      const simdjson::dom::object source(element);
      fields.reserve(source.size());
      std::unordered_set<std::string_view> seen;
      const bool hash = source.size() > 16;
      for (const auto field : source) {
        bool duplicate = false;
        if (hash) {
          duplicate = !seen.insert(field.key).second;
        } else {
          for (const auto& [key, value] : fields) duplicate = duplicate || key == field.key;
        }
        if (duplicate) {
          throw Error(where,
                      fmt::format("the key \"{}\" stands twice in one object", excerpt(field.key)),
                      "remove one of them");
        }
        static_cast<std::vector<std::pair<const std::string, Json>>&>(fields).emplace_back(
            std::string(field.key), convert(field.value, where));
      }
      return object;
    }
    case element_type::INT64:
      return int64_t(element);
    case element_type::UINT64:
      return uint64_t(element);
    case element_type::DOUBLE:
      return double(element);
    case element_type::STRING:
      return std::string(std::string_view(element));
    case element_type::BOOL:
      return bool(element);
    case element_type::NULL_VALUE:
      return nullptr;
  }
  return nullptr;
}

// The byte offset of the first byte that is not valid UTF-8.
size_t first_bad_utf8(std::string_view text) {
  size_t low = 0,
         high = text.size();  // validity of a prefix is monotone up to 3 bytes of a cut character
  while (low < high) {
    const size_t middle = (low + high) / 2;
    size_t end = middle + 1;
    while (end < text.size() && end < middle + 4 &&
           (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
      ++end;
    }
    if (simdjson::validate_utf8(text.data(), end)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// What a text that is no JSON is more likely to be, with the way out; "" if nobody can tell.
std::string likely_cause(std::string_view text, simdjson::error_code code) {
  if (text.starts_with("version https://git-lfs.github.com"))
    return "a Git LFS pointer, not the file it stands for: fetch it with git lfs pull";
  if (code == simdjson::NUMBER_ERROR)
    return "a number beyond 64 bits, or written as no JSON number is: write it as text";
  if (code == simdjson::STRING_ERROR && text.find("\\u") != text.npos)
    return "an escape like \\ud83d, half of a surrogate pair: write both halves, or \\ufffd";
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool value = first != text.npos && (text[first] == '{' || text[first] == '[');
  for (const std::string_view word : {"NaN", "Infinity"}) {
    const size_t at = text.find(word);
    if (value && at != text.npos && at > 0 && text.find_last_not_of(" -", at - 1) != text.npos &&
        std::string_view(":,[").find(text[text.find_last_not_of(" -", at - 1)]) != text.npos) {
      return fmt::format("{}, which JSON does not have: write null, or leave the field out", word);
    }
  }
  if (!value && text.find(',') != text.npos)
    return "no JSON; CSV needs a header of different names, and cannot come from a pipe";
  return "";
}

}  // namespace

simdjson::dom::element parse_element(simdjson::dom::parser& parser, std::string_view text,
                                     bool padded, const std::string& where) {
  // Two bytes of mark, or every other byte of the first four a zero.
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF") ||
      (text.size() >= 4 && ((text[1] == '\0' && text[3] == '\0' && text[0] != '\0') ||
                            (text[0] == '\0' && text[2] == '\0' && text[1] != '\0')))) {
    throw Error(where, "the text is UTF-16 (iconv -f UTF-16 -t UTF-8 FILE writes it as UTF-8)",
                "save the file as UTF-8");
  }
  if (text.find('\0') != std::string_view::npos) {
    throw Error(where, fmt::format("NUL byte at byte {}", text.find('\0')),
                "the file may be binary");
  }
  simdjson::dom::element element;
  const auto code = parser.parse(text.data(), text.size(), !padded).get(element);
  if (code == simdjson::UTF8_ERROR) {
    throw Error(where, fmt::format("invalid UTF-8 at byte {}", first_bad_utf8(text)),
                "save the file as UTF-8");
  }
  if (code == simdjson::DEPTH_ERROR) {
    throw Error(where, fmt::format("JSON nested deeper than {} levels", kMaxJsonDepth));
  }
  if (code != simdjson::SUCCESS) {
    const std::string cause = likely_cause(text, code);
    throw Error(where, fmt::format("expected a JSON value, found \"{}\" ({})", excerpt(text, 40),
                                   cause.empty() ? simdjson::error_message(code) : cause));
  }
  return element;
}

simdjson::dom::element JsonElements::parse(std::string_view text, const std::string& where) {
  constexpr size_t kUsual = size_t{4} << 10, kKept = size_t{1} << 20;
  const size_t needed = std::max(text.size() + 1, kUsual);
  if (parser_.capacity() < needed || parser_.capacity() > std::max(needed, kKept)) {
    parser_ = simdjson::dom::parser();
    if (parser_.allocate(needed, kMaxJsonDepth) != simdjson::SUCCESS)
      throw Error(where, fmt::format("{} bytes are too many for one JSON value", text.size()));
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return parse_element(parser_, text, false, where);
}

Json to_json_value(const simdjson::dom::element& element, const std::string& where) {
  return convert(element, where);
}

Json parse_json(std::string_view text, const std::string& where) {
  simdjson::dom::parser parser;
  if (parser.allocate(text.size() + 1, kMaxJsonDepth) != simdjson::SUCCESS) {
    throw Error(where, fmt::format("{} bytes are too many for one JSON value", text.size()));
  }
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  return convert(parse_element(parser, text, false, where), where);
}

Json read_json_file(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

std::string dump_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ponder
