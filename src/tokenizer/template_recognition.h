// What a chat template does, found by rendering conversations with it.
#pragma once

#include <map>
#include <string>
#include <variant>

#include "jinja/template.h"
#include "tokenizer/chat_styles.h"
#include "tokenizer/chat_template.h"

namespace ponder::tokenizer {

class Tokenizer;
using NamedTokens = std::map<std::string, std::string>;

// What a template is rendered with, as transformers gives it: null for tools that are not there.
Json template_variables(const Json& messages, bool add_generation_prompt,
                        const NamedTokens& tokens);

struct Recognition {
  // The one that renders every probe the same, rather one that knows tools; nullptr: none.
  const ChatStyle* style = nullptr;
  std::string difference;  // then: the first, to the nearest style
};
Recognition recognise(const jinja::Template& text, const NamedTokens& tokens);
// Whether the text renders every probe as this style does.
bool behaves_like(const jinja::Template& text, const ChatStyle& style, const NamedTokens& tokens);

// The marks of a template without a name; or why rows cannot be made with it.
std::variant<TurnMarks, std::string> marks_of(const jinja::Template& text,
                                              const Tokenizer& tokenizer);

}  // namespace ponder::tokenizer
