#include "tokenizer/chat_template.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "tokenizer/chat_render.h"
#include "tokenizer/chat_styles.h"
#include "tokenizer/tokenizer.h"

namespace ponder::tokenizer {
namespace {

std::string known_names() { return fmt::format("{}", fmt::join(ChatTemplate::names(), ", ")); }

std::string how_to_choose() {
  return fmt::format(
      "known templates: {}; choose one with --chat-template NAME, in a recipe with "
      "chat_template = \"NAME\" (a template from a file is never executed)",
      known_names());
}

bool is_role(std::string_view role) {
  return role == "system" || role == "user" || role == "assistant";
}

}  // namespace

ChatTemplate ChatTemplate::of(const Tokenizer& tokenizer, std::string_view chosen) {
  const std::string& text = tokenizer.chat_template();
  const std::string hash = sha256_hex(text);
  const auto known = std::find_if(known_templates().begin(), known_templates().end(),
                                  [&](const KnownTemplate& t) { return t.text_sha256 == hash; });
  const bool recognised = known != known_templates().end();
  if (recognised && (chosen.empty() || chosen == known->style)) {
    ChatTemplate found = named(known->style);
    found.sha256_ = hash;
    return found;
  }
  if (!chosen.empty()) return named(chosen);
  if (!text.empty()) {
    throw Error("chat_template",
                fmt::format("unknown text \"{}\" (sha256 {})", excerpt(text), hash),
                how_to_choose());
  }
  if (tokenizer.token_id("<|im_start|>") && tokenizer.token_id("<|im_end|>"))
    return named("chatml");
  throw Error("tokenizer_config.json",
              "no chat_template, and the vocabulary lacks <|im_start|> and <|im_end|> for ChatML",
              how_to_choose());
}

ChatTemplate ChatTemplate::named(std::string_view name) {
  for (const ChatStyle& style : chat_styles()) {
    if (style.name != name) continue;
    ChatTemplate result;
    result.style_ = &style;
    result.name_ = name;
    result.sha256_ = sha256_hex(name);
    return result;
  }
  throw Error("chat template",
              fmt::format("expected one of {}, found \"{}\"", known_names(), excerpt(name)));
}

std::vector<std::string_view> ChatTemplate::names() {
  std::vector<std::string_view> names;
  for (const ChatStyle& style : chat_styles()) names.push_back(style.name);
  return names;
}

std::string ChatTemplate::render(const std::vector<Message>& messages,
                                 bool add_generation_prompt) const {
  RenderOptions options;
  options.add_generation_prompt = add_generation_prompt;
  return render(messages, options);
}

std::string ChatTemplate::render(const std::vector<Message>& messages,
                                 const RenderOptions& options) const {
  if (messages.empty()) throw Error("messages", "expected at least one message, found none");
  const std::string no_tools = fmt::format("the template {} is rendered without tools here", name_);
  if (!options.tools.empty() && !style_->tools) throw Error("tools", no_tools);
  if (options.enable_thinking && !style_->switches_thinking) {
    throw Error("enable_thinking", fmt::format("the template {} has no such switch", name_));
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    const auto where = [&](const char* key) { return fmt::format("messages[{}].{}", i, key); };
    if (!is_role(message.role) && message.role != "tool") {
      throw Error(where("role"),
                  fmt::format("expected \"system\", \"user\", \"assistant\" or \"tool\", found "
                              "\"{}\"",
                              excerpt(message.role)));
    }
    if (message.role == "tool" && !style_->tools) throw Error(where("role"), no_tools);
    if (message.tool_calls.empty()) continue;
    if (!style_->tools) throw Error(where("tool_calls"), no_tools);
    if (message.role != "assistant") {
      throw Error(where("tool_calls"),
                  fmt::format("expected in assistant turns, found in \"{}\"", message.role));
    }
  }
  switch (style_->family) {
    case ChatFamily::kChatml:
      return render_chatml(*style_, messages, options);
    case ChatFamily::kQwen:
      return render_qwen(*style_, messages, options);
    case ChatFamily::kLlama3:
    case ChatFamily::kLlama31:
      return render_llama3(*style_, messages, options);
    case ChatFamily::kDeepseek:
      return render_deepseek(*style_, messages, options);
  }
  return "";
}

std::string_view ChatTemplate::end_of_turn() const { return control_texts().front(); }

std::string_view ChatTemplate::response_prefix() const { return style_->response_prefix; }

std::vector<std::string_view> ChatTemplate::control_texts() const {
  switch (style_->family) {
    case ChatFamily::kChatml:
    case ChatFamily::kQwen:
      return {"<|im_end|>", "<|im_start|>"};
    case ChatFamily::kLlama3:
    case ChatFamily::kLlama31:
      return {"<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|begin_of_text|>"};
    case ChatFamily::kDeepseek:
      return {"<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<｜begin▁of▁sentence｜>"};
  }
  return {};
}

}  // namespace ponder::tokenizer
