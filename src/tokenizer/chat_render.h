// Renders messages in a style. The words are those of the published Jinja texts; whatever a text
// leaves to its reader (a date, whether tools are there) is fixed here and said so.
#pragma once

#include <string>
#include <vector>

#include "tokenizer/chat_styles.h"
#include "tokenizer/chat_template.h"

namespace ponder::tokenizer {

// Messages are not empty and their roles known.
std::string render_chatml(const ChatStyle& style, const std::vector<Message>& messages,
                          const RenderOptions& options);
std::string render_qwen(const ChatStyle& style, const std::vector<Message>& messages,
                        const RenderOptions& options);
std::string render_llama3(const ChatStyle& style, const std::vector<Message>& messages,
                          const RenderOptions& options);
std::string render_deepseek(const ChatStyle& style, const std::vector<Message>& messages,
                            const RenderOptions& options);

}  // namespace ponder::tokenizer
