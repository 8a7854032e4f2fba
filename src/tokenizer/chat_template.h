// Chat templates, written in C++ and chosen by recognising the text of the model's own template (by
// hash); a template from a file is never executed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ponder {

class Tokenizer;

struct Message {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

class ChatTemplate {
 public:
  // Recognises tokenizer.chat_template(); without one, plain ChatML if the vocabulary has
  // <|im_start|> and
  // <|im_end|>. Throws Error naming the known templates otherwise.
  static ChatTemplate of(const Tokenizer& tokenizer);
  // By name: "chatml" (no default system turn) or "qwen2.5" (with Qwen's default system turn).
  static ChatTemplate named(std::string_view name);

  const std::string& name() const { return name_; }
  // Identifies the rendering: stored with checkpoints and trajectories. The hash of the template's
  // text when it came from a file, of the name otherwise.
  const std::string& sha256() const { return sha256_; }

  std::string render(const std::vector<Message>& messages, bool add_generation_prompt) const;
  // What ends an assistant turn, e.g. "<|im_end|>": the last trained token of a row, and a stop
  // token.
  std::string_view end_of_turn() const;

 private:
  std::string name_, sha256_;
};

}  // namespace ponder
