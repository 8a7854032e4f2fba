// What a program that asks models writes of a response, as one text: content and thought in whatever
// parts, how it ended, and how it was sampled. Internal to this folder.
#pragma once

#include <initializer_list>
#include <string>

#include "base/json.h"
#include "data/completion.h"
#include "data/row_fields.h"

namespace ponder::data {

// Of the first key that holds text or a number; "" for all else.
std::string text_or_empty(const RowFields& row, std::initializer_list<const char*> keys);
const Json* object_in(const RowFields& row, const char* key);  // null for all else

// Puts temperature, top_p, top_k, max_tokens and seed, under whatever names, into `sampling`; what is
// out of range is not known.
void take_settings(const Json& settings, Json& sampling);

struct ToldResponse {
  std::string content, thought;
};
// Of a turn's content: text, or parts of text and thought. Throws Rejection.
ToldResponse told_in(const Json& content);
// Of a text, a turn, turns (the last), or an object that holds a response under another name.
ToldResponse told_by(const Json& response);

// As Completion's text is: the whole response with its thought in tags; where the prompt opened it,
// with the opening tag. Throws Rejection "empty_response" and "repeated_tag".
std::string whole_text(const ToldResponse& told, Changes& changes);

// "" is taken for the model's own end, and counted. Throws Rejection "unusable_finish".
FinishReason finish_named(const std::string& word, Changes& changes);

}  // namespace ponder::data
