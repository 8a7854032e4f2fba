#include "tokenizer/chat_template.h"

#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "base/hash.h"
#include "tokenizer/tokenizer.h"

namespace ponder {
namespace {

constexpr std::string_view kChatml = "chatml";
constexpr std::string_view kQwen25 = "qwen2.5";
constexpr std::string_view kQwen25System =
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";

struct KnownTemplate {
  std::string_view text_sha256;
  std::string_view name;
};

// By the hash of the Jinja text. ChatML is written in several ways that render the same: with and
// without a default for add_generation_prompt, line ends as they are or as \n.
constexpr std::array<KnownTemplate, 5> kKnownTemplates = {{
    {"cd8e9439f0570856fd70470bf8889ebd8b5d1107207f67a5efb46e342330527f", kQwen25},
    {"153280e3ff55d19da1398bdb3914ee2a51b80429bfaedde11d7d216c39db80f3", kChatml},
    {"58c1a1f04baa7adaeaba1f90267c3d57d9396f0c1f0129bdde9e76d3c6784af7", kChatml},
    {"fcf7a096fe99a48fd9ad2b250bf9237e96e8f48bffec1c7ea4d3f225176cd40e", kChatml},
    {"d7b5b8c7b58f7a6bf868aa46a5f73ee976d7292f40fcb9c3e7a1defd8d235cfb", kChatml},
}};

}  // namespace

ChatTemplate ChatTemplate::of(const Tokenizer& tokenizer) {
  const std::string& text = tokenizer.chat_template();
  if (!text.empty()) {
    const std::string hash = sha256_hex(text);
    for (const KnownTemplate& known : kKnownTemplates) {
      if (known.text_sha256 != hash) continue;
      ChatTemplate found = named(known.name);
      found.sha256_ = hash;
      return found;
    }
    throw Error("chat_template",
                fmt::format("unknown text \"{}\" (sha256 {})", excerpt(text), hash),
                "known templates: Qwen2.5's and ChatML; a template from a file is never executed");
  }
  if (tokenizer.token_id("<|im_start|>") && tokenizer.token_id("<|im_end|>")) return named(kChatml);
  throw Error("tokenizer_config.json",
              "no chat_template, and the vocabulary lacks <|im_start|> and <|im_end|> for ChatML",
              "known templates: qwen2.5, chatml");
}

ChatTemplate ChatTemplate::named(std::string_view name) {
  if (name != kChatml && name != kQwen25) {
    throw Error("chat template",
                fmt::format("expected \"chatml\" or \"qwen2.5\", found \"{}\"", excerpt(name)));
  }
  ChatTemplate result;
  result.name_ = name;
  result.sha256_ = sha256_hex(name);
  return result;
}

std::string ChatTemplate::render(const std::vector<Message>& messages,
                                 bool add_generation_prompt) const {
  if (messages.empty()) throw Error("messages", "expected at least one message, found none");
  std::string text;
  const auto turn = [&](std::string_view role, std::string_view content) {
    text.append("<|im_start|>").append(role).append("\n").append(content).append("<|im_end|>\n");
  };
  if (name_ == kQwen25 && messages[0].role != "system") turn("system", kQwen25System);
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    if (message.role != "system" && message.role != "user" && message.role != "assistant") {
      throw Error(fmt::format("messages[{}].role", i),
                  fmt::format("expected \"system\", \"user\" or \"assistant\", found \"{}\"",
                              excerpt(message.role)),
                  message.role == "tool" ? "tools are not supported" : "");
    }
    turn(message.role, message.content);
  }
  if (add_generation_prompt) text += "<|im_start|>assistant\n";
  return text;
}

std::string_view ChatTemplate::end_of_turn() const { return "<|im_end|>"; }

}  // namespace ponder
