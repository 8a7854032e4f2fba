#include "data/token_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "tokenizer/template_choice.h"
#include "tokenizer/thought_format.h"

namespace ponder::data {
namespace {

// Both sides have the same likelihood in the aligned part where all up to its end is the same.
bool teaches_nothing(const TokenPair& pair) {
  const auto end_of = [](const std::vector<uint8_t>& mask) {
    return std::find(mask.rbegin(), mask.rend(), 1).base() - mask.begin();
  };
  const auto end = end_of(pair.chosen_aligned);
  const auto same = [&](const auto& a, const auto& b) {
    return std::equal(a.begin(), a.begin() + end, b.begin());
  };
  return end == end_of(pair.rejected_aligned) && same(pair.chosen.tokens, pair.rejected.tokens) &&
         same(pair.chosen_aligned, pair.rejected_aligned);
}

}  // namespace

int64_t TokenRow::num_loss_tokens() const {
  return std::count(loss_mask.begin(), loss_mask.end(), 1);
}

std::string_view to_string(Align align) {
  switch (align) {
    case Align::kThought:
      return "thought";
    case Align::kSolution:
      return "solution";
    case Align::kResponse:
      return "response";
    case Align::kThoughtEnd:
      return "thought+end";
    case Align::kSolutionEnd:
      return "solution+end";
  }
  return "";
}

std::optional<Align> align_from_string(std::string_view text) {
  for (const auto align : {Align::kThought, Align::kSolution, Align::kResponse, Align::kThoughtEnd,
                           Align::kSolutionEnd}) {
    if (text == to_string(align)) return align;
  }
  return std::nullopt;
}

Response response_of(const Rollout& rollout) {
  const Completion& made = rollout.completion;
  if (made.token_ids) return {"", *made.token_ids, rollout.template_sha256};
  return {made.text, {}, rollout.template_sha256};
}

std::string RowBuilder::response_text(const Demonstration& demonstration) const {
  if (text_.thought_form() == ThoughtForm::kThink && demonstration.thought.empty() &&
      !text_.direct_prefix().empty())
    return text_.direct_prefix() + demonstration.solution;
  return demonstration.response(text_.thought_form());
}

std::string RowBuilder::after_response_prefix(const std::string& text) const {
  const std::string& opened = text_.response_prefix();
  if (opened.empty() ||
      tokenizer::parse_thought(opened + text).fault == tokenizer::ThoughtFault::kNone)
    return text;
  const tokenizer::ThoughtParts parts = tokenizer::parse_thought(text);
  if (parts.fault == tokenizer::ThoughtFault::kNone)
    return parts.thought + "\n</think>\n\n" + parts.solution;
  return parts.fault == tokenizer::ThoughtFault::kNoTags ? "\n</think>\n\n" + text : text;
}

Accepted<TokenRow> RowBuilder::build(std::string name, std::string_view system,
                                     std::string_view question, const Response& response,
                                     bool may_be_unfinished,
                                     const std::vector<Turn>& history) const {
  const auto reject = [](const char* reason, std::string detail) {
    return Rejection{reason, std::move(detail)};
  };
  // The end of a turn inside a text would end the turn there, for the model and for the loss.
  for (const std::string_view control : text_.chat().control_texts()) {
    for (const std::string_view text : {system, question, std::string_view(response.text)}) {
      if (text.find(control) != text.npos)
        return reject("control_token", fmt::format("\"{}\" in the text", control));
    }
    for (const Turn& turn : history) {
      if (turn.content.find(control) != std::string::npos)
        return reject("control_token", fmt::format("\"{}\" in an earlier turn", control));
    }
  }
  for (const std::string_view text : {system, question, std::string_view(response.text)}) {
    if (const auto token = text_.special_token_in(text))
      return reject("control_token", fmt::format("the token \"{}\" in the text", *token));
  }
  for (const std::string_view text : {system, question, std::string_view(response.text)}) {
    if (const auto missing = text_.tokenizer().byte_without_token(text))
      return reject("no_token", missing->describe());
  }
  for (const Turn& turn : history) {
    if (const auto missing = text_.tokenizer().byte_without_token(turn.content))
      return reject("no_token", missing->describe() + ", in an earlier turn");
  }
  if (!response.template_sha256.empty() && !allow_other_templates_ &&
      !tokenizer::same_rendering(response.template_sha256, text_.chat().sha256())) {
    return reject(
        "other_template",
        fmt::format("sampled after the template {}, this is {} ({}); to train on it all "
                    "the same: --allow-template-change",
                    response.template_sha256, text_.chat().sha256(), text_.chat().name()));
  }
  std::vector<int32_t> ids = response.token_ids;
  if (ids.empty()) {
    if (response.text.empty()) return reject("nothing_to_train", "the response is empty");
    ids = text_.tokenizer().encode(after_response_prefix(response.text));
    ids.push_back(text_.end_of_turn_id());
  } else if (ids.back() != text_.end_of_turn_id() && !may_be_unfinished) {
    return reject("unfinished", "the sampled response does not end with the end of the turn");
  }

  TokenRow row;
  row.name = std::move(name);
  try {
    row.tokens = text_.prompt_ids(question, system, history);
  } catch (const Error& error) {
    return reject("template_refuses", error.problem());
  }
  row.num_prompt_tokens = row.num_tokens();
  row.tokens.insert(row.tokens.end(), ids.begin(), ids.end());
  if (row.num_tokens() > max_length_) {
    return reject("too_long",
                  fmt::format("{} tokens, at most {} allowed", row.num_tokens(), max_length_));
  }
  row.loss_mask.assign(row.tokens.size(), 1);
  const auto prompt_end = row.loss_mask.begin() + std::max<int64_t>(row.num_prompt_tokens, 1);
  std::fill(row.loss_mask.begin(), prompt_end, 0);
  if (row.num_loss_tokens() == 0) return reject("nothing_to_train", "no token carries loss");
  return row;
}

Accepted<TokenRow> RowBuilder::row(std::string name, std::string_view system,
                                   std::string_view question, const Response& response,
                                   const std::vector<Turn>& history) const {
  return build(std::move(name), system, question, response, false, history);
}

Accepted<TokenRow> RowBuilder::row(std::string name, const Demonstration& demonstration,
                                   std::string_view default_system) const {
  const std::string_view system =
      demonstration.system.empty() ? default_system : std::string_view(demonstration.system);
  return build(std::move(name), system, demonstration.question, {response_text(demonstration), {}},
               false, demonstration.history);
}

std::vector<uint8_t> RowBuilder::aligned(const std::vector<int32_t>& response_ids,
                                         Align align) const {
  if (align == Align::kResponse) return std::vector<uint8_t>(response_ids.size(), 1);
  // The bytes the tokens spell, not the original text: normalisation may have changed its length.
  const std::string_view opened = text_.response_prefix();
  std::string bytes(opened);
  std::vector<size_t> ends;
  for (const int32_t id : response_ids) {
    if (id != text_.end_of_turn_id()) bytes += text_.tokenizer().token_bytes(id);
    ends.push_back(bytes.size());
  }
  const tokenizer::ThoughtParts parts = tokenizer::parse_thought(bytes);
  const bool thought = align == Align::kThought || align == Align::kThoughtEnd;
  const bool with_end = align == Align::kThoughtEnd || align == Align::kSolutionEnd;
  size_t from = thought ? parts.thought_begin : parts.solution_begin;
  size_t to = thought ? parts.thought_end : parts.solution_end;
  // White space around the part often shares a token with the tag, which is not meant.
  const auto is_space = [&](size_t at) {
    return std::string_view(" \t\r\n").find(bytes[at]) != std::string_view::npos;
  };
  while (from < to && is_space(from)) ++from;
  const size_t tag = to;  // that ends the part, where there is one
  while (from < to && is_space(to - 1)) --to;
  if (with_end && from < to && tag < bytes.size() && bytes[tag] == '<')
    to = std::min(bytes.find('>', tag), bytes.size() - 1) + 1;
  std::vector<uint8_t> mask(response_ids.size(), 0);
  size_t begin = opened.size();
  for (size_t i = 0; i < ends.size(); begin = ends[i++])
    mask[i] = begin < to && ends[i] > from && begin < ends[i];
  if (align == Align::kSolutionEnd && from < to && response_ids.back() == text_.end_of_turn_id())
    mask.back() = 1;
  return mask;
}

Accepted<TokenPair> RowBuilder::pair(std::string name, std::string_view system,
                                     std::string_view question, const Response& chosen,
                                     const Response& rejected, Align align,
                                     const std::vector<Turn>& history) const {
  const auto side = [&](const char* which, const Response& response, bool may_be_unfinished,
                        TokenRow& row, std::vector<uint8_t>& mask) -> std::optional<Rejection> {
    auto built = build(name + " " + which, system, question, response, may_be_unfinished, history);
    if (!built)
      return Rejection{built.why().reason, fmt::format("{}: {}", which, built.why().detail)};
    row = std::move(*built);
    const std::vector<int32_t> ids(row.tokens.begin() + row.num_prompt_tokens, row.tokens.end());
    mask.assign(static_cast<size_t>(row.num_prompt_tokens), 0);
    const auto own = aligned(ids, align);
    mask.insert(mask.end(), own.begin(), own.end());
    if (std::count(mask.begin(), mask.end(), 1) > 0) return std::nullopt;
    return Rejection{
        "nothing_aligned",
        fmt::format("{}: no {} found in the response (--align response takes all of it)", which,
                    to_string(align))};
  };
  TokenPair pair;
  pair.name = name;
  if (auto why = side("chosen", chosen, false, pair.chosen, pair.chosen_aligned)) return *why;
  if (auto why = side("rejected", rejected, true, pair.rejected, pair.rejected_aligned))
    return *why;
  if (pair.chosen.tokens == pair.rejected.tokens)
    return Rejection{"same_response", "chosen and rejected are the same"};
  if (teaches_nothing(pair)) {
    return Rejection{
        "same_response",
        fmt::format("chosen and rejected are the same in the aligned part ({})", to_string(align))};
  }
  pair.rejected.loss_mask = pair.rejected_aligned;
  return pair;
}

void visit_rows(const RowBuilder& builder, std::span<const Demonstration> demonstrations,
                std::string_view default_system, RowAccount& report, const RowVisitor& visitor) {
  for (size_t i = 0; i < demonstrations.size(); ++i) {
    const Demonstration& demonstration = demonstrations[i];
    auto row =
        builder.row(visitor.name ? visitor.name(i) : std::string(), demonstration, default_system);
    if (row) {
      visitor.row(i, std::move(*row));
      continue;
    }
    if (report.kept > 0) --report.kept;
    const uint64_t line = demonstration.line > 0 ? demonstration.line : i + 1;
    report.reject({row.why(), demonstration.file, line, 0, demonstration.id});
    if (visitor.rejected) visitor.rejected(i, row.why());
  }
}

std::vector<TokenRow> build_rows(const RowBuilder& builder,
                                 const std::vector<Demonstration>& demonstrations,
                                 const std::string& file, RowAccount& report) {
  std::vector<TokenRow> rows;
  RowVisitor visitor;
  visitor.name = [&](size_t i) {
    const Demonstration& d = demonstrations[i];
    const std::string name = fmt::format("{}:{}", file, d.line > 0 ? d.line : i + 1);
    return d.id.empty() ? name : name + " " + d.id;
  };
  visitor.row = [&](size_t, TokenRow row) { rows.push_back(std::move(row)); };
  visit_rows(builder, demonstrations, "", report, visitor);
  if (rows.empty()) {
    throw Error(
        file, fmt::format("no row is left to train on ({})", report.summary()),
        "raise --max-length if rows are too long, or look at the rows with: ponder data check");
  }
  return rows;
}

}  // namespace ponder::data
