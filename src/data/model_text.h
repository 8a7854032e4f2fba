// The text side of a model folder: tokenizer, chat template and the tokens that end a response. It is
// opened here for training, sampling and looking at data alike, so that all three see the same tokens.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/rows.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/template_choice.h"
#include "tokenizer/tokenizer.h"

namespace ponder::data {

struct ModelTextOptions {
  tokenizer::TemplateChoice chat_template = {};
  // From the model's configuration, where a model stands beside the tokenizer:
  int64_t vocab_size = 0;                   // rows of its embedding; 0: not known
  std::vector<int32_t> end_token_ids = {};  // eos_token_id
  // Tokens to add to the tokenizer before training (tokenizer/token_addition.h); vocab_size is the
  // model's before. Those it has already change nothing.
  std::vector<std::string> add_tokens = {};
  // How the thoughts of demonstrations are written; not given: kThink where <think> is a token of
  // the tokenizer, else kStill.
  std::optional<ThoughtForm> thought_form = {};
};

// A token that was added, and what its text was split into before.
struct AddedToken {
  std::string content;
  int32_t id = 0;
  std::vector<int32_t> pieces;
};

// Const members may be called from any thread. A RowBuilder borrows it, so it stays where it is.
class ModelText {
 public:
  // Throws Error for what Tokenizer::load and template_for refuse, for a tokenizer with more ids than
  // vocab_size, and for a template whose end of turn is not one token.
  explicit ModelText(const std::filesystem::path& folder, const ModelTextOptions& options = {});
  ModelText(tokenizer::Tokenizer tokenizer, const tokenizer::ChatTemplate& chat);

  const tokenizer::Tokenizer& tokenizer() const { return tokenizer_; }
  const tokenizer::ChatTemplate& chat() const { return chat_; }
  // The token of the chat template's end of turn: the last token of a response.
  int32_t end_of_turn_id() const { return stop_ids_.front(); }
  // What ends a completion, each id once: the end of turn, the model's end tokens, the tokenizer's.
  const std::vector<int32_t>& stop_ids() const { return stop_ids_; }

  ThoughtForm thought_form() const { return thought_form_; }
  // Those of the options that are new to the tokenizer, and no words of its vocabulary.
  const std::vector<AddedToken>& added_tokens() const { return added_tokens_; }
  // What prompt_ids end with of the response ("<think>\n").
  const std::string& response_prefix() const { return response_prefix_; }
  // What the template puts before an answer without a thought (ChatTemplate::direct_prefix).
  const std::string& direct_prefix() const { return direct_prefix_; }
  // Of the options.
  std::optional<bool> thinking() const { return thinking_; }
  // The first special token of the tokenizer that stands in a text, the tags of thoughts aside.
  std::optional<std::string_view> special_token_in(std::string_view text) const;

  // The ids a completion starts from: a system turn unless `system` is empty (the template may have
  // its own default), the turns of a longer conversation before the question, the question between
  // the prompt's prefix and suffix, and the opened assistant turn, with thinking switched as the
  // options say. Throws Error for what the template refuses (a system turn, turns that do not
  // alternate).
  std::vector<int32_t> prompt_ids(std::string_view question, std::string_view system = "",
                                  const std::vector<Turn>& history = {}) const;
  std::vector<int32_t> prompt_ids(const std::vector<tokenizer::Message>& messages) const;

 private:
  ModelText(const std::string& where,
            std::pair<tokenizer::Tokenizer, tokenizer::ChatTemplate> parts,
            const ModelTextOptions& options);

  tokenizer::Tokenizer tokenizer_;
  tokenizer::ChatTemplate chat_;
  std::vector<int32_t> stop_ids_;
  std::vector<std::string> special_tokens_;
  std::string prompt_prefix_, prompt_suffix_;
  ThoughtForm thought_form_ = ThoughtForm::kStill;
  std::vector<AddedToken> added_tokens_;
  std::optional<bool> thinking_;
  std::string response_prefix_, direct_prefix_;
};

}  // namespace ponder::data
