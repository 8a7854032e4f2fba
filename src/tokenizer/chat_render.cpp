#include "tokenizer/chat_render.h"

#include "tokenizer/unicode.h"

namespace ponder::tokenizer {
namespace {

using std::string;
using std::string_view;

constexpr string_view kEndThink = "</think>";

string_view without_newlines_before(string_view text) {
  const size_t begin = text.find_first_not_of('\n');
  return begin == text.npos ? string_view() : text.substr(begin);
}

string_view without_newlines_after(string_view text) {
  return text.substr(0, text.find_last_not_of('\n') + 1);
}

// What follows the last "</think>", or all of it.
string_view after_thought(string_view text) {
  const size_t at = text.rfind(kEndThink);
  return at == text.npos ? text : text.substr(at + kEndThink.size());
}

// White space as Python's str.strip takes it.
bool is_python_space(uint32_t c) { return is_space(char_class(c)) || (c >= 0x1C && c <= 0x1F); }

string_view python_stripped(string_view text) {
  while (!text.empty()) {
    const CodePoint c = decode_utf8(text, 0);
    if (!is_python_space(c.value)) break;
    text.remove_prefix(c.num_bytes);
  }
  while (!text.empty()) {
    const CodePoint c = decode_utf8_before(text, text.size());
    if (!is_python_space(c.value)) break;
    text.remove_suffix(c.num_bytes);
  }
  return text;
}

class QwenRenderer {
 public:
  QwenRenderer(const ChatStyle& style, const std::vector<Message>& messages,
               const RenderOptions& options)
      : style_(style),
        messages_(messages),
        options_(options),
        qwen3_(style.name.starts_with("qwen3")) {}

  string render() {
    system_turn();
    find_last_query();
    for (size_t i = 0; i < messages_.size(); ++i) {
      const Message& message = messages_[i];
      if (message.role == "assistant") {
        assistant_turn(i);
      } else if (message.role == "tool") {
        tool_turn(i);
      } else if (message.role == "user" || i > 0) {
        add({"<|im_start|>", message.role, "\n", message.content, "<|im_end|>\n"});
      }
    }
    if (options_.add_generation_prompt) {
      add({"<|im_start|>assistant\n", style_.response_prefix});
      if (style_.switches_thinking && options_.enable_thinking == false)
        add({"<think>\n\n</think>\n\n"});
    }
    return std::move(text_);
  }

 private:
  void add(std::initializer_list<string_view> parts) {
    for (const string_view part : parts) text_ += part;
  }

  bool has_system() const { return messages_[0].role == "system"; }

  void system_turn() {
    const string_view system =
        has_system() ? string_view(messages_[0].content) : style_.default_system;
    if (options_.tools.empty()) {
      if (has_system() || !system.empty()) add({"<|im_start|>system\n", system, "<|im_end|>\n"});
      return;
    }
    add({"<|im_start|>system\n", system});
    if (has_system() || !qwen3_) add({"\n\n"});
    add(
        {"# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are "
         "provided with function signatures within <tools></tools> XML tags:\n<tools>"});
    for (const string& tool : options_.tools) add({"\n", tool});
    add(
        {"\n</tools>\n\nFor each function call, return a json object with function name and "
         "arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": "
         "<function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n"});
  }

  // The last user turn that is no answer of a tool; the last message if there is none.
  void find_last_query() {
    last_query_ = messages_.size() - 1;
    for (size_t i = messages_.size(); i-- > 0;) {
      const string_view content = messages_[i].content;
      const bool of_tool =
          content.starts_with("<tool_response>") && content.ends_with("</tool_response>");
      if (messages_[i].role != "user" || of_tool) continue;
      last_query_ = i;
      return;
    }
  }

  // The content of an assistant turn, its thought shown or left out.
  string shown(size_t i) const {
    const Message& message = messages_[i];
    string_view content = message.content;
    const bool last = i + 1 == messages_.size();
    if (style_.thoughts == ThoughtTurns::kAsWritten) return string(content);
    if (style_.thoughts == ThoughtTurns::kStripUnlessLast) {
      return string(last ? content : without_newlines_before(after_thought(content)));
    }
    string_view thought;
    if (message.reasoning_content) {
      thought = *message.reasoning_content;
    } else if (const size_t end = content.find(kEndThink); end != content.npos) {
      thought = without_newlines_after(content.substr(0, end));
      constexpr string_view kBegin = "<think>";
      if (const size_t at = thought.rfind(kBegin); at != thought.npos)
        thought.remove_prefix(at + kBegin.size());
      thought = without_newlines_before(thought);
      content = without_newlines_before(after_thought(content));
    }
    if (i <= last_query_ || (!last && thought.empty())) return string(content);
    thought = without_newlines_after(without_newlines_before(thought));
    string result = "<think>\n";
    result.append(thought).append("\n</think>\n\n").append(without_newlines_before(content));
    return result;
  }

