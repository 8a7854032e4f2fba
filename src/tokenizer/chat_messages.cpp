#include "tokenizer/chat_messages.h"

#include <fmt/format.h>

#include "base/json_fields.h"

namespace ponder::tokenizer {
namespace {

ToolCall tool_call_of(const JsonFields& outer) {
  const JsonFields call = outer.has("function") ? outer.fields("function") : outer;
  const Json& arguments = call.require("arguments");
  const std::string dumped = python_json(arguments);
  return {call.text("name"), dumped, arguments.is_string() ? arguments.get<std::string>() : dumped};
}

Message message_of(const JsonFields& fields) {
  Message message;
  message.role = fields.text("role");
  if (fields.has("tool_calls")) {
    for (size_t i = 0; i < fields.array("tool_calls").size(); ++i)
      message.tool_calls.push_back(tool_call_of(fields.element("tool_calls", i)));
  }
  if (message.tool_calls.empty() || fields.has("content")) message.content = fields.text("content");
  if (fields.has("reasoning_content")) message.reasoning_content = fields.text("reasoning_content");
  return message;
}

void write(const Json& value, std::string& out) {
  switch (value.type()) {
    case Json::value_t::object: {
      const char* separator = "{";
      for (const auto& [key, element] : value.items()) {
        out.append(separator).append(dump_json(Json(key))).append(": ");
        write(element, out);
        separator = ", ";
      }
      out += value.empty() ? "{}" : "}";
      break;
    }
    case Json::value_t::array: {
      const char* separator = "[";
      for (const Json& element : value) {
        out += separator;
        write(element, out);
        separator = ", ";
      }
      out += value.empty() ? "[]" : "]";
      break;
    }
    case Json::value_t::number_float: {
      const std::string digits = fmt::format("{}", value.get<double>());
      out += digits;
      if (digits.find_first_of(".en") == digits.npos) out += ".0";
      break;
    }
    default:
      out += dump_json(value);
  }
}

}  // namespace

Conversation conversation_of(const Json& row) {
  const JsonFields fields(row, "");
  Conversation conversation;
  for (size_t i = 0; i < fields.array("messages").size(); ++i)
    conversation.messages.push_back(message_of(fields.element("messages", i)));
  if (fields.has("tools")) {
    for (const Json& tool : fields.array("tools"))
      conversation.options.tools.push_back(python_json(tool));
  }
  conversation.options.add_generation_prompt = fields.boolean_or("add_generation_prompt", false);
  if (fields.has("enable_thinking"))
    conversation.options.enable_thinking = fields.boolean("enable_thinking");
  return conversation;
}

std::string python_json(const Json& value) {
  std::string out;
  write(value, out);
  return out;
}

}  // namespace ponder::tokenizer
