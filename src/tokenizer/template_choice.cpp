#include "tokenizer/template_choice.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/json_fields.h"
#include "tokenizer/chat_styles.h"
#include "tokenizer/tokenizer.h"

namespace ponder::tokenizer {
bool same_rendering(std::string_view template_sha256, std::string_view other_sha256) {
  if (template_sha256 == other_sha256) return true;
  const ChatStyle* const style = style_of(template_sha256);
  return style && style == style_of(other_sha256);
}

ChatTemplate template_for(const std::filesystem::path& folder, const Tokenizer& tokenizer,
                          const TemplateChoice& choice) {
  const std::filesystem::path path = folder / "ponder.json";
  std::string recorded, recorded_name, recorded_text;
  if (std::filesystem::exists(path)) {
    const Json record = read_json_file(path);
    const JsonFields fields(record, path.string());
    recorded = fields.text_or("template_sha256", "");
    recorded_name = fields.text_or("chat_template", "");
    recorded_text = fields.text_or("template_text_sha256", "");
  }
  // Earlier versions left the base's text beside a model trained with a template chosen by name: the
  // record decides there. Since then the files hold the text that the model was trained with.
  const bool by_name =
      recorded_text.empty() && !recorded_name.empty() && recorded == sha256_hex(recorded_name);
  const ChatTemplate chat =
      ChatTemplate::of(tokenizer, choice.name.empty() && by_name ? recorded_name : choice.name);
  if (choice.thinking && !chat.has_thinking_switch()) {
    throw Error(folder.string(),
                fmt::format("thinking cannot be switched: its chat template ({}) does not read "
                            "enable_thinking",
                            chat.name()),
                "leave --thinking (in a recipe `thinking`) out, or take a model whose template "
                "knows it, such as qwen3");
  }
  if (recorded.empty() || choice.allow_change || same_rendering(recorded, chat.sha256()))
    return chat;
  const ChatStyle* const style = style_of(recorded);
  const std::string_view name = style ? style->name : std::string_view(recorded_name);
  throw Error(path.string(),
              fmt::format("trained with the chat template {}{}, but this is {} ({})", recorded,
                          name.empty() ? std::string() : fmt::format(" ({})", name), chat.sha256(),
                          chat.name()),
              "use the same template, or allow another with --allow-template-change");
}

}  // namespace ponder::tokenizer
