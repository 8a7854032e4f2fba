#include "tokenizer/template_choice.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/json_fields.h"
#include "tokenizer/chat_styles.h"
#include "tokenizer/tokenizer.h"

namespace ponder::tokenizer {
namespace {

// The style a hash stands for; "" if it is no known one.
std::string_view style_of(std::string_view sha256) {
  for (const KnownTemplate& known : known_templates()) {
    if (known.text_sha256 == sha256) return known.style;
  }
  for (const ChatStyle& style : chat_styles()) {
    if (sha256_hex(style.name) == sha256) return style.name;
  }
  return "";
}

}  // namespace

bool same_rendering(std::string_view template_sha256, std::string_view other_sha256) {
  if (template_sha256 == other_sha256) return true;
  const std::string_view style = style_of(template_sha256);
  return !style.empty() && style == style_of(other_sha256);
}

ChatTemplate template_for(const std::filesystem::path& folder, const Tokenizer& tokenizer,
                          const TemplateChoice& choice) {
  const std::filesystem::path path = folder / "ponder.json";
  std::string recorded, recorded_name;
  if (std::filesystem::exists(path)) {
    const Json record = read_json_file(path);
    const JsonFields fields(record, path.string());
    recorded = fields.text_or("template_sha256", "");
    recorded_name = fields.text_or("chat_template", "");
  }
  // A template chosen by name is not what the tokenizer's files say, so the record decides.
  const bool by_name = !recorded_name.empty() && recorded == sha256_hex(recorded_name);
  const ChatTemplate chat =
      ChatTemplate::of(tokenizer, choice.name.empty() && by_name ? recorded_name : choice.name);
  if (recorded.empty() || choice.allow_change || same_rendering(recorded, chat.sha256()))
    return chat;
  const std::string_view style = recorded_name.empty() ? style_of(recorded) : recorded_name;
  throw Error(path.string(),
              fmt::format("trained with the chat template {}{}, but this is {} ({})", recorded,
                          style.empty() ? std::string() : fmt::format(" ({})", style),
                          chat.sha256(), chat.name()),
              "use the same template, or allow another with --allow-template-change");
}

}  // namespace ponder::tokenizer
