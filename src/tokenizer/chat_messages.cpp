#include "tokenizer/chat_messages.h"

#include "base/json_fields.h"

namespace ponder::tokenizer {
namespace {

// Templates ask for a call's name and arguments.
void check_call(const JsonFields& outer) {
  const JsonFields call = outer.has("function") ? outer.fields("function") : outer;
  call.text("name");
  call.require("arguments");
}

Message message_of(const JsonFields& fields) {
  Message message;
  message.role = fields.text("role");
  if (fields.has("tool_calls")) {
    message.tool_calls = fields.array("tool_calls");
    for (size_t i = 0; i < message.tool_calls.size(); ++i)
      check_call(fields.element("tool_calls", i));
  }
  if (message.tool_calls.empty() || fields.has("content")) message.content = fields.text("content");
  if (fields.has("reasoning_content")) message.reasoning_content = fields.text("reasoning_content");
  return message;
}

}  // namespace

Conversation conversation_of(const Json& row) {
  const JsonFields fields(row, "");
  Conversation conversation;
  for (size_t i = 0; i < fields.array("messages").size(); ++i)
    conversation.messages.push_back(message_of(fields.element("messages", i)));
  if (fields.has("tools")) conversation.options.tools = fields.array("tools");
  conversation.options.add_generation_prompt = fields.boolean_or("add_generation_prompt", false);
  if (fields.has("enable_thinking"))
    conversation.options.enable_thinking = fields.boolean("enable_thinking");
  return conversation;
}

}  // namespace ponder::tokenizer
