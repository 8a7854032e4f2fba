// What the layouts share: lenient access to the fields of one row, and the text helpers of several
// of them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/text.h"
#include "data/rejection.h"

namespace ponder::data {

// What was cut, joined or left out of rows that are kept, by what was done to how many.
using Changes = std::map<std::string, uint64_t>;

// A row that cannot be used throws its Rejection here; the reader's loop catches and counts it.
class RowFields {
 public:
  explicit RowFields(const Json& row) : row_(row) {}

  // Null counts as absent everywhere. A name without regard to case counts where none has the case.
  bool has(const char* key) const { return find(key) != nullptr; }
  const Json* find(const char* key) const;
  bool has_any(std::initializer_list<const char*> keys) const;
  // Text, or a number as it would be typed; Rejection "bad_field" for anything else, "" when
  // absent.
  std::string text(const char* key) const;
  // Of the first key that is there.
  std::string text_of(std::initializer_list<const char*> keys) const;
  // What nothing depends on: text, a number or the one element of a list; "" for all else, which is
  // counted in `changes`.
  std::string metadata(std::initializer_list<const char*> keys, Changes& changes) const;
  std::string keys() const;  // for messages

 private:
  const Json& row_;
};

// White space collapsed to single spaces and trimmed: what two rows must share to be the same
// question. Nothing else is folded: "3+4" and "3-4", or "x" and "X", are different questions.
std::string normalised_question(std::string_view question);

// instruction, and behind it input where there is one.
std::string instruction_with_input(const RowFields& row);
// The question, a blank line, and a line "(A) …" for each option.
std::string with_options(std::string_view question, const std::vector<std::string>& options);
// Of a text that is a JSON array the array, which is put into `parsed`; else the value itself.
const Json& parsed_list(const Json& value, Json& parsed);
// Throws Rejection "unsupported_part" for images, sounds and tools, which a text model cannot be told.
void refuse_other_media(const RowFields& row);

}  // namespace ponder::data
