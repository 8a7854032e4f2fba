// Chat templates: Jinja texts, rendered by src/jinja. A model's own text is used as it stands and known
// by what it does: rendered with probe conversations, it is compared with the templates that have
// names (docs/chat-templates.md lists them).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "jinja/template.h"

namespace ponder::tokenizer {

class Tokenizer;

struct Message {
  std::string role;  // "system", "user", "assistant", "tool"
  std::string content;
  // The thought of an assistant turn where it is given apart from its content.
  std::optional<std::string> reasoning_content = std::nullopt;
  Json tool_calls = nullptr;  // an array as the OpenAI API has it, or null
};

struct RenderOptions {
  bool add_generation_prompt = false;
  // False closes the thought before it begins, in templates that know the switch (qwen3); nullopt
  // is the template's own default.
  std::optional<bool> enable_thinking = std::nullopt;
  Json tools = nullptr;  // an array of descriptions, or null
};

// What turns are made of: all that training and sampling need to know of a template beside its text.
struct TurnMarks {
  // What ends an assistant turn, then what else would end or begin a turn.
  std::vector<std::string> control_texts;
  std::string response_prefix;  // what the generation prompt already holds of the response
};

class ChatTemplate {
 public:
  // What tokenizer.chat_template() says; without one, plain ChatML if the vocabulary has <|im_start|>
  // and <|im_end|>. `chosen` (a name) decides instead unless it is empty. A text that behaves like
  // none with a name is used as it is where an assistant turn is what its generation prompt begins
  // and ends with one token; any other is an Error that shows the first difference to the nearest.
  static ChatTemplate of(const Tokenizer& tokenizer, std::string_view chosen = "");
  // By name, e.g. "chatml". Throws Error for a name not in names().
  static ChatTemplate named(std::string_view name);
  static std::vector<std::string_view> names();

  // Of the template it behaves like; "own" for a text that behaves like none with a name.
  const std::string& name() const { return name_; }
  // Identifies the rendering: stored with checkpoints and rollouts. The hash of the name, so that texts
  // that behave the same are the same; of the text where that is "own".
  const std::string& sha256() const { return sha256_; }
  // The Jinja text: what a model that was trained with it carries.
  const std::string& text() const { return jinja_.text(); }

  // Throws Error naming message and key for a role or a part that the template cannot show, and
  // whatever the template itself refuses.
  std::string render(const std::vector<Message>& messages, const RenderOptions& options) const;
  std::string render(const std::vector<Message>& messages, bool add_generation_prompt) const;

  // What ends an assistant turn, e.g. "<|im_end|>": the last trained token of a row, and a stop
  // token.
  std::string_view end_of_turn() const { return marks_.control_texts.front(); }
  // What the generation prompt already holds of the response, e.g. "<think>\n"; mostly empty.
  std::string_view response_prefix() const { return marks_.response_prefix; }
  // The same with enable_thinking set, e.g. "<think>\n\n</think>\n\n" of qwen3 where it is false.
  std::string response_prefix(bool thinking) const;
  // What stands before an answer without a thought, e.g. "<think>\n\n</think>\n\n" of qwen3; empty
  // where that is nothing, or begins in the generation prompt.
  std::string direct_prefix() const;
  // Whether it reads enable_thinking.
  bool has_thinking_switch() const;
  // Texts that would end or begin a turn: none may stand in a system turn, question or response.
  const std::vector<std::string>& control_texts() const { return marks_.control_texts; }

 private:
  ChatTemplate(jinja::Template jinja, std::string name, TurnMarks marks);

  jinja::Template jinja_;
  std::string name_, sha256_;
  TurnMarks marks_;
  std::map<std::string, std::string> named_tokens_;  // of the tokenizer: bos_token, …
};

}  // namespace ponder::tokenizer