  void assistant_turn(size_t i) {
    const Message& message = messages_[i];
    const string content = shown(i);
    add({"<|im_start|>assistant"});
    // Qwen2.5 leaves out an empty content before calls; Qwen3 ends the line all the same.
    const bool calls = !message.tool_calls.empty();
    if (qwen3_ || !calls || !message.content.empty()) add({"\n", content});
    bool line_end = !qwen3_ || has_text_before_calls(message);
    for (const ToolCall& call : message.tool_calls) {
      if (line_end) add({"\n"});
      line_end = true;
      add({"<tool_call>\n{\"name\": \"", call.name, "\", \"arguments\": ",
           qwen3_ ? call.arguments_text : call.arguments, "}\n</tool_call>"});
    }
    add({"<|im_end|>\n"});
  }

  // Qwen3 asks whether the content without its thought is empty.
  bool has_text_before_calls(const Message& message) const {
    string_view content = message.content;
    if (style_.thoughts == ThoughtTurns::kStripBeforeQuery && !message.reasoning_content &&
        content.find(kEndThink) != content.npos) {
      content = without_newlines_before(after_thought(content));
    }
    return !content.empty();
  }

  void tool_turn(size_t i) {
    if (i == 0 || messages_[i - 1].role != "tool") add({"<|im_start|>user"});
    add({"\n<tool_response>\n", messages_[i].content, "\n</tool_response>"});
    if (i + 1 == messages_.size() || messages_[i + 1].role != "tool") add({"<|im_end|>\n"});
  }

  const ChatStyle& style_;
  const std::vector<Message>& messages_;
  const RenderOptions& options_;
  const bool qwen3_;
  size_t last_query_ = 0;
  string text_;
};

}  // namespace

string render_chatml(const ChatStyle& style, const std::vector<Message>& messages,
                     const RenderOptions& options) {
  string text;
  const auto turn = [&](string_view role, string_view content) {
    text.append("<|im_start|>").append(role).append("\n").append(content).append("<|im_end|>\n");
  };
  if (!style.default_system.empty() && messages[0].role != "system")
    turn("system", style.default_system);
  for (const Message& message : messages) turn(message.role, message.content);
  if (options.add_generation_prompt) text += "<|im_start|>assistant\n";
  return text;
}

string render_qwen(const ChatStyle& style, const std::vector<Message>& messages,
                   const RenderOptions& options) {
  return QwenRenderer(style, messages, options).render();
}

string render_llama3(const ChatStyle& style, const std::vector<Message>& messages,
                     const RenderOptions& options) {
  string text = "<|begin_of_text|>";
  const auto header = [&](string_view role) {
    text.append("<|start_header_id|>").append(role).append("<|end_header_id|>\n\n");
  };
  size_t first = 0;
  if (style.family == ChatFamily::kLlama31) {
    header("system");
    // The texts take the day of the rendering where their reader offers one; a rollout must not
    // depend on the day, so it is always the date they name themselves.
    text += "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";
    if (messages[0].role == "system") text += python_stripped(messages[first++].content);
    text += "<|eot_id|>";
  }
  for (; first < messages.size(); ++first) {
    header(messages[first].role);
    text.append(python_stripped(messages[first].content)).append("<|eot_id|>");
  }
  if (options.add_generation_prompt || style.always_opens_assistant) header("assistant");
  return text;
}

string render_deepseek(const ChatStyle& style, const std::vector<Message>& messages,
                       const RenderOptions& options) {
  string text = "<｜begin▁of▁sentence｜>";
  string_view system;  // the last one counts
  for (const Message& message : messages) {
    if (message.role == "system") system = message.content;
  }
  text += system;
  for (const Message& message : messages) {
    if (message.role == "user") text.append("<｜User｜>").append(message.content);
    if (message.role == "assistant") {
      text.append("<｜Assistant｜>")
          .append(after_thought(message.content))
          .append("<｜end▁of▁sentence｜>");
    }
  }
  if (options.add_generation_prompt) text.append("<｜Assistant｜>").append(style.response_prefix);
  return text;
}

}  // namespace ponder::tokenizer
