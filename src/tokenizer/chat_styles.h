// What chat_template.cpp knows of each template: a style, and the published texts that render so.
#pragma once

#include <span>
#include <string_view>

namespace ponder::tokenizer {

enum class ChatFamily {
  kChatml,    // <|im_start|>role\n…<|im_end|>\n for every turn
  kQwen,      // the same with tools, and in some styles with thoughts
  kLlama3,    // <|start_header_id|>role<|end_header_id|>\n\n…<|eot_id|>
  kLlama31,   // the same after a system turn with dates
  kDeepseek,  // system text, then <｜User｜>…<｜Assistant｜>…<｜end▁of▁sentence｜>
};

// What becomes of the thought of an assistant turn, where the turn holds one.
enum class ThoughtTurns {
  kAsWritten,         // nothing
  kStripUnlessLast,   // left out unless the turn is the last message
  kStripBeforeQuery,  // left out before the last question, written in <think> after it
  kStripAlways,       // left out everywhere
};

struct ChatStyle {
  std::string_view name;
  ChatFamily family;
  std::string_view default_system = {};  // kChatml, kQwen: the system turn where there is none
  ThoughtTurns thoughts = ThoughtTurns::kAsWritten;
  std::string_view response_prefix = {};  // ends the generation prompt
  bool tools = false;
  bool switches_thinking = false;       // knows enable_thinking
  bool always_opens_assistant = false;  // ends with a generation prompt, asked for or not
};

struct KnownTemplate {
  std::string_view text_sha256, style;
};

std::span<const ChatStyle> chat_styles();
std::span<const KnownTemplate> known_templates();

}  // namespace ponder::tokenizer
