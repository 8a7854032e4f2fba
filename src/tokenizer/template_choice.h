// Which chat template a checkpoint is used with, and the check that it is the one it was trained
// with (ponder.json: chat_template, template_sha256).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "tokenizer/chat_template.h"

namespace ponder::tokenizer {

struct TemplateChoice {
  std::string name = {};      // "": the folder's own
  bool allow_change = false;  // use it though the checkpoint was trained with another
  // enable_thinking of the generation prompts; not given: as the template has it.
  std::optional<bool> thinking = std::nullopt;
  // What stands in the user turn before and behind the question that is asked.
  std::string prompt_prefix = {}, prompt_suffix = {};
};

// The template of a checkpoint's folder: the one named in `choice`; otherwise the one that
// ponder.json says was chosen by name, otherwise that of the tokenizer. Throws Error where none is
// known, where ponder.json records a template that renders otherwise, unless that is allowed, and
// where `thinking` is given and the template has no such switch.
ChatTemplate template_for(const std::filesystem::path& folder, const Tokenizer& tokenizer,
                          const TemplateChoice& choice);

// Whether two hashes (of ChatTemplate::sha256) stand for the same rendering: equal, or texts and
// names of one template.
bool same_rendering(std::string_view template_sha256, std::string_view other_sha256);

}  // namespace ponder::tokenizer
