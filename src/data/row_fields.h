// What the layouts share: lenient access to the fields of one row, and the text helpers of several
// of them.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/text.h"
#include "data/rejection.h"

namespace ponder::data {

// A row that cannot be used throws its Rejection here; the reader's loop catches and counts it.
class RowFields {
 public:
  explicit RowFields(const Json& row) : row_(row) {}

  // Null counts as absent everywhere.
  bool has(const char* key) const { return find(key) != nullptr; }
  const Json* find(const char* key) const;
  // Text, or a number as it would be typed; Rejection "bad_field" for anything else, "" when
  // absent.
  std::string text(const char* key) const;
  // Of the first key that is there.
  std::string text_of(std::initializer_list<const char*> keys) const;
  std::string keys() const;  // for messages

 private:
  const Json& row_;
};

// White space collapsed to single spaces and trimmed: what two rows must share to be the same
// question. Nothing else is folded: "3+4" and "3-4", or "x" and "X", are different questions.
std::string normalised_question(std::string_view question);

// The question, a blank line, and a line "(A) …" for each option.
std::string with_options(std::string_view question, const std::vector<std::string>& options);
// Of the field `options`: an array, or an object with the keys "A", "B", …; Rejection
// "bad_options".
std::vector<std::string> options_of(const RowFields& row);
// The letter of the right option: from answer_letter, answer_idx, answer or answer_index, which
// must agree where several are there, and name one of the options; Rejection "no_answer" or
// "bad_answer".
std::string option_letter(const RowFields& row, size_t num_options);

}  // namespace ponder::data
