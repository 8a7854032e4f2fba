#include "tokenizer/chat_template.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "tokenizer/chat_styles.h"
#include "tokenizer/template_recognition.h"
#include "tokenizer/tokenizer.h"

namespace ponder::tokenizer {
namespace {

constexpr const char* kOwn = "own";
constexpr const char* kProbeQuestion = "One and one?";

std::string known_names() { return fmt::format("{}", fmt::join(ChatTemplate::names(), ", ")); }

std::string how_to_choose() {
  return fmt::format(
      "choose a template with --chat-template NAME, in a recipe with chat_template = \"NAME\"; "
      "known "
      "are {}",
      known_names());
}

bool is_role(std::string_view role) {
  return role == "system" || role == "user" || role == "assistant";
}

const ChatStyle& style_named(std::string_view name) {
  for (const ChatStyle& style : chat_styles()) {
    if (style.name == name) return style;
  }
  throw Error("chat template",
              fmt::format("expected one of {}, found \"{}\"", known_names(), excerpt(name)));
}

TurnMarks marks_of_style(const ChatStyle& style) {
  return {{style.control_texts.begin(), style.control_texts.end()},
          std::string(style.response_prefix)};
}

Json json_of(const Message& message) {
  Json json = {{"role", message.role}, {"content", message.content}};
  if (message.reasoning_content) json["reasoning_content"] = *message.reasoning_content;
  if (!message.tool_calls.empty()) json["tool_calls"] = message.tool_calls;
  return json;
}

}  // namespace

ChatTemplate::ChatTemplate(jinja::Template jinja, std::string name, TurnMarks marks)
    : jinja_(std::move(jinja)),
      name_(std::move(name)),
      sha256_(sha256_hex(name_ == kOwn ? jinja_.text() : name_)),
      marks_(std::move(marks)) {}

ChatTemplate ChatTemplate::of(const Tokenizer& tokenizer, std::string_view chosen) {
  const std::string& text = tokenizer.chat_template();
  if (text.empty()) {
    if (!chosen.empty()) return named(chosen);
    if (tokenizer.token_id("<|im_start|>") && tokenizer.token_id("<|im_end|>"))
      return named("chatml");
    throw Error("tokenizer_config.json",
                "no chat_template, and the vocabulary lacks <|im_start|> and <|im_end|> for ChatML",
                how_to_choose());
  }
  // A text that cannot be read is no obstacle to another that is named.
  std::optional<jinja::Template> own;
  try {
    own.emplace(text, "chat_template");
  } catch (const Error& error) {
    if (chosen.empty()) throw Error(error.where(), error.problem(), how_to_choose());
    return named(chosen);
  }
  const auto as = [&](std::string name, TurnMarks marks) {
    ChatTemplate chat(*own, std::move(name), std::move(marks));
    chat.named_tokens_ = tokenizer.named_tokens();
    return chat;
  };
  if (!chosen.empty()) {
    const ChatStyle& style = style_named(chosen);
    const bool same = behaves_like(*own, style, tokenizer.named_tokens());
    return same ? as(std::string(chosen), marks_of_style(style)) : named(chosen);
  }
  const Recognition found = recognise(*own, tokenizer.named_tokens());
  if (found.style) return as(std::string(found.style->name), marks_of_style(*found.style));
  auto marks = marks_of(*own, tokenizer);
  if (auto* const usable = std::get_if<TurnMarks>(&marks)) return as(kOwn, std::move(*usable));
  throw Error("chat_template",
              fmt::format("behaves like none that is known, and cannot be used as it is: {}; {}",
                          std::get<std::string>(marks), found.difference),
              how_to_choose());
}

ChatTemplate ChatTemplate::named(std::string_view name) {
  const ChatStyle& style = style_named(name);
  return ChatTemplate(jinja::Template(style.text, std::string(name)), std::string(name),
                      marks_of_style(style));
}

std::vector<std::string_view> ChatTemplate::names() {
  std::vector<std::string_view> names;
  for (const ChatStyle& style : chat_styles()) names.push_back(style.name);
  return names;
}

bool ChatTemplate::has_thinking_switch() const {
  return text().find("enable_thinking") != std::string::npos;
}

std::string ChatTemplate::response_prefix(bool thinking) const {
  RenderOptions options;
  options.add_generation_prompt = true;
  options.enable_thinking = thinking;
  const std::string prompt = render({{"user", kProbeQuestion}}, options);
  const size_t question = prompt.rfind(kProbeQuestion);
  const size_t begin = prompt.find("<think>", question == prompt.npos ? 0 : question);
  return begin == prompt.npos ? "" : prompt.substr(begin);
}

std::string ChatTemplate::direct_prefix() const {
  constexpr const char* kAnswer = "Two.";
  const std::string prompt = render({{"user", kProbeQuestion}}, true);
  const std::string answered = render({{"user", kProbeQuestion}, {"assistant", kAnswer}}, false);
  const size_t end = answered.rfind(kAnswer);
  if (!response_prefix().empty() || !answered.starts_with(prompt) || end == answered.npos ||
      end < prompt.size())
    return "";
  return answered.substr(prompt.size(), end - prompt.size());
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
  const bool knows_tools = text().find("tools") != std::string::npos;
  const std::string no_tools = fmt::format("the template {} is rendered without tools here", name_);
  if (!options.tools.empty() && !knows_tools) throw Error("tools", no_tools);
  if (options.enable_thinking && !has_thinking_switch())
    throw Error("enable_thinking", fmt::format("the template {} has no such switch", name_));
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    const auto where = [&](const char* key) { return fmt::format("messages[{}].{}", i, key); };
    if (!is_role(message.role) && message.role != "tool") {
      throw Error(where("role"),
                  fmt::format("expected \"system\", \"user\", \"assistant\" or \"tool\", found "
                              "\"{}\"",
                              excerpt(message.role)));
    }
    if (message.role == "tool" && !knows_tools) throw Error(where("role"), no_tools);
    if (message.tool_calls.empty()) continue;
    if (!knows_tools) throw Error(where("tool_calls"), no_tools);
    if (message.role != "assistant") {
      throw Error(where("tool_calls"),
                  fmt::format("expected in assistant turns, found in \"{}\"", message.role));
    }
  }
  Json all = Json::array();
  for (const Message& message : messages) all.push_back(json_of(message));
  Json variables = template_variables(all, options.add_generation_prompt, named_tokens_);
  if (!options.tools.empty()) variables["tools"] = options.tools;
  if (options.enable_thinking) variables["enable_thinking"] = *options.enable_thinking;
  return jinja_.render(variables);
}

}  // namespace ponder::tokenizer
