// Rows of token ids ready to train on, with the mask that says which tokens carry loss.
//
// Prompt and response are tokenised separately and joined, because that is how a model meets them:
// it is given the prompt's tokens and continues with tokens of its own. A rollout's own token ids
// are used as they were sampled, never its text tokenised anew. A row that is too long is rejected
// and counted, never cut.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/model_text.h"
#include "data/readers.h"
#include "data/rejection.h"
#include "data/rows.h"

namespace ponder::data {

struct TokenRow {
  std::string name;             // what errors and logs call it, e.g. "data.jsonl:12"
  std::vector<int32_t> tokens;  // prompt, response, end of turn
  // (tokens) 1: this token is predicted and carries loss; loss_mask[0] is 0.
  std::vector<uint8_t> loss_mask;
  int64_t num_prompt_tokens = 0;

  int64_t num_tokens() const { return static_cast<int64_t>(tokens.size()); }
  int64_t num_loss_tokens() const;
};

// A preference: two responses to one prompt. In `chosen` the whole response is trained (for the
// likelihood term), in `rejected` only the aligned tokens; the masks say which tokens count for the
// preference.
struct TokenPair {
  std::string name;
  TokenRow chosen, rejected;
  std::vector<uint8_t> chosen_aligned, rejected_aligned;  // (tokens); 1 only where trained
};

// Which part of the responses a preference is about.
// The first two leave out the tag that ends the part: with kThoughtEnd the decision to stop thinking,
// with kSolutionEnd that to end the response (its end of turn too), is part of the preference.
enum class Align { kThought, kSolution, kResponse, kThoughtEnd, kSolutionEnd };
// "thought", "solution", "response", "thought+end", "solution+end"
std::string_view to_string(Align align);
std::optional<Align> align_from_string(std::string_view text);

// A response given as text, or as the token ids a model sampled (which then decide).
struct Response {
  std::string text;
  std::vector<int32_t> token_ids;
  std::string template_sha256 = {};  // of the prompt the ids were sampled after; "" if not known
};
// A rollout's: the ids it was sampled as, or its text where it came without them.
Response response_of(const Rollout& rollout);

// Borrows the text. Const members may be called from any thread.
class RowBuilder {
 public:
  // max_length: tokens of a whole row. `allow_other_templates`: also take ids sampled after another
  // template.
  RowBuilder(const ModelText& text, int64_t max_length, bool allow_other_templates = false)
      : text_(text), max_length_(max_length), allow_other_templates_(allow_other_templates) {}

  // Loss on the response and the end-of-turn token that closes it. Text gets that token appended;
  // sampled ids are taken as they are. Reasons of a Rejection:
  //   too_long           more than max_length tokens
  //   control_token      question or response contains the template's own control text, or another
  //                      special token of the tokenizer
  //   no_token           a byte of the text has no token (Tokenizer::byte_without_token)
  //   unfinished         sampled ids that do not end with the end of the turn
  //   nothing_to_train   an empty response
  //   other_template     ids sampled after another chat template than this one
  //
  // A demonstration's thought is written in the form of the ModelText (thought_form()); in kThink
  // one without a thought begins as the template begins an answer without one (direct_prefix()).
  // Where the prompt already opens the thought, a text is made to go on from there: its thought,
  // the end of the thought, its solution; a text without a thought ends it at once.
  Accepted<TokenRow> row(std::string name, std::string_view system, std::string_view question,
                         const Response& response, const std::vector<Turn>& history = {}) const;
  // `default_system`: the system turn of a demonstration that has none.
  Accepted<TokenRow> row(std::string name, const Demonstration& demonstration,
                         std::string_view default_system = "") const;

  // The text of a demonstration's turn, as `row` trains it.
  std::string response_text(const Demonstration& demonstration) const;

  // The same for two responses; a rejected response may be unfinished. Further reasons:
  //   nothing_aligned    a response without any token in the part that `align` names
  //   same_response      chosen and rejected are equal
  Accepted<TokenPair> pair(std::string name, std::string_view system, std::string_view question,
                           const Response& chosen, const Response& rejected, Align align,
                           const std::vector<Turn>& history = {}) const;

  // For each token of a response, whether any of its bytes lies in the part: the thought or the
  // solution as parse_thought finds them in the bytes the tokens spell (tags and surrounding white
  // space excluded; kThoughtEnd and kSolutionEnd with what ends the part), or all of it, end of turn
  // included.
  std::vector<uint8_t> aligned(const std::vector<int32_t>& response_ids, Align align) const;

 private:
  std::string after_response_prefix(const std::string& text) const;
  Accepted<TokenRow> build(std::string name, std::string_view system, std::string_view question,
                           const Response& response, bool may_be_unfinished,
                           const std::vector<Turn>& history) const;

  const ModelText& text_;
  int64_t max_length_;
  bool allow_other_templates_;
};

// What becomes of a demonstration, by its index.
struct RowVisitor {
  std::function<std::string(size_t)> name = {};  // of the row; empty: ""
  std::function<void(size_t, TokenRow)> row;     // it can be trained on
  std::function<void(size_t, const Rejection&)> rejected = {};
};

// Makes the row of each demonstration, in order. Those that cannot be trained on go from `report`'s
// kept to its rejected, which then is the account of reading and of building.
void visit_rows(const RowBuilder& builder, std::span<const Demonstration> demonstrations,
                std::string_view default_system, RowAccount& report, const RowVisitor& visitor);

// The rows of demonstrations read from `file`. Throws Error when none is left.
std::vector<TokenRow> build_rows(const RowBuilder& builder,
                                 const std::vector<Demonstration>& demonstrations,
                                 const std::string& file, RowAccount& report);

// Preference pairs of a file of rows: a prompt and two responses, `chosen` and `rejected`, in every
// layout and form that a demonstration may have, trained in the same form; or trajectories
// ({"token_ids": […]} or {"text": …}), which stand as they are. Equal pairs are duplicates, and one whose
// sides are equal up to the end of the aligned part is a `same_response`. Rows that cannot be used are
// counted in `report`; throws Error when none is left.
struct PairReadOptions {
  Align align = Align::kThought;
  tokenizer::ThoughtTags thought_tags = {};
  SeenRows* seen = nullptr;  // where a run reads several files; borrowed
  FieldMap fields = {};      // of a file with names of its own
};
std::vector<TokenPair> read_pairs(const RowBuilder& builder, const std::filesystem::path& file,
                                  const PairReadOptions& options, RowAccount& report);
// The same of open `rows`, whose fields have the names that layouts know.
std::vector<TokenPair> read_pairs(const RowBuilder& builder, RowSource& rows,
                                  const PairReadOptions& options, RowAccount& report);

}  // namespace ponder::data
