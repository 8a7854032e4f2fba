#include "tokenizer/chat_messages.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ponder {
namespace {

const Json* find(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

class Reader {
 public:
  Reader(const Json& object, std::string path) : object_(object), path_(std::move(path)) {
    if (!object.is_object()) fail("", "an object", object);
  }

  // Null where the key is absent or null.
  const Json* optional(const char* key, bool (Json::*is_type)() const noexcept,
                       const char* type_name) const {
    const Json* value = find(object_, key);
    if (value && !(value->*is_type)()) fail(key, type_name, *value);
    return value;
  }
  const Json& required(const char* key, bool (Json::*is_type)() const noexcept,
                       const char* type_name) const {
    const Json* value = optional(key, is_type, type_name);
    if (!value) fail(key, type_name, object_);
    return *value;
  }
  std::string text(const char* key) const {
    return required(key, &Json::is_string, "text").get<std::string>();
  }
  std::string path(const char* key) const {
    return path_.empty() || !*key ? path_ + key : path_ + "." + key;
  }

 private:
  [[noreturn]] void fail(const char* key, const char* type_name, const Json& found) const {
    throw Error(path(key),
                fmt::format("expected {}, found {}", type_name, excerpt(dump_json(found))));
  }

  const Json& object_;
  std::string path_;
};

ToolCall tool_call_of(const Json& json, const std::string& path) {
  const Reader outer(json, path);
  const Json* inner = outer.optional("function", &Json::is_object, "an object");
  const Reader call(inner ? *inner : json, inner ? path + ".function" : path);
  const Json* arguments = find(inner ? *inner : json, "arguments");
  if (!arguments) throw Error(call.path("arguments"), "is missing");
  const std::string dumped = python_json(*arguments);
  return {call.text("name"), dumped,
          arguments->is_string() ? arguments->get<std::string>() : dumped};
}

Message message_of(const Json& json, const std::string& path) {
  const Reader reader(json, path);
  Message message;
  message.role = reader.text("role");
  if (const Json* calls = reader.optional("tool_calls", &Json::is_array, "an array")) {
    for (size_t i = 0; i < calls->size(); ++i) {
      message.tool_calls.push_back(
          tool_call_of((*calls)[i], fmt::format("{}.tool_calls[{}]", path, i)));
    }
  }
  if (message.tool_calls.empty() || find(json, "content")) message.content = reader.text("content");
  if (const Json* thought = reader.optional("reasoning_content", &Json::is_string, "text"))
    message.reasoning_content = thought->get<std::string>();
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
  const Reader reader(row, "");
  Conversation conversation;
  const Json& messages = reader.required("messages", &Json::is_array, "an array of messages");
  for (size_t i = 0; i < messages.size(); ++i)
    conversation.messages.push_back(message_of(messages[i], fmt::format("messages[{}]", i)));
  if (const Json* tools = reader.optional("tools", &Json::is_array, "an array")) {
    for (const Json& tool : *tools) conversation.options.tools.push_back(python_json(tool));
  }
  const auto flag = [&](const char* key) {
    const Json* value = reader.optional(key, &Json::is_boolean, "true or false");
    return value ? std::optional<bool>(value->get<bool>()) : std::nullopt;
  };
  conversation.options.add_generation_prompt = flag("add_generation_prompt").value_or(false);
  conversation.options.enable_thinking = flag("enable_thinking");
  return conversation;
}

std::string python_json(const Json& value) {
  std::string out;
  write(value, out);
  return out;
}

}  // namespace ponder
