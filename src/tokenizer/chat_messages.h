// Conversations as JSON in the layout of the OpenAI API and of transformers' apply_chat_template:
// {"messages": […], "tools": […], "add_generation_prompt": bool, "enable_thinking": bool}.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "tokenizer/chat_template.h"

namespace ponder::tokenizer {

struct Conversation {
  std::vector<Message> messages;
  RenderOptions options;
};

// Throws Error naming the key for anything missing or of another type. Other keys are not looked
// at. A content may be null beside tool calls.
Conversation conversation_of(const Json& row);

}  // namespace ponder::tokenizer
