// Chat templates, written in C++ and chosen by recognising the text of the model's own template (by
// hash); a template from a file is never executed. Each renders what the published Jinja text
// renders, byte for byte (docs/chat-templates.md lists them).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ponder::tokenizer {

class Tokenizer;
struct ChatStyle;  // tokenizer/chat_styles.h

struct ToolCall {
  std::string name;
  std::string arguments;       // the JSON text of the arguments; of a text, in quotes
  std::string arguments_text;  // the same, but a text stands as it is
};

struct Message {
  std::string role;  // "system", "user", "assistant", "tool"
  std::string content;
  // The thought of an assistant turn where it is given apart from its content.
  std::optional<std::string> reasoning_content = std::nullopt;
  std::vector<ToolCall> tool_calls = {};
};

struct RenderOptions {
  bool add_generation_prompt = false;
  // False closes the thought before it begins, in templates that know the switch (qwen3); nullopt
  // is the template's own default.
  std::optional<bool> enable_thinking = std::nullopt;
  std::vector<std::string> tools = {};  // the JSON text of each
};

class ChatTemplate {
 public:
  // Recognises tokenizer.chat_template(); without one, plain ChatML if the vocabulary has
  // <|im_start|> and <|im_end|>. `chosen` (a name) decides instead unless it is empty. Throws Error
  // naming the known templates otherwise.
  static ChatTemplate of(const Tokenizer& tokenizer, std::string_view chosen = "");
  // By name, e.g. "chatml". Throws Error for a name not in names().
  static ChatTemplate named(std::string_view name);
  static std::vector<std::string_view> names();

  const std::string& name() const { return name_; }
  // Identifies the rendering: stored with checkpoints and rollouts. The hash of the template's
  // text when it was recognised by that, of the name otherwise.
  const std::string& sha256() const { return sha256_; }

  // Throws Error naming message and key for a role or a part that the template cannot show.
  std::string render(const std::vector<Message>& messages, const RenderOptions& options) const;
  std::string render(const std::vector<Message>& messages, bool add_generation_prompt) const;

  // What ends an assistant turn, e.g. "<|im_end|>": the last trained token of a row, and a stop
  // token.
  std::string_view end_of_turn() const;
  // What the generation prompt already holds of the response, e.g. "<think>\n"; mostly empty.
  std::string_view response_prefix() const;
  // Texts that would end or begin a turn: none may stand in a system turn, question or response.
  std::vector<std::string_view> control_texts() const;

 private:
  const ChatStyle* style_ = nullptr;
  std::string name_, sha256_;
};

}  // namespace ponder::tokenizer
