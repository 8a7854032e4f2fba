// The templates that ponder knows by name: their Jinja texts, which are what a model trained with one
// carries, and what their turns are made of.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ponder::tokenizer {

struct ChatStyle {
  std::string_view name;
  std::string text;
  // What ends an assistant turn, then what else would end or begin a turn.
  std::vector<std::string_view> control_texts;
  std::string_view response_prefix = {};  // ends the generation prompt
};

const std::vector<ChatStyle>& chat_styles();
// The style that a template_sha256 stands for: the hash of its name, or, as earlier versions wrote
// it, of a published text. nullptr if it is none's.
const ChatStyle* style_of(std::string_view template_sha256);

}  // namespace ponder::tokenizer
