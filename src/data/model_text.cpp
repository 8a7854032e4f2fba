#include "data/model_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace ponder::data {
namespace {

// Tokenizer and template of a folder belong together; the template is looked up in the tokenizer.
std::pair<tokenizer::Tokenizer, tokenizer::ChatTemplate> open_folder(
    const std::filesystem::path& folder, const tokenizer::TemplateChoice& choice,
    const std::vector<std::string>& add_tokens) {
  tokenizer::Tokenizer tokenizer = tokenizer::Tokenizer::load_with(folder, add_tokens);
  tokenizer::ChatTemplate chat = tokenizer::template_for(folder, tokenizer, choice);
  return {std::move(tokenizer), std::move(chat)};
}

void check_size(const std::string& where, const tokenizer::Tokenizer& tokenizer,
                int64_t vocab_size) {
  if (vocab_size <= 0 || tokenizer.vocab_size() <= vocab_size) return;
  throw Error(where,
              fmt::format("its tokenizer has {} ids, its model only {} rows",
                          tokenizer.vocab_size(), vocab_size),
              "use the tokenizer the model was trained with");
}

// Tags that a tokenizer may hold as special tokens belong into a response.
bool is_thought_tag(std::string_view token) {
  const std::string lower = lower_ascii(token);
  return lower.find("think") != lower.npos || lower.find("thought") != lower.npos ||
         lower.find("solution") != lower.npos;
}

}  // namespace

ModelText::ModelText(const std::filesystem::path& folder, const ModelTextOptions& options)
    : ModelText(folder.string(), open_folder(folder, options.chat_template, options.add_tokens),
                options) {
  if (options.add_tokens.empty()) return;
  const tokenizer::Tokenizer before = tokenizer::Tokenizer::load(folder);
  check_size(folder.string(), before, options.vocab_size);
  for (const std::string& content : options.add_tokens) {
    const int32_t id = tokenizer_.token_id(content).value();
    if (id < before.vocab_size()) continue;
    added_tokens_.push_back({content, id, before.encode(content)});
  }
}

ModelText::ModelText(tokenizer::Tokenizer tokenizer, const tokenizer::ChatTemplate& chat)
    : ModelText("tokenizer", {std::move(tokenizer), chat}, {}) {}

ModelText::ModelText(const std::string& where,
                     std::pair<tokenizer::Tokenizer, tokenizer::ChatTemplate> parts,
                     const ModelTextOptions& options)
    : tokenizer_(std::move(parts.first)),
      chat_(std::move(parts.second)),
      prompt_prefix_(options.chat_template.prompt_prefix),
      prompt_suffix_(options.chat_template.prompt_suffix) {
  if (options.add_tokens.empty()) check_size(where, tokenizer_, options.vocab_size);
  const auto end_of_turn = tokenizer_.token_id(chat_.end_of_turn());
  if (!end_of_turn) {
    throw Error(where,
                fmt::format("its vocabulary lacks {}, which ends a turn of the chat template {}",
                            chat_.end_of_turn(), chat_.name()),
                "use the tokenizer that belongs to the chat template");
  }
  const auto add = [&](int32_t id) {
    if (std::find(stop_ids_.begin(), stop_ids_.end(), id) == stop_ids_.end())
      stop_ids_.push_back(id);
  };
  add(*end_of_turn);
  for (const int32_t id : options.end_token_ids) add(id);
  if (const auto id = tokenizer_.eos_token_id()) add(*id);
  for (int32_t id = 0; id < tokenizer_.vocab_size(); ++id) {
    if (!tokenizer_.is_special(id)) continue;
    std::string token = tokenizer_.token_bytes(id);
    if (!is_thought_tag(token)) special_tokens_.push_back(std::move(token));
  }
  const bool thinks = tokenizer_.token_id("<think>").has_value();
  thought_form_ = options.thought_form.value_or(thinks ? ThoughtForm::kThink : ThoughtForm::kStill);
  thinking_ = options.chat_template.thinking;
  response_prefix_ =
      thinking_ ? chat_.response_prefix(*thinking_) : std::string(chat_.response_prefix());
  direct_prefix_ = chat_.direct_prefix();
}

std::optional<std::string_view> ModelText::special_token_in(std::string_view text) const {
  for (const std::string& token : special_tokens_) {
    if (!token.empty() && text.find(token) != text.npos) return token;
  }
  return std::nullopt;
}

std::vector<int32_t> ModelText::prompt_ids(std::string_view question, std::string_view system,
                                           const std::vector<Turn>& history) const {
  std::vector<tokenizer::Message> messages;
  if (!system.empty()) messages.push_back({"system", std::string(system)});
  for (const Turn& turn : history) {
    messages.push_back({turn.assistant ? "assistant" : "user", turn.content});
  }
  messages.push_back({"user", prompt_prefix_ + std::string(question) + prompt_suffix_});
  return prompt_ids(messages);
}

std::vector<int32_t> ModelText::prompt_ids(const std::vector<tokenizer::Message>& messages) const {
  tokenizer::RenderOptions options;
  options.add_generation_prompt = true;
  options.enable_thinking = thinking_;
  return tokenizer_.encode(chat_.render(messages, options));
}

}  // namespace ponder::data
