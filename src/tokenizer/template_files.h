// What a model's folder says about its chat template, in every file that says something, so that
// transformers, vLLM and llama.cpp render what the model was trained with.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/json.h"
#include "tokenizer/chat_template.h"

namespace ponder::tokenizer {

// The files that must differ from those of `base`, by name: chat_template.jinja and
// tokenizer_config.json (and where the base has them chat_template.json and special_tokens_map.json)
// with the text of `chat` and its end of turn as eos_token. None where they say so already.
std::map<std::string, std::string> template_files(const std::filesystem::path& base,
                                                  const ChatTemplate& chat);

// What ponder.json says of it: chat_template, template_sha256, template_text_sha256.
Json template_record(const ChatTemplate& chat);

}  // namespace ponder::tokenizer
